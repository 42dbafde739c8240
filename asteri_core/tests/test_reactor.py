"""The reactor with real sockets: bytes, ends, deadlines, threads and the three doors."""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from asteri_core.api import RESET, Event, Exchange, FileSlice, Finished, Peer, Sendable, Started
from asteri_core.executors.shared import SharedExchange
from asteri_core.executors.watch import watch_reactor
from asteri_core.reactor import Reactor
from asteri_core.reactor.door import ReactorSelector
from asteri_core.reactor.stream import LINGER_BYTES, LINGER_SECONDS
from asteri_core.reactor.timers import TICK
from asteri_core.testing import FakeClock
from asteri_core.testing.lines import LineConnection

TURNS = 2000


class Served:
    """A reactor that listens for a line protocol, turned by the test."""

    def __init__(self, **options: float) -> None:
        self.started: list[Exchange] = []
        self.finished: list[Exchange] = []
        self.reactor = Reactor(started=self.started.append, finished=self.finished.append, **options)  # type: ignore[arg-type]
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.factory: Callable[[Peer, float], LineConnection] = lambda peer, now: LineConnection(peer)
        self.reactor.listen(self.listener, lambda peer, now: self.factory(peer, now))

    def connect(self) -> socket.socket:
        client = socket.create_connection(self.listener.getsockname(), 5)
        count = self.reactor.accepted
        self.until(lambda: self.reactor.accepted > count)
        return client

    def until(self, condition: Callable[[], bool]) -> None:
        """Turn until the condition holds."""
        for _ in range(TURNS):
            if condition():
                return
            self.reactor.poll(0.01)
        raise AssertionError("the condition never came true")

    def receive(self, client: socket.socket, end: bytes = b"\n") -> bytes:
        """Turn until the client has a line (or the end of the connection)."""
        client.setblocking(False)
        data = b""
        for _ in range(TURNS):
            self.reactor.poll(0.001)
            with contextlib.suppress(BlockingIOError):
                while piece := client.recv(1 << 20):
                    data += piece
                    if end and data.endswith(end):
                        return data
                return data
        raise AssertionError(f"no answer, only {data!r}")


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.reactor.close()
    served.listener.close()


def answer(exchange: Exchange, data: bytes = b"ok\n") -> None:
    exchange.respond(200, ())
    exchange.send(data, True)


def test_a_request_is_started_answered_and_finished(served: Served) -> None:
    with served.connect() as client:
        client.sendall(b"hello\n")
        served.until(lambda: len(served.started) == 1)
        answer(served.started[0])
        assert served.receive(client) == b"ok\n"
        assert served.finished == served.started


def test_bytes_before_and_after_a_half_close_by_the_peer_are_served(served: Served) -> None:
    with served.connect() as client:
        client.sendall(b"one\n")
        client.shutdown(socket.SHUT_WR)
        served.until(lambda: len(served.started) == 1)
        answer(served.started[0])
        assert served.receive(client, b"") == b"ok\n"
        served.until(lambda: served.reactor.connections == 0)


def test_a_peer_that_resets_ends_its_exchange(served: Served) -> None:
    client = served.connect()
    client.sendall(b"hello\n")
    served.until(lambda: len(served.started) == 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    served.until(lambda: len(served.finished) == 1)
    assert served.reactor.connections == 0
    with pytest.raises(ConnectionError):
        served.started[0].respond(200, ())


def test_a_large_answer_to_a_slow_reader_arrives_whole(served: Served) -> None:
    with served.connect() as client:
        client.sendall(b"hello\n")
        served.until(lambda: len(served.started) == 1)
        data = os.urandom(9 << 20) + b"\n"
        answer(served.started[0], data)
        for _ in range(20):
            served.reactor.poll(0)
        assert served.receive(client, data[-20:]) == data


def test_a_peer_that_takes_nothing_is_cut_after_the_write_time_out() -> None:
    served = Served(write_timeout=0.2)
    with served.connect() as client:
        client.sendall(b"hello\n")
        served.until(lambda: len(served.started) == 1)
        answer(served.started[0], bytes(64 << 20))
        served.until(lambda: served.reactor.connections == 0)
    served.reactor.close()
    served.listener.close()


class FileConnection(LineConnection):
    """Answers every connection with a file between two texts, then closes."""

    def __init__(self, peer: Peer, pieces: Sequence[Sendable]) -> None:
        super().__init__(peer)
        self.pieces = pieces

    def data_to_send(self, now: float) -> Sequence[Sendable]:
        pieces, self.pieces = self.pieces, ()
        return pieces


def test_a_file_goes_out_in_its_place_between_other_bytes(served: Served) -> None:
    content = os.urandom(5 << 20)
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        pieces = (b"head", FileSlice(file, 100, len(content) - 100), b"middle", b"tail", b"")
        served.factory = lambda peer, now: FileConnection(peer, pieces)
        with served.connect() as client:
            assert served.receive(client, b"") == b"head" + content[100:] + b"middletail"


def test_a_file_that_is_shorter_than_announced_cuts_the_connection(served: Served) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"short")
        file.flush()
        served.factory = lambda peer, now: FileConnection(peer, (FileSlice(file, 0, 50), b""))
        with served.connect() as client:
            served.until(lambda: served.reactor.connections == 0)
            assert client.recv(100) == b"short"
            with pytest.raises(ConnectionResetError):
                client.recv(100)


