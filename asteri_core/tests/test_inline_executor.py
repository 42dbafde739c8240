"""Blocking handlers in the reactor's own thread: their order, their turns, their waits and what becomes of failures."""

from __future__ import annotations

import contextvars
import gc
import logging
import socket
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import asteri_native._executors as native
import pytest
from asteri_core.api import Exchange, Peer, Want
from asteri_core.errors import ConfigurationError
from asteri_core.executors import inline as python
from asteri_core.reactor import Reactor
from asteri_core.testing import FakeClock, MemoryExchange
from asteri_core.testing.lines import LineConnection
from asteri_native._reactor import Reactor as NativeReactor

Wait = Callable[[Exchange, Want], None]
SEEN: contextvars.ContextVar[str] = contextvars.ContextVar("SEEN", default="nothing")


@pytest.fixture(params=[python.InlineExecutor, native.InlineExecutor], ids=["py", "c"])
def executor_type(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=[Reactor, NativeReactor], ids=["py", "c"])
def reactor_type(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def reactor(reactor_type: Any) -> Iterator[Any]:
    reactor = reactor_type()
    yield reactor
    reactor.close()


class Handler:
    """Runs one function and remembers the exchanges."""

    def __init__(self, application: Callable[[Any, Wait], object]) -> None:
        self.application = application
        self.record: list[Any] = []

    def startup(self) -> None:
        self.record.append("startup")
        SEEN.set("what the startup has set")

    def shutdown(self) -> None:
        self.record.append("shutdown")

    def __call__(self, exchange: Exchange, wait: Wait) -> None:
        self.record.append(exchange)
        self.application(exchange, wait)


def answer(exchange: Exchange, wait: Wait | None = None) -> None:
    exchange.respond(200, ())
    exchange.send(b"done", True)


class Gone(MemoryExchange):
    """Over before its turn has come."""

    def retract(self) -> bool:
        return False


class Counting(Reactor):
    """Counts what is asked of it. Only the Python one is reached by its methods."""

    flushed = 0
    polled = 0

    def flush(self) -> None:
        self.flushed += 1
        super().flush()

    def poll(self, timeout: float | None = None) -> None:
        self.polled += 1
        super().poll(timeout)


def test_requests_are_run_in_the_order_of_their_start(executor_type: Any, reactor: Any) -> None:
    handler = Handler(answer)
    executor = executor_type(handler, reactor)
    exchanges = [MemoryExchange() for _ in range(200)]
    for exchange in exchanges[:100]:
        executor.start(exchange)
    assert (executor.running, executor.waiting) == (100, True)
    while executor.waiting:
        executor.run_line()
    for exchange in exchanges[100:]:
        executor.start(exchange)
    while executor.waiting:
        executor.run_line()
    assert handler.record == exchanges
    assert all(exchange.content == b"done" for exchange in exchanges)
    assert (executor.running, executor.waiting) == (0, False)


def test_startup_and_shutdown_are_the_handlers(executor_type: Any, reactor: Any) -> None:
    handler = Handler(answer)
    executor = executor_type(handler, reactor)
    contextvars.copy_context().run(executor.startup)
    executor.shutdown()
    assert handler.record == ["startup", "shutdown"]


def test_a_line_of_nobody_is_run_at_once(executor_type: Any, reactor: Any) -> None:
    handler = Handler(answer)
    executor = executor_type(handler, reactor)
    executor.run_line()
    assert (executor.waiting, executor.running, handler.record) == (False, 0, [])


def test_what_a_request_leaves_is_sent_before_the_next_one_runs(executor_type: Any) -> None:
    reactor = Counting()
    sent: list[int] = []
    executor = executor_type(Handler(lambda exchange, wait: sent.append(reactor.flushed)), reactor)
    for _ in range(3):
        executor.start(MemoryExchange())
    while executor.waiting:  # a turn of the reactor may be due between any two
        executor.run_line()
    reactor.close()
    assert sent == [0, 1, 2]
    assert reactor.flushed >= 3


class Lines:
    """A peer that sends lines, one request behind the other, to a reactor whose requests an executor runs."""

    def __init__(self, executor_type: Any, reactor: Any, handler: Handler, lines: bytes) -> None:
        self.reactor = reactor
        self.executor = executor_type(handler, reactor)
        reactor.started = self.executor.start
        ours, self.client = socket.socketpair()
        self.client.settimeout(0)
        self.client.sendall(lines)
        with reactor.lock:
            reactor.attach(ours, Peer("", ""), lambda peer, now: LineConnection(peer))
        while not self.executor.waiting:
            reactor.poll()

    def received(self) -> bytes:
        """What the peer has got by now."""
        try:
            return self.client.recv(1 << 20)
        except BlockingIOError:
            return b""


def test_an_answer_has_left_before_the_request_behind_it_runs(executor_type: Any, reactor: Any) -> None:
    received: list[bytes] = []

    def application(exchange: Exchange, wait: Wait) -> None:
        received.append(lines.received())
        exchange.respond(200, ())
        exchange.send(exchange.target + b"!", True)

    lines = Lines(executor_type, reactor, Handler(application), b"one\ntwo\nthree\n")
    with lines.client:
        while lines.executor.waiting:
            lines.executor.run_line()
        assert [*received, lines.received()] == [b"", b"one!", b"two!", b"three!"]


def test_nothing_is_kept_back_when_the_line_has_ended(executor_type: Any, reactor: Any) -> None:
    def application(exchange: Exchange, wait: Wait) -> None:
        exchange.respond(200, ())
        exchange.send(exchange.target + b"\n", True)

    sent = b"".join(b"%d\n" % number for number in range(150))
    lines = Lines(executor_type, reactor, Handler(application), sent)
    with lines.client:
        while lines.executor.waiting:
            lines.executor.run_line()
        assert lines.received() == sent


def test_the_line_stops_when_a_turn_of_the_reactor_is_due(
    executor_type: Any, reactor_type: Any, clock: FakeClock
) -> None:
    reactor = reactor_type(clock=clock)
    executor = executor_type(Handler(lambda exchange, wait: clock.advance(python.TURN / 2)), reactor)
    for _ in range(5):
        executor.start(MemoryExchange())
    left = []
    while executor.waiting:
        executor.run_line()
        left.append(executor.running)
    reactor.close()
    assert left == [3, 1, 0]


def test_what_is_started_while_the_line_runs_is_run_too(executor_type: Any, reactor: Any) -> None:
    late = MemoryExchange()

    def application(exchange: Exchange, wait: Wait) -> None:
        answer(exchange)
        if exchange is not late:
            executor.start(late)

    executor = executor_type(Handler(application), reactor)
    executor.start(MemoryExchange())
    while executor.waiting:
        executor.run_line()
    assert late.complete


def test_a_request_whose_client_left_in_line_is_not_run(executor_type: Any, reactor: Any) -> None:
    """Else whoever sends and leaves at once keeps the application busy for nobody."""
    handler = Handler(answer)
    executor = executor_type(handler, reactor)
    there = MemoryExchange()
    for exchange in (Gone(), there, Gone()):
        executor.start(exchange)
    while executor.waiting:
        executor.run_line()
    assert handler.record == [there]
    assert executor.running == 0


@pytest.mark.parametrize("error", [ValueError("a defect"), SystemExit(3), KeyboardInterrupt()])
def test_a_handler_that_raises_is_logged_and_its_exchange_is_cut(
    executor_type: Any, reactor: Any, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def application(exchange: Exchange, wait: Wait) -> None:
        if exchange is failing:
            raise error
        answer(exchange)

    failing, other = MemoryExchange(target=b"/a\n"), MemoryExchange()
    executor = executor_type(Handler(application), reactor)
    executor.start(failing)
    executor.start(other)
    while executor.waiting:
        executor.run_line()
    assert (failing.aborted, other.complete, executor.running) == (True, True, 0)
    (record,) = caplog.records
    assert (record.name, record.levelno, record.getMessage()) == (
        "asteri.error",
        logging.ERROR,
        r"the handler failed: GET '/a\n'",
    )
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    assert error.__traceback__ is not None


def test_what_fails_besides_the_handler_is_raised_to_the_model(executor_type: Any, reactor: Any) -> None:
    class Broken(MemoryExchange):
        def retract(self) -> bool:
            raise OSError("broken")

    executor = executor_type(Handler(answer), reactor)
    executor.start(Broken())
    with pytest.raises(OSError, match="broken"):
        executor.run_line()
    assert executor.running == 0


def test_context_variables_of_one_request_are_not_seen_by_the_next(executor_type: Any, reactor: Any) -> None:
    found: list[str] = []

    def application(exchange: Exchange, wait: Wait) -> None:
        found.append(SEEN.get())
        SEEN.set("what a request has set")

    executor = executor_type(Handler(application), reactor)
    contextvars.copy_context().run(executor.startup)
    for _ in range(2):
        executor.start(MemoryExchange())
    while executor.waiting:
        executor.run_line()
    assert found == ["what the startup has set"] * 2
    assert SEEN.get() == "nothing"


def test_a_wait_sends_and_turns_the_reactor_until_the_peer_moves(executor_type: Any) -> None:
    reactor = Counting()
    exchange = MemoryExchange()
    exchange.blocked = True
    seen: list[Any] = []

    def application(exchange: Any, wait: Wait) -> None:
        reactor.post(lambda: seen.append((reactor.polled, executor.running)))
        reactor.call_at(reactor.clock() + 0.02, exchange.unblock)
        seen.append(reactor.flushed)
        wait(exchange, Want.WRITE)
        seen.append((reactor.flushed > 0, exchange.blocked))
        answer(exchange)

    executor = executor_type(Handler(application), reactor)
    executor.start(exchange)
    executor.run_line()
    reactor.close()
    assert seen == [0, (1, 1), (True, False)]
    assert exchange.complete


def test_requests_that_come_while_one_waits_are_put_in_line(executor_type: Any, reactor: Any) -> None:
    first, second = MemoryExchange(), MemoryExchange()
    first.blocked = True

    def come() -> None:
        executor.start(second)
        first.unblock()

    def application(exchange: Exchange, wait: Wait) -> None:
        if exchange is first:
            reactor.post(come)
            wait(exchange, Want.WRITE)
            assert not second.over
        answer(exchange)

    handler = Handler(application)
    executor = executor_type(handler, reactor)
    executor.start(first)
    executor.run_line()
    while executor.waiting:
        executor.run_line()
    assert handler.record == [first, second]
    assert second.complete


def test_timers_come_while_an_application_streams_to_a_quick_peer(executor_type: Any, reactor: Any) -> None:
    stopped: list[bool] = []

    def stream(exchange: Exchange, wait: Wait) -> None:
        exchange.respond(200, ())
        for _ in range(500_000):
            exchange.send(b"")
            wait(exchange, Want.WRITE)
            if stopped:
                break
        exchange.finish()

    executor = executor_type(Handler(stream), reactor)
    reactor.call_at(reactor.clock() + 0.01, lambda: stopped.append(True))
    executor.start(MemoryExchange())
    executor.run_line()
    assert stopped


def test_streaming_to_a_quick_peer_does_not_turn_the_reactor_each_time(executor_type: Any, clock: FakeClock) -> None:
    reactor = Counting(clock=clock)

    def stream(exchange: Exchange, wait: Wait) -> None:
        for _ in range(100):
            wait(exchange, Want.WRITE)
            clock.advance(python.STREAMING_TURN / 9.5)

    executor = executor_type(Handler(stream), reactor)
    executor.start(MemoryExchange())
    executor.run_line()
    reactor.close()
    assert reactor.polled == 10


def test_a_request_overdue_while_it_waits_is_logged_with_its_stack(
    executor_type: Any, reactor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = MemoryExchange()
    exchange.blocked = True

    def a_view_that_waits(exchange: Exchange, wait: Wait) -> None:
        reactor.post(lambda: executor.expire(exchange))
        wait(exchange, Want.WRITE)

    executor = executor_type(Handler(a_view_that_waits), reactor)
    executor.start(exchange)
    executor.run_line()
    assert (exchange.status, exchange.complete, executor.running) == (504, True, 0)
    (record,) = caplog.records
    assert record.getMessage() == "request time-out: GET '/'"
    assert "in a_view_that_waits" in (record.stack_info or "")


def test_one_of_many_in_line_that_is_overdue_is_taken_out(executor_type: Any, reactor: Any) -> None:
    handler = Handler(answer)
    executor = executor_type(handler, reactor)
    exchanges = [MemoryExchange() for _ in range(5)]
    for exchange in exchanges:
        executor.start(exchange)
    executor.expire(exchanges[2])
    while executor.waiting:
        executor.run_line()
    del exchanges[2]
    assert handler.record == exchanges
    assert executor.running == 0


def test_an_executor_in_a_cycle_is_collected_with_its_line(executor_type: Any, reactor_type: Any) -> None:
    reactor, exchange = reactor_type(), MemoryExchange()
    executor = executor_type(Handler(answer), reactor)
    reactor.started = executor.start
    executor.start(exchange)
    reactor.close()
    gone = weakref.ref(exchange)
    del exchange, executor, reactor
    gc.collect()
    assert gone() is None


def test_what_has_been_run_is_not_kept(executor_type: Any, reactor: Any) -> None:
    handler = Handler(answer)
    executor = executor_type(handler, reactor)
    exchange = MemoryExchange()
    executor.start(exchange)
    executor.run_line()
    gone = weakref.ref(exchange)
    handler.record.clear()
    del exchange
    assert gone() is None


def test_the_native_executor_leaves_a_request_time_out_to_the_other(reactor: Any) -> None:
    with pytest.raises(ConfigurationError, match="request_timeout"):
        native.InlineExecutor(Handler(answer), reactor, 3.0)
    assert native.InlineExecutor(Handler(answer), reactor, request_timeout=None).running == 0
