"""The reactor with real sockets: bytes, ends, and what its connections and callbacks may do to it."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import selectors
import socket
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from asteri_core.api import Event, Finished, Peer, Started
from asteri_core.reactor.stream import LINGER_SECONDS, READ_SIZE
from asteri_core.reactor.timers import TICK
from asteri_core.testing import FakeClock
from asteri_core.testing.lines import LineConnection


def test_a_request_is_started_answered_and_finished(served: Any) -> None:
    with served.connect() as client:
        client.sendall(b"hello\n")
        served.until(lambda: len(served.started) == 1)
        served.answer(served.started[0])
        assert served.receive(client) == b"ok\n"
        assert served.finished == served.started


def test_bytes_before_and_after_a_half_close_by_the_peer_are_served(served: Any) -> None:
    with served.connect() as client:
        client.sendall(b"one\n")
        client.shutdown(socket.SHUT_WR)
        served.until(lambda: len(served.started) == 1)
        served.answer(served.started[0])
        assert served.receive(client, b"") == b"ok\n"
        served.until(lambda: served.reactor.connections == 0)


def test_a_peer_that_resets_ends_its_exchange(served: Any) -> None:
    client = served.connect()
    client.sendall(b"hello\n")
    served.until(lambda: len(served.started) == 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    served.until(lambda: len(served.finished) == 1)
    assert served.reactor.connections == 0
    with pytest.raises(ConnectionError):
        served.started[0].respond(200, ())


def test_beyond_the_limit_of_connections_accepting_pauses_and_goes_on(serve: Callable[..., Any]) -> None:
    served = serve(max_connections=2)
    clients = [served.connect(), served.connect()]
    waiting = socket.create_connection(served.listener.getsockname(), 5)
    for _ in range(20):
        served.reactor.poll(0.001)
    assert served.reactor.connections == 2
    clients.pop().close()
    served.until(lambda: served.reactor.accepted == 3)
    for client in (*clients, waiting):
        client.close()


def test_draining_closes_idle_peers_refuses_new_ones_and_finishes_what_runs(served: Any) -> None:
    with served.connect() as idle, served.connect() as busy:
        busy.sendall(b"hello\n")
        served.until(lambda: len(served.started) == 1)
        served.reactor.drain(served.reactor.clock())
        assert served.receive(idle, b"") == b""
        served.answer(served.started[0])
        assert served.receive(busy, b"") == b"ok\n"
        served.until(lambda: served.reactor.connections == 0)


class Chatter(LineConnection):
    """Starts and finishes exchanges in one go, to see that none is counted twice."""

    def events(self) -> Sequence[Event]:
        events = super().events()
        for event in events:
            assert isinstance(event, Started | Finished)
        return events


def test_every_exchange_is_finished_once_whatever_happens_to_its_peer(served: Any) -> None:
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
                served.answer(exchange)
    served.reactor.abandon()
    assert len(served.finished) == len(set(served.finished)) == len(served.started) >= 60
    for client in clients:
        client.close()


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
    served: Any, caplog: pytest.LogCaptureFixture, method: str, also: str
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
            served.answer(served.started[0])
            assert served.receive(good) == b"ok\n"


class HandsOutFirst(LineConnection):
    """Says what has happened when the bytes before it have been handed out, as HTTP/1.1 does."""

    def events(self) -> Sequence[Event]:
        return () if self._out else super().events()


def test_regression_1_a_request_that_begins_while_its_peer_is_lost_is_not_finished_without_a_start(served: Any) -> None:
    """Found by scrambled streams: the second request was finished without having been started."""
    served.factory = lambda peer, now: HandsOutFirst(peer)
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname(), 5)
        ours, _ = server.accept()
    reset = select.poll()
    reset.register(ours, 0)
    with served.reactor.lock:
        served.reactor.attach(ours, Peer("", ""), served.factory)
    client.sendall(b"one\ntwo\n")
    served.until(lambda: len(served.started) == 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    assert reset.poll(5000)  # the reset may come a little later than the close
    with served.reactor.lock:
        served.answer(served.started[0])
        served.reactor.flush()
    assert served.finished == served.started
    assert served.reactor.connections == 0


@pytest.mark.parametrize("within", ["one turn", "two turns"])
def test_regression_2_the_end_of_a_peer_is_told_once_whoever_turns_meanwhile(served: Any, within: str) -> None:
    """Found by the fuzz target: what read the end was within a turn of the same peer, which then read it again."""
    ends: list[object] = []

    class Ending(LineConnection):
        def receive_eof(self, now: float) -> None:
            ends.append(self)
            super().receive_eof(now)

    def started(exchange: Any) -> None:
        if exchange.target != b"other":
            if within == "two turns":
                served.reactor.poll(0)  # takes this peer from the front of what is ready
                other.sendall(b"other\n")
            client.shutdown(socket.SHUT_WR)
        served.reactor.poll(0)
        served.answer(exchange)

    served.factory = lambda peer, now: Ending(peer)
    served.reactor.started = started
    with served.attach() as client, served.attach() as other:
        client.sendall(b"x" * (READ_SIZE - 1) + b"\n")  # what is read whole may have more behind it
        served.until(lambda: served.reactor.connections == 1)
    assert len(ends) == 1


def test_an_idle_peer_does_not_hold_up_a_drain_but_a_fresh_answer_is_given_time(serve: Callable[..., Any]) -> None:
    clock = FakeClock()
    served = serve(clock=clock)
    with served.connect() as idle, served.connect() as fresh:
        clock.advance(LINGER_SECONDS)
        fresh.sendall(b"hello\n")
        served.until(lambda: len(served.started) == 1)
        served.answer(served.started[0])
        assert served.receive(fresh) == b"ok\n"
        served.reactor.drain(clock())
        assert served.reactor.connections == 1
        clock.advance(LINGER_SECONDS + TICK)
        served.until(lambda: served.reactor.connections == 0)
        idle.settimeout(5)
        assert idle.recv(1) == b""


def test_a_listener_given_up_in_the_turn_in_which_a_peer_comes_is_left_alone(served: Any) -> None:
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
    served: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with served.connect() as client:
        client.sendall(b"hello\n")
        served.until(lambda: bool(served.started))
        served.listener.shutdown(socket.SHUT_RD)  # from here on accept fails
        served.until(lambda: "accepting pauses" in caplog.text)
        served.answer(served.started[0])
        assert served.receive(client) == b"ok\n"


def test_a_peer_given_up_in_the_middle_of_its_answer_gets_a_reset(served: Any) -> None:
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


class Held(LineConnection):
    """Wants nothing as long as it is told so."""

    held = True

    @property
    def wants_data(self) -> bool:
        return not self.held


def release(served: Any, connection: Held) -> None:
    """As an exchange does whose body has been read."""
    with served.reactor.lock:
        connection.held = False
        connection.wake()
        served.reactor.flush()


@pytest.mark.parametrize("size", [1, 65535, 65536, 65537, 200_000])
def test_bytes_that_were_not_wanted_when_they_came_are_read_later(served: Any, size: int) -> None:
    made: list[Held] = []
    served.factory = lambda peer, now: made.append(Held(peer)) or made[-1]
    with served.connect() as client:
        client.sendall(b"x" * (size - 1) + b"\n")
        for _ in range(5):
            served.reactor.poll(0.001)
        assert served.started == []
        release(served, made[0])
        served.until(lambda: len(served.started) == 1)
        assert len(served.started[0].target) == size - 1


def test_urgent_data_stops_nothing_that_comes_behind_it(served: Any) -> None:
    """A recv stops at it (RFC 6093 section 3), so one that is short has not always read everything."""
    with served.connect() as client:
        client.sendall(b"one")
        client.send(b"!", socket.MSG_OOB)
        client.sendall(b"two\nthree\n")
        served.until(lambda: len(served.started) == 1)
        assert served.started[0].target == b"onetwo"
        served.answer(served.started[0])
        served.until(lambda: len(served.started) == 2)


def test_the_end_of_a_peer_from_which_nothing_was_wanted_is_seen_later(served: Any) -> None:
    made: list[Held] = []
    served.factory = lambda peer, now: made.append(Held(peer)) or made[-1]
    with served.connect() as client:
        client.shutdown(socket.SHUT_WR)
        for _ in range(5):
            served.reactor.poll(0.001)
        assert not made[0].at_eof
        release(served, made[0])
        assert served.receive(client, b"") == b""
        assert made[0].at_eof


def test_a_peer_from_which_nothing_is_wanted_does_not_keep_the_reactor_awake(served: Any) -> None:
    served.factory = lambda peer, now: Held(peer)
    with served.connect() as client:
        client.sendall(b"hello\n")
        for _ in range(5):
            served.reactor.poll(0.001)
        assert served.reactor.timeout() is None
        turns = 0
        until = served.reactor.clock() + 0.05
        while served.reactor.clock() < until:
            served.reactor.poll(until - served.reactor.clock())
            turns += 1
        assert turns < 10


def test_a_factory_that_raises_loses_its_own_peer_and_no_other(served: Any, caplog: pytest.LogCaptureFixture) -> None:
    with served.connect() as good:

        def fail(peer: Peer, now: float) -> LineConnection:
            raise ZeroDivisionError("in the factory")

        served.factory = fail
        with served.connect() as bad:
            bad.settimeout(5)
            assert bad.recv(1) == b""
        assert "ZeroDivisionError: in the factory" in caplog.text
        assert served.reactor.connections == 1
        good.sendall(b"hello\n")
        served.until(lambda: len(served.started) == 1)


def test_a_callback_that_raises_loses_its_own_peer_and_no_other(served: Any, caplog: pytest.LogCaptureFixture) -> None:
    def fail(exchange: object) -> None:
        raise ZeroDivisionError("in the callback")

    with served.connect() as good, served.connect() as bad:
        started, served.reactor.started = served.reactor.started, fail
        bad.sendall(b"hello\n")
        served.until(lambda: served.reactor.connections == 1)
        served.reactor.started = started
        assert "ZeroDivisionError: in the callback" in caplog.text
        good.sendall(b"hello\n")
        served.until(lambda: len(served.started) == 1)


def test_an_interrupt_comes_out_of_poll_and_costs_nobody_anything_else(served: Any) -> None:
    """Also those of whom the system has told in the same turn."""

    def interrupt(exchange: object) -> None:
        served.reactor.started = served.started.append
        raise KeyboardInterrupt

    clients = [served.connect() for _ in range(4)]
    served.reactor.started = interrupt
    for client in clients:
        client.sendall(b"one\ntwo\n")
    with pytest.raises(KeyboardInterrupt):
        served.until(lambda: bool(served.started))
    served.until(lambda: len(served.started) == 3)
    for exchange in served.started[:3]:
        served.answer(exchange)
    served.until(lambda: len(served.started) == 6)
    served.reactor.abandon()
    # The interrupted one has begun for its connection, though nobody has heard of it.
    assert len(served.finished) == 7
    for client in clients:
        client.close()


def test_regression_3_an_interrupt_while_answers_leave_holds_up_nobody(served: Any) -> None:
    """Found by the fuzz target: what was to leave behind the interrupted one never left."""

    def interrupt(exchange: object) -> None:
        raise KeyboardInterrupt

    with served.connect() as first, served.connect() as second:
        first.sendall(b"one\ntwo\n")
        second.sendall(b"one\n")
        served.until(lambda: len(served.started) == 2)
        served.reactor.started = interrupt
        with served.reactor.lock:
            for exchange in sorted(served.started, key=lambda exchange: exchange.peer.address != first.getsockname()):
                served.answer(exchange)
            with pytest.raises(KeyboardInterrupt):
                served.reactor.flush()
        assert served.receive(second) == b"ok\n"


def test_regression_4_an_interrupt_while_deadlines_pass_costs_nobody_his_own(serve: Callable[..., Any]) -> None:
    expired: list[object] = []

    class Interrupted(LineConnection):
        def deadline(self) -> float | None:
            return None if self in expired else clock.now - 1

        def expire(self, now: float) -> None:
            if not interrupts:
                interrupts.append(self)
                raise KeyboardInterrupt
            expired.append(self)

    interrupts: list[object] = []
    clock = FakeClock()
    served = serve(clock=clock)
    served.factory = lambda peer, now: Interrupted(peer)
    with served.attach(), served.attach(), served.attach():
        clock.advance(TICK)
        with pytest.raises(KeyboardInterrupt):
            served.reactor.poll(0)
        served.until(lambda: bool(clock.advance(TICK)) and len(expired) == 3)


def test_abandoning_goes_on_after_a_connection_that_raises(served: Any) -> None:
    broken = type("Broken", (LineConnection,), {"lost": lambda *_: 1 / 0})
    clients = [served.connect()]
    served.factory = lambda peer, now: broken(peer)
    clients += [served.connect(), served.connect()]
    with served.reactor.lock:
        served.reactor.abandon()
    assert served.reactor.connections == 0
    for client in clients:
        client.settimeout(5)
        assert client.recv(1) == b""
        client.close()


def test_what_is_left_to_send_leaves_before_a_callback_waits_in_the_reactor(served: Any) -> None:
    """A turn within a turn, for a request that begins behind another one's answer."""
    received: list[bytes] = []

    def started(exchange: Any) -> None:
        served.answer(exchange, exchange.target + b"\n")
        if exchange.target == b"two":
            received.append(served.receive(client, b"two\n"))

    served.reactor.started = started
    with served.connect() as client, served.connect() as other:
        other.sendall(b"other\n")
        client.sendall(b"one\ntwo\n")
        served.until(lambda: bool(received))
        assert received == [b"one\ntwo\n"]
        assert served.receive(other) == b"other\n"


def test_closing_gives_back_every_descriptor(serve: Callable[..., Any]) -> None:
    gc.collect()  # else what former tests have left may be closed meanwhile
    before = len(os.listdir("/proc/self/fd"))
    served = serve()
    clients = [served.connect() for _ in range(10)]
    served.close()
    served.close()
    for client in clients:
        client.close()
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ValueError, match="closed"):
        served.reactor.poll(0)
    served.reactor.wake()
