"""The three doors of the reactor: its own loop, a selector for asyncio, and a descriptor that others watch."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asteri_core.executors.shared import SharedExchange
from asteri_core.executors.watch import watch_reactor
from asteri_core.testing import FakeClock


def test_another_thread_answers_under_the_lock_without_waking_the_reactor(served: Any) -> None:
    with served.connect() as client:
        client.sendall(b"hello\n")
        served.until(lambda: len(served.started) == 1)
        shared = SharedExchange(served.started[0], served.reactor)
        thread = threading.Thread(target=lambda: served.answer(shared))
        thread.start()
        thread.join()
        assert client.recv(100) == b"ok\n"


def test_posting_from_another_thread_ends_the_wait(served: Any) -> None:
    called: list[str] = []
    timer = threading.Timer(0.05, lambda: served.reactor.post(lambda: called.append(threading.current_thread().name)))
    timer.start()
    served.reactor.poll(20)
    timer.join()
    served.until(lambda: bool(called))
    assert called == [threading.current_thread().name]


def test_a_timer_that_another_thread_sets_ends_a_longer_wait(served: Any) -> None:
    called: list[int] = []

    def set_timer() -> None:
        with served.reactor.lock:
            served.reactor.call_at(served.reactor.clock() + 0.05, lambda: called.append(1))

    timer = threading.Timer(0.05, set_timer)
    timer.start()
    served.until(lambda: bool(called))
    timer.join()


@pytest.mark.parametrize("known", [False, True])
def test_a_stock_asyncio_loop_runs_inside_the_reactor(twin: Any, served: Any, known: bool) -> None:
    selector = twin.ReactorSelector(served.reactor)
    loop = asyncio.SelectorEventLoop(selector)
    selector.loop = loop if known else None

    async def main() -> bytes:
        reader, writer = await asyncio.open_connection(*served.listener.getsockname())
        writer.write(b"hello\n")
        while not served.started:
            await asyncio.sleep(0.001)
        served.answer(served.started[0])
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return line

    assert loop.run_until_complete(asyncio.wait_for(main(), 10)) == b"ok\n"
    loop.close()


def test_the_selector_keeps_the_contract_of_the_standard_library(twin: Any, served: Any) -> None:
    selector = twin.ReactorSelector(served.reactor)
    assert isinstance(selector, selectors.BaseSelector)
    one, other = socket.socketpair()
    with one, other:
        key = selector.register(one, selectors.EVENT_READ, "data")
        assert selector.get_key(one) == key
        found = selector.get_map()
        assert found[one.fileno()] == found[one] == key
        assert found.get(other) is None
        assert (list(found), len(found)) == ([one.fileno()], 1)
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


def test_a_loop_with_its_own_poller_watches_the_reactor(served: Any) -> None:
    async def main() -> bytes:
        end_watch = watch_reactor(asyncio.get_running_loop(), served.reactor)
        reader, writer = await asyncio.open_connection(*served.listener.getsockname())
        writer.write(b"hello\n")
        while not served.started:
            await asyncio.sleep(0.001)
        served.answer(served.started[0])
        line = await reader.readline()
        fired = asyncio.Event()
        served.reactor.call_at(served.reactor.clock() + 0.02, fired.set)
        await asyncio.wait_for(fired.wait(), 5)
        writer.close()
        await writer.wait_closed()
        end_watch()
        return line

    assert asyncio.run(main()) == b"ok\n"


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts its turns."""

    turns = 0

    def _run_once(self) -> None:
        self.turns += 1
        super()._run_once()  # type: ignore[misc]


@pytest.fixture
def loop(twin: Any, served: Any) -> Iterator[CountingLoop]:
    """A loop that polls in the reactor of `served`, and is known to the selector."""
    selector = twin.ReactorSelector(served.reactor)
    loop = CountingLoop(selector)
    selector.loop = loop
    yield loop
    loop.close()


def ask_and_stop(served: Any, loop: CountingLoop, count: int) -> None:
    """From another thread: so many requests one after the other, then the loop is stopped from within the reactor."""
    with socket.create_connection(served.listener.getsockname(), 10) as client:
        for _ in range(count):
            client.sendall(b"hello\n")
            assert client.recv(100) == b"ok\n"
    served.reactor.post(loop.stop)


def run_while_asked(served: Any, loop: CountingLoop, count: int) -> None:
    thread = threading.Thread(target=ask_and_stop, args=(served, loop, count))
    thread.start()
    loop.run_forever()
    thread.join()


