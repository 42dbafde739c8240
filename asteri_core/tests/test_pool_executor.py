"""Blocking handlers in a pool of threads: how calls come to threads, and what becomes of those that block or fail.

Those that run over their time are in test_overdue.
"""

from __future__ import annotations

import contextvars
import gc
import logging
import random
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import asteri_native._executors as native
import pytest
from asteri_core.api import Exchange, Peer, Want
from asteri_core.executors import pool as python
from asteri_core.reactor import Reactor
from asteri_core.testing import MemoryExchange
from asteri_core.testing.lines import LineConnection
from asteri_native._reactor import Reactor as NativeReactor

SECONDS = 20.0
"""After which a test gives up to wait."""

Wait = Callable[[Exchange, Want], None]
SEEN: contextvars.ContextVar[str] = contextvars.ContextVar("SEEN", default="nothing")


class Handler:
    """Runs one function, and counts."""

    def __init__(self, application: Callable[[Any, Wait], None]) -> None:
        self.application = application
        self.record: list[str] = []
        self._calls: list[None] = []

    @property
    def calls(self) -> int:
        return len(self._calls)

    def startup(self) -> None:
        self.record.append("startup")
        SEEN.set("what the startup has set")

    def shutdown(self) -> None:
        self.record.append("shutdown")

    def __call__(self, exchange: Exchange, wait: Wait) -> None:
        self._calls.append(None)  # which threads may do at the same time, unlike adding
        self.application(exchange, wait)


def answer(exchange: Exchange, wait: Wait | None = None) -> None:
    exchange.respond(200, ())
    exchange.send(b"done", True)


class Pool:
    """An executor, and a reactor that is turned in a thread of its own."""

    def __init__(
        self, executor_type: Any, reactor_type: Any, application: Callable[[Any, Wait], None], threads: int
    ) -> None:
        self.reactor = reactor_type()
        self.handler = Handler(application)
        self.executor = executor_type(self.handler, self.reactor, threads)
        contextvars.copy_context().run(self.executor.startup)
        self._stopped = False
        self._thread = threading.Thread(target=self._turn)
        self._thread.start()

    def _turn(self) -> None:
        while not self._stopped:
            self.reactor.poll()

    def start(self, *exchanges: Any) -> None:
        """Have all of them started in one turn of the reactor."""

        def start() -> None:
            for exchange in exchanges:
                self.executor.start(exchange)

        self.reactor.post(start)

    def run(self, function: Callable[[], Any]) -> Any:
        """What the function gives in a turn of the reactor."""
        done = threading.Event()
        result: list[Any] = []

        def call() -> None:
            result.append(function())
            done.set()

        self.reactor.post(call)
        assert done.wait(SECONDS)
        return result[0]

    def until(self, condition: Callable[[], bool]) -> None:
        """Turn until the condition holds."""
        done = threading.Event()

        def look() -> None:
            if condition():
                done.set()
            else:
                self.reactor.call_at(self.reactor.clock() + 0.001, look)

        self.reactor.post(look)
        assert done.wait(SECONDS), "the condition never came true"

    def close(self) -> None:
        self.executor.shutdown()
        self.stop()

    def stop(self) -> None:
        self._stopped = True
        self.reactor.wake()
        self.reactor.post(lambda: None)
        self._thread.join()
        self.reactor.close()