def test_unread_bytes_of_the_peer_do_not_destroy_the_answer(served: Served) -> None:
    served.factory = lambda peer, now: FileConnection(peer, (b"no thank you\n", b""))
    with served.connect() as client:
        client.sendall(b"x" * 500_000)
        assert served.receive(client, b"") == b"no thank you\n"


def test_a_peer_that_sends_without_end_after_our_half_close_is_cut(served: Served) -> None:
    served.factory = lambda peer, now: FileConnection(peer, (b"bye\n", b""))
    with served.connect() as client:
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 40 * LINGER_BYTES:
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    sent += client.send(b"x" * 65536)
                served.reactor.poll(0)
        assert sent < 40 * LINGER_BYTES


def test_beyond_the_limit_of_connections_accepting_pauses_and_goes_on() -> None:
    served = Served(max_connections=2)
    clients = [served.connect(), served.connect()]
    waiting = socket.create_connection(served.listener.getsockname(), 5)
    for _ in range(20):
        served.reactor.poll(0.001)
    assert served.reactor.connections == 2
    clients.pop().close()
    served.until(lambda: served.reactor.accepted == 3)
    for client in (*clients, waiting):
        client.close()
    served.reactor.close()
    served.listener.close()


def test_draining_closes_idle_peers_refuses_new_ones_and_finishes_what_runs(served: Served) -> None:
    with served.connect() as idle, served.connect() as busy:
        busy.sendall(b"hello\n")
        served.until(lambda: len(served.started) == 1)
        served.reactor.drain(served.reactor.clock())
        assert served.receive(idle, b"") == b""
        answer(served.started[0])
        assert served.receive(busy, b"") == b"ok\n"
        served.until(lambda: served.reactor.connections == 0)


def test_another_thread_answers_under_the_lock_without_waking_the_reactor(served: Served) -> None:
    with served.connect() as client:
        client.sendall(b"hello\n")
        served.until(lambda: len(served.started) == 1)
        shared = SharedExchange(served.started[0], served.reactor)
        thread = threading.Thread(target=lambda: answer(shared))
        thread.start()
        thread.join()
        assert client.recv(100) == b"ok\n"


def test_posting_from_another_thread_ends_the_wait(served: Served) -> None:
    called: list[str] = []
    timer = threading.Timer(0.05, lambda: served.reactor.post(lambda: called.append(threading.current_thread().name)))
    timer.start()
    served.reactor.poll(20)
    timer.join()
    served.until(lambda: bool(called))
    assert called == [threading.current_thread().name]


def test_a_timer_that_another_thread_sets_ends_a_longer_wait(served: Served) -> None:
    called: list[int] = []

    def set_timer() -> None:
        with served.reactor.lock:
            served.reactor.call_at(served.reactor.clock() + 0.05, lambda: called.append(1))

    timer = threading.Timer(0.05, set_timer)
    timer.start()
    served.until(lambda: bool(called))
    timer.join()


