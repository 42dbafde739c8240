"""One call of an async handler: how it begins, how it ends, and what is left of it. Over both twins of the executor.

The twins differ in one thing only: the native one has run the first step when `start` returns. What that leads to is
in the tests of `asteri_native`.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import sys
import weakref
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import asteri_native.tasks as native
import pytest
import uvloop
from asteri_core.api import Exchange, Want
from asteri_core.executors import tasks as python
from asteri_core.testing import MemoryExchange

Wait = Callable[[Exchange, Want], Awaitable[None]]
Run = Callable[[Any, Wait], Any]
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
SEEN: contextvars.ContextVar[str] = contextvars.ContextVar("SEEN", default="nothing")
TURNS = 100


class Handler:
    """Runs one function for every exchange."""

    def __init__(self, run: Run) -> None:
        self.run = run

    async def startup(self) -> None:
        SEEN.set("what the startup has set")

    async def shutdown(self) -> None:
        """Nothing to end."""

    def __call__(self, exchange: Exchange, wait: Wait) -> Any:
        return self.run(exchange, wait)


class Served:
    """An executor in a loop, and what it has flushed."""

    def __init__(self, kind: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.kind = kind
        self.loop = loop
        self.flushed: list[int] = []
        self.errors: list[dict[str, Any]] = []
        self.handler = Handler(answer)
        loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self.executor = kind(self.handler, loop, self.flush)
        self.executor.startup()

    def flush(self) -> None:
        self.flushed.append(self.executor.running)

    def start(self, run: Run, *exchanges: Any) -> None:
        """Start the handler for every exchange, and turn the loop until nothing is left to do."""
        self.handler.run = run
        self.turn(*(lambda exchange=exchange: self.executor.start(exchange) for exchange in exchanges))

    def turn(self, *steps: Callable[[], None]) -> None:
        async def main() -> None:
            for step in steps:
                step()
            for _ in range(TURNS):
                await asyncio.sleep(0)

        self.loop.run_until_complete(main())

    def close(self) -> None:
        self.executor.shutdown()
        self.loop.close()


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoop:
    return LOOPS[request.param]()


@pytest.fixture(params=[python.TaskExecutor, native.TaskExecutor], ids=["py", "c"])
def served(request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop) -> Generator[Served]:
    served = Served(request.param, loop)
    yield served
    served.close()


async def answer(exchange: Exchange, wait: Wait) -> None:
    exchange.respond(200, ())
    exchange.send(b"done", True)


async def answer_later(exchange: Exchange, wait: Wait) -> None:
    await asyncio.sleep(0)
    await answer(exchange, wait)


async def hang(exchange: Exchange, wait: Wait) -> None:
    await wait(exchange, Want.GONE)


# -- the usual call ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [answer, answer_later])
def test_a_call_is_run_to_its_end_and_flushed_once(served: Served, run: Run) -> None:
    exchanges = [MemoryExchange() for _ in range(3)]
    served.start(run, *exchanges)
    assert [exchange.content for exchange in exchanges] == [b"done"] * 3
    assert (len(served.flushed), served.flushed[-1], served.executor.running, served.errors) == (3, 0, 0, [])


def test_calls_that_wait_are_counted(served: Served) -> None:
    exchanges = [MemoryExchange() for _ in range(3)]
    served.start(hang, *exchanges)
    assert served.executor.running == 3
    served.turn(exchanges[1].leave)
    assert served.executor.running == 2
    served.turn(exchanges[0].leave, exchanges[2].leave)
    assert (served.executor.running, served.flushed) == (0, [2, 1, 0])


def test_a_context_is_of_one_call_and_begins_as_the_startup_has_left_it(served: Served) -> None:
    seen: list[str] = []

    async def look(exchange: Exchange, wait: Wait) -> None:
        seen.append(SEEN.get())
        SEEN.set("of this call")
        await asyncio.sleep(0)
        seen.append(SEEN.get())

    served.start(look, MemoryExchange(), MemoryExchange())
    assert sorted(seen) == ["of this call"] * 2 + ["what the startup has set"] * 2
    assert SEEN.get() == "nothing"


def test_a_call_is_one_task_to_which_nobody_else_is_current(served: Served) -> None:
    seen: list[Any] = []

    async def look(exchange: Exchange, wait: Wait) -> None:
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    def compare() -> None:
        seen.append(asyncio.current_task())

    served.start(look, MemoryExchange())
    served.turn(compare)
    assert seen[0] is seen[1]
    assert isinstance(seen[0], asyncio.Task)
    assert seen[2] is not seen[0]


class Custom:
    """An awaitable that is no coroutine."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def __await__(self) -> Generator[Any, Any, None]:
        yield
        self.exchange.respond(200, ())
        self.exchange.send(b"done", True)


def test_a_handler_may_return_any_awaitable(served: Served) -> None:
    def future(exchange: Exchange, wait: Wait) -> asyncio.Future[None]:
        return asyncio.ensure_future(answer(exchange, wait))

    exchange, other = MemoryExchange(), MemoryExchange()
    served.start(lambda exchange, wait: Custom(exchange), exchange)
    served.start(future, other)
    assert exchange.complete
    assert other.complete