def test_requests_that_do_not_wait_cost_a_known_loop_no_turn(served: Any, loop: CountingLoop) -> None:
    served.reactor.started = served.answer
    run_while_asked(served, loop, 50)
    assert len(served.finished) == 50
    assert loop.turns <= 3


def test_a_callback_that_a_request_schedules_runs_at_once(served: Any, loop: CountingLoop) -> None:
    served.reactor.started = lambda exchange: loop.call_soon(answer_later, exchange)

    def answer_later(exchange: Any) -> None:
        served.answer(exchange)
        with served.reactor.lock:
            served.reactor.flush()

    run_while_asked(served, loop, 20)
    assert len(served.finished) == 20


@pytest.mark.parametrize("waiting", [None, 10.0])
def test_a_timer_that_a_request_sets_comes_in_its_time(served: Any, loop: CountingLoop, waiting: float | None) -> None:
    def answer_later(exchange: Any) -> None:
        served.answer(exchange)
        with served.reactor.lock:
            served.reactor.flush()

    def started(exchange: Any) -> None:
        loop.call_later(0.001, lambda: None).cancel()
        loop.call_later(0.002, answer_later, exchange)

    if waiting is not None:
        loop.call_later(waiting, lambda: None)
    served.reactor.started = started
    run_while_asked(served, loop, 20)
    assert len(served.finished) == 20


def test_timers_that_are_cancelled_at_once_do_not_pile_up(served: Any, loop: CountingLoop) -> None:
    def started(exchange: Any) -> None:
        loop.call_later(100, lambda: None).cancel()
        served.answer(exchange)

    served.reactor.started = started
    run_while_asked(served, loop, 1000)
    assert len(loop._scheduled) < 600  # type: ignore[attr-defined]


def test_a_descriptor_of_the_loop_ends_its_wait(served: Any, loop: CountingLoop) -> None:
    served.reactor.started = served.answer
    one, other = socket.socketpair()
    with one, other:
        loop.add_reader(one, loop.stop)
        timer = threading.Timer(0.02, other.send, (b"x",))
        timer.start()
        loop.run_forever()
        timer.join()
        assert loop.remove_reader(one)
        assert one.recv(1) == b"x"


def test_a_loop_that_is_not_understood_gets_its_turn_after_everything_that_happens(twin: Any, served: Any) -> None:
    selector = twin.ReactorSelector(served.reactor)
    selector.loop = object()
    served.reactor.started = served.answer
    with served.connect() as client:
        client.sendall(b"hello\n")
        assert selector.select(20) == []
        assert client.recv(100) == b"ok\n"
    selector.close()


class Bare:
    """The least that is looked at of a loop."""

    def __init__(self) -> None:
        self._ready: list[object] = []
        self._scheduled: list[object] = []
        self._stopping = False


@pytest.mark.parametrize("timeout", [0, 0.02, -1])
def test_a_known_loop_gets_its_turn_when_the_time_is_over(twin: Any, served: Any, timeout: float) -> None:
    selector = twin.ReactorSelector(served.reactor)
    selector.loop = Bare()
    began = served.reactor.clock()
    assert selector.select(timeout) == []
    assert served.reactor.clock() - began >= max(0.0, timeout)


@pytest.mark.parametrize("how", ["poll", "select", "known"])
def test_an_exception_out_of_a_signal_handler_ends_the_wait(twin: Any, served: Any, how: str) -> None:
    class Signalled(BaseException):
        pass

    def handle(number: int, frame: object) -> None:
        raise Signalled

    selector = twin.ReactorSelector(served.reactor)
    selector.loop = Bare() if how == "known" else None

    def wait() -> None:
        timer.start()  # here, since the signal may come before the wait has begun
        while True:
            served.reactor.poll(20) if how == "poll" else selector.select(20)

    former = signal.signal(signal.SIGUSR1, handle)
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        with pytest.raises(Signalled):
            wait()
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, former)


def test_a_wake_between_two_turns_ends_the_next_wait(served: Any) -> None:
    """A signal handler may come between the last look at a flag and the wait."""
    served.reactor.poll(0)
    served.reactor.wake()
    began = served.reactor.clock()
    served.reactor.poll(20)
    assert served.reactor.clock() - began < 10


def test_what_a_posted_callback_posts_runs_in_the_same_turn_and_an_error_leaves_the_rest(served: Any) -> None:
    called: list[int] = []
    served.reactor.post(lambda: served.reactor.post(lambda: called.append(1)))
    served.reactor.poll(0)
    assert called == [1]
    served.reactor.post(lambda: 1 / 0)
    for number in range(2, 40):
        served.reactor.post(lambda number=number: called.append(number))
    with pytest.raises(ZeroDivisionError):
        served.reactor.poll(20)
    served.reactor.poll(20)
    assert called == list(range(1, 40))