def test_a_stock_asyncio_loop_runs_inside_the_reactor(served: Served) -> None:
    loop = asyncio.SelectorEventLoop(ReactorSelector(served.reactor))

    async def main() -> bytes:
        reader, writer = await asyncio.open_connection(*served.listener.getsockname())
        writer.write(b"hello\n")
        while not served.started:
            await asyncio.sleep(0.001)
        answer(served.started[0])
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return line

    assert loop.run_until_complete(asyncio.wait_for(main(), 10)) == b"ok\n"
    loop.close()


def test_the_selector_keeps_the_contract_of_the_standard_library(served: Served) -> None:
    selector = ReactorSelector(served.reactor)
    one, other = socket.socketpair()
    with one, other:
        key = selector.register(one, selectors.EVENT_READ, "data")
        assert selector.get_key(one) == key
        assert selector.get_map()[one.fileno()] == key
        with pytest.raises(KeyError):
            selector.register(one, selectors.EVENT_READ)
        with pytest.raises(KeyError):
            selector.get_key(other)
        assert selector.select(0) == []
        other.send(b"x")
        assert selector.select(5) == [(key, selectors.EVENT_READ)]
        changed = selector.modify(one, selectors.EVENT_WRITE, "other data")
        assert selector.select(5) == [(changed, selectors.EVENT_WRITE)]
        assert selector.unregister(one) == changed
        with pytest.raises(KeyError):
            selector.unregister(one)
    selector.close()


def test_a_loop_with_its_own_poller_watches_the_reactor(served: Served) -> None:
    async def main() -> bytes:
        end_watch = watch_reactor(asyncio.get_running_loop(), served.reactor)
        reader, writer = await asyncio.open_connection(*served.listener.getsockname())
        writer.write(b"hello\n")
        while not served.started:
            await asyncio.sleep(0.001)
        answer(served.started[0])
        line = await reader.readline()
        fired = asyncio.Event()
        served.reactor.call_at(served.reactor.clock() + 0.02, fired.set)
        await asyncio.wait_for(fired.wait(), 5)
        writer.close()
        await writer.wait_closed()
        end_watch()
        return line

    assert asyncio.run(main()) == b"ok\n"


class Chatter(LineConnection):
    """Starts and finishes exchanges in one go, to see that none is counted twice."""

    def events(self) -> Sequence[Event]:
        events = super().events()
        for event in events:
            assert isinstance(event, Started | Finished)
        return events


def test_every_exchange_is_finished_once_whatever_happens_to_its_peer(served: Served) -> None:
    served.factory = lambda peer, now: Chatter(peer)
    clients = [served.connect() for _ in range(30)]
    for number, client in enumerate(clients):
        client.sendall(b"hello\n" * 3)
        if number % 3 == 0:
            client.close()
    answered = 0
    for _ in range(300):
        served.reactor.poll(0.001)
        for exchange in served.started[answered:]:
            answered += 1
            with contextlib.suppress(ConnectionError):
                answer(exchange)
    served.reactor.abandon()
    assert len(served.finished) == len(set(served.finished)) == len(served.started) >= 60
    for client in clients:
        client.close()


def test_a_reset_reaches_the_peer_as_one(served: Served) -> None:
    served.factory = lambda peer, now: FileConnection(peer, (b"half of it\n", RESET))
    with served.connect() as client:
        client.settimeout(5)
        served.until(lambda: served.reactor.connections == 0)
        assert client.recv(100) == b"half of it\n"
        with pytest.raises(ConnectionResetError):
            client.recv(100)
        assert served.reactor.connections == 0


class Raising(LineConnection):
    """Raises where it must not, in one of its methods."""

    method = ""
    also = ""

    def __getattribute__(self, name: str) -> object:
        found = object.__getattribute__(self, name)
        if name in (type(self).method, type(self).also):

            def fail(*_: object) -> None:
                raise ZeroDivisionError(name)

            return fail
        return found

    def deadline(self) -> float | None:
        return 0.0