@pytest.fixture(params=[python.PoolExecutor, native.PoolExecutor], ids=["py", "c"])
def executor_type(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=[Reactor, NativeReactor], ids=["py", "c"])
def reactor_type(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def make(executor_type: Any, reactor_type: Any) -> Iterator[Callable[..., Pool]]:
    pools: list[Pool] = []

    def make(application: Callable[[Any, Wait], None], threads: int = 4) -> Pool:
        pools.append(Pool(executor_type, reactor_type, application, threads))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


@pytest.fixture
def reactor(reactor_type: Any) -> Iterator[Any]:
    reactor = reactor_type()
    yield reactor
    reactor.close()


class Gone(MemoryExchange):
    """Over before its turn has come."""

    def retract(self) -> bool:
        return False


def test_calls_run_in_daemon_threads_with_names_made_when_they_are_needed(make: Any) -> None:
    found: set[tuple[str, bool]] = set()
    meeting = threading.Barrier(2, timeout=SECONDS)

    def application(exchange: Exchange, wait: Wait) -> None:
        thread = threading.current_thread()
        found.add((thread.name, thread.daemon))
        if exchange.target == b"/meet":
            meeting.wait()
        answer(exchange)

    pool = make(application, threads=3)
    for _ in range(5):
        exchange = MemoryExchange()
        pool.start(exchange)
        pool.until(lambda: pool.executor.running == 0)
    assert found == {("asteri-0", True)}
    pool.start(MemoryExchange(target=b"/meet"), MemoryExchange(target=b"/meet"))
    pool.until(lambda: pool.executor.running == 0)
    assert found == {("asteri-0", True), ("asteri-1", True)}


@pytest.mark.parametrize("turns", [1, 2, 4])
def test_as_many_calls_as_threads_block_at_the_same_time(make: Any, turns: int) -> None:
    meeting = threading.Barrier(4, timeout=SECONDS)
    met: list[int] = []

    def application(exchange: Exchange, wait: Wait) -> None:
        met.append(meeting.wait())
        answer(exchange)

    pool = make(application, threads=4)
    for _ in range(20):
        met.clear()
        exchanges = [MemoryExchange() for _ in range(4)]
        for turn in range(turns):
            pool.start(*exchanges[turn::turns])
        pool.until(lambda: pool.executor.running == 0)
        assert sorted(met) == [0, 1, 2, 3]
        assert all(exchange.complete for exchange in exchanges)


def test_there_are_no_more_threads_than_the_limit(make: Any) -> None:
    found: set[str] = set()
    let_go = threading.Event()

    def application(exchange: Exchange, wait: Wait) -> None:
        found.add(threading.current_thread().name)
        let_go.wait(SECONDS)
        answer(exchange)

    pool = make(application, threads=2)
    exchanges = [MemoryExchange() for _ in range(20)]
    pool.start(*exchanges)
    pool.until(lambda: len(found) == 2)
    assert pool.executor.running == 20
    let_go.set()
    pool.until(lambda: pool.executor.running == 0)
    assert found == {"asteri-0", "asteri-1"}
    assert all(exchange.complete for exchange in exchanges)


def test_a_call_that_blocks_does_not_hold_up_those_behind_it(make: Any) -> None:
    let_go = threading.Event()

    def application(exchange: Exchange, wait: Wait) -> None:
        if exchange.target == b"/block":
            assert let_go.wait(SECONDS)
        answer(exchange)

    pool = make(application, threads=2)
    for round_ in range(20):
        let_go.clear()
        blocking, others = MemoryExchange(target=b"/block"), [MemoryExchange() for _ in range(9)]
        batch = [*others]
        batch.insert(round_ % 10, blocking)
        pool.start(*batch)
        pool.until(lambda others=others: all(exchange.complete for exchange in others))
        assert not blocking.complete
        let_go.set()
        pool.until(lambda: pool.executor.running == 0)
        assert blocking.complete


def test_every_call_of_many_in_many_turns_is_run(make: Any) -> None:
    chance = random.Random(7)
    pauses = [chance.choice((0, 0, 0, 0, 0.0005)) for _ in range(3000)]
    pause = threading.Event()

    def application(exchange: Exchange, wait: Wait) -> None:
        if seconds := pauses[int(exchange.target)]:
            pause.wait(seconds)
        answer(exchange)

    pool = make(application, threads=4)
    exchanges = [MemoryExchange(target=b"%d" % number) for number in range(3000)]
    rest = exchanges[:]
    while rest:
        size = chance.randint(1, 40)
        pool.start(*rest[:size])
        del rest[:size]
        if chance.random() < 0.2:
            pool.until(lambda: pool.executor.running == 0)
    pool.until(lambda: pool.executor.running == 0)
    assert pool.handler.calls == 3000
    assert all(exchange.content == b"done" for exchange in exchanges)


def test_requests_behind_one_another_on_a_connection_are_all_answered(make: Any) -> None:
    """The next one of them is started by the thread that answers, and not in a turn of the reactor."""

    def application(exchange: Exchange, wait: Wait) -> None:
        exchange.respond(200, ())
        exchange.send(exchange.target + b"\n", True)

    pool = make(application, threads=2)
    pool.reactor.started = pool.executor.start
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.settimeout(SECONDS)
        lines = b"".join(b"%d\n" % number for number in range(500))
        pool.run(lambda: pool.reactor.attach(ours, Peer("", ""), lambda peer, now: LineConnection(peer)))
        theirs.sendall(lines)
        received = b""
        while len(received) < len(lines):
            received += theirs.recv(65536)
        assert received == lines
    pool.until(lambda: pool.executor.running == 0)


def test_a_request_behind_a_call_that_has_answered_and_goes_on_is_not_held_up(make: Any) -> None:
    answered = threading.Event()

    def application(exchange: Exchange, wait: Wait) -> None:
        exchange.respond(200, ())
        exchange.send(exchange.target + b"\n", True)
        if exchange.target == b"first":
            assert answered.wait(SECONDS)

    pool = make(application, threads=2)
    pool.reactor.started = pool.executor.start
    for _ in range(10):
        answered.clear()
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.settimeout(SECONDS)
            theirs.sendall(b"first\nsecond\n")
            pool.run(lambda ours=ours: pool.reactor.attach(ours, Peer("", ""), lambda peer, now: LineConnection(peer)))
            received = b""
            while len(received) < 13:
                received += theirs.recv(100)
            answered.set()
        pool.until(lambda: pool.executor.running == 0)


def test_an_answer_is_sent_by_the_thread_that_gives_it(make: Any) -> None:
    sending: list[str] = []

    class Telling(LineConnection):
        def data_to_send(self, now: float) -> Any:
            data = super().data_to_send(now)
            if data and data[0]:
                sending.append(threading.current_thread().name)
            return data

    pool = make(answer, threads=1)
    pool.reactor.started = pool.executor.start
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.settimeout(SECONDS)
        theirs.sendall(b"hello\n")
        pool.run(lambda: pool.reactor.attach(ours, Peer("", ""), lambda peer, now: Telling(peer)))
        assert theirs.recv(100) == b"done"
    assert sending == ["asteri-0"]


def test_a_wait_blocks_the_thread_until_the_peer_moves(make: Any) -> None:
    waited: list[bool] = []

    def application(exchange: Any, wait: Wait) -> None:
        wait(exchange, Want.READ)  # which holds already
        wait(exchange, Want.WRITE)
        waited.append(not exchange.blocked)
        answer(exchange)

    pool = make(application)
    exchange = MemoryExchange()
    exchange.blocked = True
    pool.start(exchange)
    pool.until(lambda: bool(exchange._watchers))
    assert waited == []
    pool.run(exchange.unblock)
    pool.until(lambda: exchange.complete)
    assert waited == [True]


def test_a_wait_that_is_ended_before_it_begins_to_sleep_does_not_sleep(make: Any) -> None:
    class AtOnce(MemoryExchange):
        def watch(self, want: Want, callback: Callable[[], None]) -> bool:
            callback()
            callback()  # more often than an exchange should
            return False

    def application(exchange: Exchange, wait: Wait) -> None:
        wait(exchange, Want.WRITE)
        answer(exchange)

    pool = make(application)
    exchange = AtOnce()
    pool.start(exchange)
    pool.until(lambda: exchange.complete)


@pytest.mark.parametrize("error", [ValueError("a defect"), SystemExit(3), KeyboardInterrupt()])
def test_a_handler_that_raises_is_logged_and_its_exchange_is_cut(
    make: Any, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def application(exchange: Exchange, wait: Wait) -> None:
        if exchange.target == b"/fail":
            raise error
        answer(exchange)

    pool = make(application, threads=1)
    failing, other = MemoryExchange(target=b"/fail"), MemoryExchange()
    pool.start(failing, other)
    pool.until(lambda: pool.executor.running == 0)
    assert (failing.aborted, other.complete) == (True, True)
    (record,) = caplog.records
    assert (record.name, record.levelno, record.getMessage()) == (
        "asteri.error",
        logging.ERROR,
        "the handler failed: GET '/fail'",
    )
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_context_variables_of_one_request_are_not_seen_by_the_next(make: Any) -> None:
    found: list[str] = []

    def application(exchange: Exchange, wait: Wait) -> None:
        found.append(SEEN.get())
        SEEN.set("what a request has set")
        answer(exchange)

    pool = make(application, threads=1)
    pool.start(MemoryExchange(), MemoryExchange())
    pool.until(lambda: pool.executor.running == 0)
    assert found == ["what the startup has set"] * 2


def test_a_request_whose_client_left_before_a_thread_was_free_is_not_run(executor_type: Any, reactor: Any) -> None:
    handler = Handler(lambda exchange, wait: None)
    executor = executor_type(handler, reactor, threads=1)
    for exchange in (Gone(), MemoryExchange(), Gone()):
        executor.start(exchange)
    executor.shutdown()
    assert handler.calls == 1
    assert executor.running == 0


def test_a_thread_that_cannot_be_started_is_tried_again(
    executor_type: Any, reactor: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Handler(lambda exchange, wait: None)
    executor = executor_type(handler, reactor, threads=2)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        executor.start(MemoryExchange())
    assert executor.running == 1
    assert [record.getMessage() for record in caplog.records] == ["running on with 0 threads: can't start new thread"]
    executor.start(MemoryExchange())
    executor.shutdown()
    assert handler.calls == 2
    assert executor.running == 0


def test_shutdown_runs_what_waits_and_ends_the_threads(executor_type: Any, reactor_type: Any) -> None:
    pool = Pool(executor_type, reactor_type, answer, 2)
    exchanges = [MemoryExchange() for _ in range(100)]
    pool.start(*exchanges)
    pool.run(lambda: None)
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("asteri-")]
    pool.close()
    assert all(exchange.complete for exchange in exchanges)
    assert not any(thread.is_alive() for thread in threads)
    assert pool.handler.record == ["startup", "shutdown"]


def test_an_executor_without_threads_is_collected_with_what_waits(
    executor_type: Any, reactor_type: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    caplog.set_level(logging.CRITICAL, "asteri.error")  # a record would keep the error, and that its traceback
    reactor, exchange = reactor_type(), MemoryExchange()
    executor = executor_type(Handler(answer), reactor, 1)
    reactor.started = executor.start
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        executor.start(exchange)
    reactor.close()
    gone = weakref.ref(exchange)
    del exchange, executor, reactor
    gc.collect()
    assert gone() is None


def test_what_has_been_run_is_not_kept(make: Any) -> None:
    pool = make(answer)
    exchange = MemoryExchange()
    pool.start(exchange)
    pool.until(lambda: pool.executor.running == 0)
    gone = weakref.ref(exchange)
    del exchange
    pool.until(lambda: gone() is None)