def test_posts_of_many_threads_all_come_in_the_order_of_each(served: Any) -> None:
    called: list[tuple[int, int]] = []

    def post(thread: int) -> None:
        for number in range(200):
            served.reactor.post(lambda number=number: called.append((thread, number)))

    threads = [threading.Thread(target=post, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    served.until(lambda: len(called) == 800)
    for thread in threads:
        thread.join()
    for number in range(4):
        assert [one for one in called if one[0] == number] == [(number, count) for count in range(200)]


def test_somebody_else_may_sleep_on_the_descriptor(serve: Callable[..., Any]) -> None:
    served = serve(clock=FakeClock())
    reactor = served.reactor
    with selectors.DefaultSelector() as poller:
        poller.register(reactor.fileno(), selectors.EVENT_READ)
        reactor.poll(0)
        assert poller.select(0) == []
        reactor.post(lambda: None)
        assert poller.select(5)
        reactor.poll(0)
        assert poller.select(0) == []
        reactor.call_at(reactor.clock() + 5, lambda: None)
        assert poller.select(5)
        reactor.poll(0)
        assert reactor.timeout() == 5
        client = served.attach()
        client.sendall(b"hello\n")
        assert poller.select(5)
        served.until(lambda: bool(served.started))
        dirty: list[int] = []
        reactor.on_dirty = lambda: dirty.append(1)
        served.answer(served.started[0])
        assert dirty == [1]
        assert reactor.timeout() == 0
        client.close()


def test_other_descriptors_are_watched_as_the_standard_library_does_it(served: Any) -> None:
    reactor = served.reactor
    called: list[tuple[str, int]] = []
    one, other = socket.socketpair()
    with one, other:
        reactor.add(one, selectors.EVENT_READ, lambda mask: called.append(("first", mask)))
        with pytest.raises(KeyError, match="is already registered"):
            reactor.add(one.fileno(), selectors.EVENT_READ, print)
        reactor.poll(0)
        assert called == []
        reactor.change(one, selectors.EVENT_READ | selectors.EVENT_WRITE, lambda mask: called.append(("second", mask)))
        reactor.poll(0)
        other.send(b"x")
        reactor.poll(0)
        assert called == [("second", selectors.EVENT_WRITE), ("second", selectors.EVENT_READ | selectors.EVENT_WRITE)]
        reactor.remove(one)
        reactor.poll(0)
        assert len(called) == 2
        for missing in (reactor.remove, lambda file: reactor.change(file, selectors.EVENT_READ, print)):
            with pytest.raises(KeyError, match="is not registered"):
                missing(one)
        with pytest.raises(ValueError, match="Invalid events: 8"):
            reactor.add(one, 8, print)
        with pytest.raises(ValueError, match="Invalid file object"):
            reactor.add("one", selectors.EVENT_READ, print)
        with pytest.raises(ValueError, match="Invalid file descriptor: -1"):
            reactor.add(-1, selectors.EVENT_READ, print)
        with pytest.raises(PermissionError), open(__file__) as file:
            reactor.add(file, selectors.EVENT_READ, print)
        reactor.add(one, selectors.EVENT_READ, print)
        one.close()
        reactor.remove(one)


def test_a_callback_may_take_out_what_is_ready_in_the_same_turn(served: Any) -> None:
    reactor = served.reactor
    pairs = [socket.socketpair() for _ in range(3)]
    called: list[int] = []

    def take_out(mask: int) -> None:
        called.append(mask)
        for one, _ in pairs:
            reactor.remove(one)
            one.close()

    for one, other in pairs:
        reactor.add(one, selectors.EVENT_READ, take_out)
        other.send(b"x")
    reactor.poll(1)
    assert len(called) == 1
    for _, other in pairs:
        other.close()


def test_the_lock_is_one_that_the_same_thread_may_take_again(served: Any) -> None:
    lock = served.reactor.lock
    taken: list[bool] = []
    with lock, lock:
        assert lock.acquire(False)
        thread = threading.Thread(target=lambda: taken.append(lock.acquire(timeout=0.01)))
        thread.start()
        thread.join()
        lock.release()
    assert taken == [False]
    assert lock.acquire()
    lock.release()
    with pytest.raises(RuntimeError):
        lock.release()
    for wrong in ({"blocking": False, "timeout": 1}, {"timeout": -2}):
        with pytest.raises(ValueError, match="timeout"):
            lock.acquire(**wrong)