@pytest.mark.parametrize("also", ["", "lost"])
@pytest.mark.parametrize(
    "method", ["receive_data", "receive_eof", "events", "data_to_send", "deadline", "expire", "drain"]
)
def test_a_connection_that_raises_loses_its_own_peer_and_no_other(
    served: Served, caplog: pytest.LogCaptureFixture, method: str, also: str
) -> None:
    with served.connect() as good:
        broken = type("Broken", (Raising,), {"method": method, "also": also})
        served.factory = lambda peer, now: broken(peer)
        count = served.reactor.accepted
        with socket.create_connection(served.listener.getsockname(), 5) as bad:
            served.until(lambda: served.reactor.accepted > count)
            with contextlib.suppress(OSError):
                bad.sendall(b"hello\n")
                bad.shutdown(socket.SHUT_WR)
            if method == "drain":
                with served.reactor.lock:
                    served.reactor.drain(served.reactor.clock() + 5)
            served.until(lambda: served.reactor.connections == 1)
        assert f"ZeroDivisionError: {method}" in caplog.text
        if method != "drain":
            served.started.clear()
            good.sendall(b"hello\n")
            served.until(lambda: len(served.started) == 1)
            answer(served.started[0])
            assert served.receive(good) == b"ok\n"


class HandsOutFirst(LineConnection):
    """Says what has happened when the bytes before it have been handed out, as HTTP/1.1 does."""

    def events(self) -> Sequence[Event]:
        return () if self._out else super().events()


def test_regression_1_a_request_that_begins_while_its_peer_is_lost_neither_starts_nor_finishes(served: Served) -> None:
    """Found by scrambled streams: the second request was finished without having been started."""
    served.factory = lambda peer, now: HandsOutFirst(peer)
    client = served.connect()
    client.sendall(b"one\ntwo\n")
    served.until(lambda: len(served.started) == 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    with served.reactor.lock:
        answer(served.started[0])
        served.reactor.flush()
    assert len(served.started) == 1
    assert served.finished == served.started
    assert served.reactor.connections == 0


def test_an_idle_peer_does_not_hold_up_a_drain_but_a_fresh_answer_is_given_time() -> None:
    clock = FakeClock()
    served = Served(clock=clock)  # type: ignore[arg-type]
    with served.connect() as idle, served.connect() as fresh:
        clock.advance(LINGER_SECONDS)
        fresh.sendall(b"hello\n")
        served.until(lambda: len(served.started) == 1)
        answer(served.started[0])
        assert served.receive(fresh) == b"ok\n"
        served.reactor.drain(clock())
        assert served.reactor.connections == 1
        clock.advance(LINGER_SECONDS + TICK)
        served.until(lambda: served.reactor.connections == 0)
        idle.settimeout(5)
        assert idle.recv(1) == b""
    served.reactor.close()
    served.listener.close()


def test_a_listener_given_up_in_the_turn_in_which_a_peer_comes_is_left_alone(served: Served) -> None:
    """As when the arbiter is killed while a request runs: the worker sees its end and a new peer in one turn."""
    news, teller = socket.socketpair()

    def give_up(mask: int) -> None:
        served.reactor.remove(news)
        served.reactor.unlisten()
        served.listener.close()

    with news, teller:
        served.reactor.add(news, selectors.EVENT_READ, give_up)
        teller.send(b"x")
        with socket.create_connection(served.listener.getsockname(), 5):
            served.until(lambda: served.listener.fileno() == -1)
        served.reactor.poll(0)


def test_a_listener_that_fails_pauses_accepting_and_leaves_running_requests_alone(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with served.connect() as client:
        client.sendall(b"hello\n")
        served.until(lambda: bool(served.started))
        served.listener.shutdown(socket.SHUT_RD)  # from here on accept fails
        served.until(lambda: "accepting pauses" in caplog.text)
        answer(served.started[0])
        assert served.receive(client) == b"ok\n"


def test_a_peer_given_up_in_the_middle_of_its_answer_gets_a_reset(served: Served) -> None:
    """Found by clients of HTTP/1.0, whose answers end with the connection: half of one looked whole."""
    with served.connect() as client, served.connect() as idle:
        client.sendall(b"hello\n")
        served.until(lambda: bool(served.started))
        served.started[0].respond(200, ())
        served.started[0].send(b"half of it")
        served.reactor.poll(0)
        assert client.recv(100) == b"half of it"
        with served.reactor.lock:
            served.reactor.abandon()
        assert idle.recv(100) == b""
        with pytest.raises(ConnectionResetError):
            client.recv(100)