# -- calls that fail ---------------------------------------------------------------------------------------------------


async def fail(exchange: Exchange, wait: Wait) -> None:
    raise ValueError("why")


async def fail_later(exchange: Exchange, wait: Wait) -> None:
    await asyncio.sleep(0)
    raise ValueError("why")


def fail_when_called(exchange: Exchange, wait: Wait) -> Awaitable[None]:
    raise ValueError("why")


async def leave(exchange: Exchange, wait: Wait) -> None:
    raise SystemExit(3)


async def interrupt(exchange: Exchange, wait: Wait) -> None:
    await asyncio.sleep(0)
    raise KeyboardInterrupt


def give_nothing(exchange: Exchange, wait: Wait) -> None:
    return None


FAILURES: dict[str, tuple[Run, type[BaseException], str]] = {
    "at once": (fail, ValueError, "why"),
    "later": (fail_later, ValueError, "why"),
    "when called": (fail_when_called, ValueError, "why"),
    "exits": (leave, SystemExit, "3"),
    "is interrupted": (interrupt, KeyboardInterrupt, ""),
    "is no coroutine": (give_nothing, TypeError, "object NoneType can't be used in 'await' expression"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_handler_that_fails_is_logged_and_its_exchange_is_cut(
    served: Served, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    run, kind, text = FAILURES[name]
    exchange = MemoryExchange(target=b"/failing")
    served.start(run, exchange)
    (record,) = caplog.records
    assert record.exc_info is not None
    assert (record.getMessage(), record.levelno) == ("the handler failed: GET '/failing'", logging.ERROR)
    assert (record.exc_info[0], str(record.exc_info[1])) == (kind, text)
    assert (exchange.aborted, served.executor.running, len(served.flushed), served.errors) == (True, 0, 1, [])


@pytest.mark.parametrize("at_once", [True, False])
def test_a_handler_that_is_cancelled_is_cut_silently(
    served: Served, at_once: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def stop(exchange: Exchange, wait: Wait) -> None:
        if not at_once:
            await asyncio.sleep(0)
        raise asyncio.CancelledError

    exchange = MemoryExchange()
    served.start(stop, exchange)
    assert (exchange.aborted, caplog.records, served.executor.running, len(served.flushed)) == (True, [], 0, 1)


def test_a_handler_that_cancels_itself_and_returns_is_left_alone(served: Served) -> None:
    async def stop(exchange: Exchange, wait: Wait) -> None:
        await answer(exchange, wait)
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    exchange = MemoryExchange()
    served.start(stop, exchange)
    assert (exchange.complete, served.executor.running, served.errors) == (True, 0, [])


class Broken(MemoryExchange):
    """Cannot even be aborted."""

    def abort(self) -> None:
        raise KeyError("abort")


def test_a_defect_at_the_end_is_reported_and_does_not_keep_the_call(served: Served) -> None:
    served.start(fail_later, Broken())
    gc.collect()
    (error,) = served.errors
    assert repr(error["exception"]) == "KeyError('abort')"
    assert repr(error["exception"].__context__) == "ValueError('why')"
    assert (served.executor.running, len(served.flushed)) == (0, 1)


def test_a_flush_that_fails_is_reported(served: Served) -> None:
    def flush() -> None:
        raise OSError("flush")

    exchange = MemoryExchange()
    served.handler.run = answer
    broken = served.kind(served.handler, served.loop, flush)
    served.turn(lambda: broken.start(exchange))
    served.turn(lambda: broken.start(Broken()))
    served.handler.run = fail
    served.turn(lambda: broken.start(Broken()))
    gc.collect()
    chains = [(repr(error["exception"]), repr(error["exception"].__context__)) for error in served.errors]
    assert chains == [("OSError('flush')", "None")] * 2 + [("OSError('flush')", "KeyError('abort')")]
    assert (exchange.complete, broken.running) == (True, 0)


# -- calls that are ended from outside ---------------------------------------------------------------------------------


def test_a_call_over_its_time_is_logged_with_its_stack_answered_and_ended(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    cancelled: list[Any] = []

    async def wait_in_here(exchange: Exchange, wait: Wait) -> None:
        try:
            await hang(exchange, wait)
        except asyncio.CancelledError as error:
            cancelled.append(error.args)
            raise

    exchange = MemoryExchange()
    served.start(wait_in_here, exchange)
    served.turn(lambda: served.executor.expire(exchange))
    (record,) = caplog.records
    assert record.getMessage() == "request time-out: GET '/'"
    stack = str(record.stack_info)
    assert stack.index("in wait_in_here") < stack.index("in hang") < stack.index("in wait\n")
    assert (exchange.status, exchange.complete, cancelled) == (504, True, [("request time-out",)])
    assert served.executor.running == 0
    served.executor.expire(exchange)
    assert len(caplog.records) == 1


def test_a_call_that_goes_on_after_its_time_is_still_counted(served: Served) -> None:
    free = asyncio.Event()

    async def stay(exchange: Exchange, wait: Wait) -> None:
        try:
            await hang(exchange, wait)
        finally:
            await free.wait()

    exchange = MemoryExchange()
    served.start(stay, exchange)
    served.turn(lambda: served.executor.expire(exchange))
    assert (exchange.status, served.executor.running) == (504, 1)
    served.turn(free.set)
    assert served.executor.running == 0


@pytest.mark.parametrize("end", ["expire", "shutdown"])
def test_a_call_that_is_ended_before_its_first_step_is_over(
    served: Served, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It was started while the loop stood still."""
    ran: list[Exchange] = []

    async def run(exchange: Exchange, wait: Wait) -> None:
        ran.append(exchange)

    exchange = MemoryExchange()
    served.handler.run = run
    ending = served.loop.create_task(served.executor.finish())
    served.executor.start(exchange)
    assert served.executor.running == 1
    if end == "expire":
        served.executor.expire(exchange)
    served.loop.run_until_complete(ending)
    served.turn()
    assert (exchange.over, exchange.status, served.executor.running, ran) == (True, 504 * (end == "expire"), 0, [])
    assert served.flushed == [0]


def test_a_call_that_is_started_while_the_loop_stands_still_runs_with_the_loop(served: Served) -> None:
    exchange = MemoryExchange()
    served.handler.run = answer
    served.executor.start(exchange)
    assert not exchange.complete
    served.turn()
    assert exchange.complete


def test_a_shutdown_ends_what_runs(served: Served) -> None:
    exchange = MemoryExchange()
    served.start(hang, exchange)
    served.loop.run_until_complete(served.executor.finish())
    assert (exchange.aborted, served.executor.running) == (True, 0)


def test_a_call_that_nobody_will_resume_is_cut(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    closed: list[str] = []

    async def suspend(exchange: Exchange, wait: Wait) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            closed.append("closed")

    exchange = MemoryExchange()
    served.start(suspend, exchange)
    served.executor._tasks.clear()
    served.executor.shutdown = lambda: None
    gc.collect()
    assert (closed, exchange.aborted, len(served.flushed)) == (["closed"], True, 1)
    assert [error["message"] for error in served.errors] == ["Task was destroyed but it is pending!"]
    assert [record.getMessage() for record in caplog.records] == ["the handler failed: GET '/'"]


# -- what the application brings along ---------------------------------------------------------------------------------


def test_a_task_factory_of_the_application_makes_the_tasks(served: Served) -> None:
    made: list[str] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(coroutine.__qualname__)
        return asyncio.Task(coroutine, loop=loop, **options)

    exchange = MemoryExchange()
    served.loop.set_task_factory(factory)
    served.start(answer, exchange)
    served.loop.set_task_factory(None)
    assert exchange.complete
    assert made == ["Served.turn.<locals>.main", "TaskExecutor._run"]


def test_a_task_that_is_left_behind_and_asks_on_keeps_nothing(served: Served) -> None:
    async def ask_on(exchange: Exchange, wait: Wait) -> None:
        kept.append(asyncio.ensure_future(wait(exchange, Want.GONE)))
        exchange.abort()

    kept: list[Any] = []
    served.start(ask_on, MemoryExchange())
    assert kept.pop().done()
    assert served.executor._waits == {}


@pytest.mark.parametrize("run", [answer, answer_later, fail, fail_later])
def test_nothing_of_a_call_stays(served: Served, run: Run) -> None:
    logging.disable(logging.CRITICAL)
    try:
        exchange = MemoryExchange()
        gone = weakref.ref(exchange)
        served.start(run, exchange)
        del exchange
        gc.collect()
        assert gone() is None
    finally:
        logging.disable(logging.NOTSET)


def test_an_executor_can_be_collected(served: Served) -> None:
    def used() -> weakref.ref[Any]:
        executor: Any = served.kind(Handler(answer), served.loop, lambda: None)
        served.turn(lambda: executor.start(MemoryExchange()))
        return weakref.ref(executor)

    gone = used()
    gc.collect()
    assert gone() is None


def test_many_calls_need_no_more_memory_than_few(served: Served) -> None:
    async def some(exchange: Any, wait: Wait) -> None:
        if exchange.content_length:
            await asyncio.sleep(0)
        if exchange.content_length == 2:
            raise asyncio.CancelledError

    exchanges = [MemoryExchange() for _ in range(100)]
    for number, exchange in enumerate(exchanges):
        exchange.content_length = max(0, number - 97)
    served.handler.run = some

    async def main() -> None:
        for _ in range(500):
            for exchange in exchanges:
                served.executor.start(exchange)
            while served.executor.running:
                await asyncio.sleep(0)

    def left() -> tuple[int, int]:
        served.flushed.clear()
        served.loop.run_until_complete(main())
        served.flushed.clear()
        gc.collect()
        return len(gc.get_objects()), sys.getallocatedblocks()

    left()
    objects, blocks = left()
    more_objects, more_blocks = left()
    assert more_objects - objects < 10
    assert more_blocks - blocks < 100
