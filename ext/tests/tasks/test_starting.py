"""What is the native executor's own: the first step of a call has run when `start` returns."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
import anyio.to_thread
import asteri_native._tasks
import pytest
import uvloop
from asteri_core.api import Exchange, Want
from asteri_core.testing import MemoryExchange
from asteri_native._tasks import Call, Starter
from asteri_native.tasks import TaskExecutor

Wait = Callable[[Exchange, Want], Awaitable[None]]
SEEN: contextvars.ContextVar[str] = contextvars.ContextVar("SEEN", default="nothing")
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Any:
    loop = LOOPS[request.param]()
    yield loop
    loop.close()


class Handler:
    def __init__(self, run: Any) -> None:
        self.run = run

    async def startup(self) -> None:
        """Nothing to start."""

    async def shutdown(self) -> None:
        """Nothing to end."""

    async def __call__(self, exchange: Exchange, wait: Wait) -> None:
        await self.run(exchange, wait)


async def answer(exchange: Exchange, wait: Wait) -> None:
    exchange.respond(200, ())
    exchange.send(b"done", True)


async def hang(exchange: Exchange, wait: Wait) -> None:
    await wait(exchange, Want.GONE)


def in_loop(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    """Call a function in a callback of the running loop, where no task is current."""

    def call() -> None:
        try:
            function()
            over.set_result(None)
        except BaseException as error:
            over.set_exception(error)

    over = loop.create_future()
    loop.call_soon(call)
    loop.run_until_complete(over)


def make(loop: asyncio.AbstractEventLoop, run: Any, flush: Callable[[], None] = lambda: None) -> TaskExecutor:
    return TaskExecutor(Handler(run), loop, flush)


def test_a_call_that_waits_for_nothing_is_over_when_start_returns(loop: Any) -> None:
    flushed: list[bool] = []
    exchange = MemoryExchange()
    executor = make(loop, answer, lambda: flushed.append(exchange.complete))

    def start() -> None:
        executor.start(exchange)
        assert (exchange.content, flushed, executor.running) == (b"done", [True], 0)
        assert (asyncio.all_tasks(loop), asyncio.current_task(loop)) == (set(), None)

    in_loop(loop, start)


def test_nothing_is_scheduled_for_such_a_call() -> None:
    loop = asyncio.new_event_loop()
    executor = make(loop, answer)

    def start() -> None:
        ready: Any = loop._ready
        before = len(ready)
        for _ in range(10):
            executor.start(MemoryExchange())
        assert len(ready) == before

    in_loop(loop, start)
    loop.close()


def test_a_call_that_waits_is_found_where_it_waits(loop: Any) -> None:
    exchange = MemoryExchange()
    executor = make(loop, hang)

    def start() -> None:
        executor.start(exchange)
        assert executor.running == 1
        assert len(asyncio.all_tasks(loop)) == 1
        exchange.leave()

    in_loop(loop, start)
    loop.run_until_complete(asyncio.sleep(0.01))
    assert executor.running == 0


def test_a_call_may_begin_within_another(loop: Any) -> None:
    """As when what a call sends lets a pipelined request begin."""
    seen: list[Any] = []

    async def run(exchange: Any, wait: Wait) -> None:
        SEEN.set(exchange.target.decode())
        task = asyncio.current_task()
        if exchange.target == b"/outer":
            for _ in range(3):
                executor.start(MemoryExchange(target=b"/inner"))
                seen.append((asyncio.current_task() is task, SEEN.get()))
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        seen.append((asyncio.current_task() is task, SEEN.get()))
        await answer(exchange, wait)

    executor = make(loop, run)
    in_loop(loop, lambda: executor.start(MemoryExchange(target=b"/outer")))
    loop.run_until_complete(asyncio.sleep(0.01))
    assert sorted(seen) == [(True, "/inner")] * 3 + [(True, "/outer")] * 4
    assert executor.running == 0


def test_calls_that_begin_within_each_other_do_not_go_deep(loop: Any) -> None:
    waiting = [MemoryExchange() for _ in range(1000)]
    started = list(waiting)
    depth = deepest = 0

    async def run(exchange: Exchange, wait: Wait) -> None:
        nonlocal depth, deepest
        depth += 1
        deepest = max(deepest, depth)
        if waiting:
            executor.start(waiting.pop(0))
        await answer(exchange, wait)
        depth -= 1

    executor = make(loop, run)
    in_loop(loop, lambda: executor.start(waiting.pop(0)))
    while executor.running:
        loop.run_until_complete(asyncio.sleep(0))
    assert all(exchange.complete for exchange in started)
    assert 1 < deepest < 10


def test_a_call_begins_within_a_step_of_a_plain_task(loop: Any) -> None:
    async def main() -> None:
        task = asyncio.current_task()
        executor.start(MemoryExchange())
        assert asyncio.current_task() is task
        with anyio.move_on_after(5):
            executor.start(MemoryExchange())
            await asyncio.sleep(0)

    executor = make(loop, hang)
    loop.run_until_complete(main())
    loop.run_until_complete(executor.finish())


def test_every_way_of_being_noticed_keeps_a_task_for_itself(loop: Any) -> None:
    """A task that nobody has seen is used again; one that somebody has is not."""
    kept: list[Any] = []
    called: list[Any] = []

    def keep(task: Any) -> None:
        kept.append(task)

    def call_back(task: Any) -> None:
        task.add_done_callback(called.append)

    def name(task: Any) -> None:
        task.set_name("named")

    def mark(task: Any) -> None:
        task.mark = 1

    def ask(task: Any) -> None:
        assert task.get_name() != "named"
        assert not hasattr(task, "mark")
        assert not task.cancelling()

    def cancel(task: Any) -> None:
        task.cancel()

    ways = [keep, ask, call_back, ask, name, ask, mark, ask, cancel, ask, keep, keep]
    noticing = iter([way for way in ways for _ in range(2)])

    async def run(exchange: Exchange, wait: Wait) -> None:
        next(noticing)(asyncio.current_task())

    executor = make(loop, run)
    for _ in range(2 * len(ways)):
        in_loop(loop, lambda: executor.start(MemoryExchange()))
    loop.run_until_complete(asyncio.sleep(0))
    assert len(set(kept)) == 6
    assert len(set(called)) == 2
    assert all(task.done() and task.result() is None for task in (*kept, *called))


def test_a_step_that_ends_the_interpreter_ends_it(loop: Any) -> None:
    """Not the application's, which is caught: one out of the server, as of a signal handler."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    executor = make(loop, answer, interrupt)
    loop.call_soon(executor.start, MemoryExchange())
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    assert (executor.running, asyncio.current_task(loop)) == (0, None)


# -- the coroutine of a call -------------------------------------------------------------------------------------------


def suspended(loop: Any) -> tuple[Any, TaskExecutor, MemoryExchange]:
    """A call that waits, its executor and its exchange."""
    exchange = MemoryExchange()
    executor = make(loop, hang)
    in_loop(loop, lambda: executor.start(exchange))
    return executor._tasks[exchange].get_coro(), executor, exchange


def test_a_call_looks_like_the_coroutine_that_it_runs(loop: Any) -> None:
    call, executor, exchange = suspended(loop)
    assert type(call) is Call
    assert isinstance(call, Coroutine)
    assert asyncio.iscoroutine(call)
    assert inspect.isawaitable(call)
    assert inspect.getcoroutinestate(call) == inspect.CORO_SUSPENDED
    assert call.cr_frame.f_code is call.cr_code is Handler.__call__.__code__
    assert call.cr_await.cr_code is hang.__code__
    assert (call.__name__, call.__qualname__, call.cr_origin) == ("_run", "TaskExecutor._run", None)
    executor.expire(exchange)
    loop.run_until_complete(asyncio.sleep(0.01))
    assert inspect.getcoroutinestate(call) == inspect.CORO_CLOSED
    assert (call.cr_frame, call.cr_await, call.cr_code) == (None, None, None)


def test_a_running_call_says_so(loop: Any) -> None:
    states: list[str] = []

    async def look(exchange: Exchange, wait: Wait) -> None:
        task = asyncio.current_task()
        assert task is not None
        states.append(inspect.getcoroutinestate(task.get_coro()))
        with pytest.raises(ValueError, match="coroutine already executing"):
            task.get_coro().send(None)
        with pytest.raises(ValueError, match="coroutine already executing"):
            task.get_coro().close()

    in_loop(loop, lambda: make(loop, look).start(MemoryExchange()))
    assert states == [inspect.CORO_RUNNING]


def test_a_call_can_be_driven_by_hand(loop: Any) -> None:
    call, executor, exchange = suspended(loop)
    with pytest.raises(StopIteration):
        call.throw(asyncio.CancelledError)
    assert (exchange.aborted, executor.running) == (True, 0)
    for method, argument in ((call.send, None), (call.throw, ValueError())):
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            method(argument)
    call.close()
    executor._tasks.clear()


def test_a_call_that_is_closed_is_cut(loop: Any, caplog: pytest.LogCaptureFixture) -> None:
    call, executor, exchange = suspended(loop)
    call.close()
    assert (exchange.aborted, executor.running) == (True, 0)
    assert [repr(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["GeneratorExit()"]


@pytest.mark.parametrize(
    ("thrown", "kind", "text"),
    [
        ((), TypeError, "throw expected 1 to 3 arguments, got 0"),
        ((1, 2, 3, 4), TypeError, "throw expected 1 to 3 arguments, got 4"),
    ],
)
def test_what_cannot_be_thrown_is_refused(loop: Any, thrown: Any, kind: type[Exception], text: str) -> None:
    call, executor, _ = suspended(loop)
    with pytest.raises(kind, match=text):
        call.throw(*thrown)
    loop.run_until_complete(executor.finish())


class Bare:
    """An awaitable whose iterator cannot be thrown into."""

    def __await__(self) -> Any:
        return iter([None, None, None])


def test_what_is_thrown_into_a_bare_iterator_comes_out(loop: Any) -> None:
    exchange = MemoryExchange()
    handler: Any = Handler(answer)
    executor = TaskExecutor(handler, loop, lambda: None)
    type(handler).__call__, usual = (lambda self, exchange, wait: Bare()), type(handler).__call__
    try:
        in_loop(loop, lambda: executor.start(exchange))
    finally:
        type(handler).__call__ = usual
    executor.expire(exchange)
    loop.run_until_complete(asyncio.sleep(0.01))
    assert (exchange.status, executor.running) == (504, 0)


def test_an_executor_that_was_not_initialized_says_so() -> None:
    starter = TaskExecutor.__new__(TaskExecutor)
    with pytest.raises(RuntimeError, match="this executor has not been initialized"):
        starter.start(MemoryExchange())
    assert isinstance(starter, Starter)


def test_the_types_are_made_by_nobody_else() -> None:
    with pytest.raises(TypeError, match="cannot create"):
        Call()
    assert sorted(name for name in vars(asteri_native._tasks) if name[0] != "_") == ["Call", "Starter", "eager_task"]


def test_what_is_kept_for_the_next_call_is_not_used_again_when_somebody_has_it(loop: Any) -> None:
    """As a tool has that lists all objects: to it, a task and its coroutine are never two."""

    async def run(exchange: Any, wait: Wait) -> None:
        if kept:
            task: Any = asyncio.current_task()
            ran.extend([task, task.get_coro()])

    kept: list[object] = []
    ran: list[object] = []
    executor = make(loop, run)

    def start() -> None:
        executor.start(MemoryExchange())
        kept.extend(one for one in gc.get_objects() if type(one).__module__ == "asteri_native._tasks")
        executor.start(MemoryExchange())

    in_loop(loop, start)
    assert {type(one) for one in kept} >= {Call}
    assert len(ran) == 2
    assert not {id(one) for one in ran} & {id(one) for one in kept}


def test_a_hundred_thousand_calls_leave_nothing(loop: Any) -> None:
    async def run(exchange: Any, wait: Wait) -> None:
        if exchange.content_length:
            asyncio.current_task().set_name("seen")

    seen = MemoryExchange()
    seen.content_length = 1
    exchanges = [*(MemoryExchange() for _ in range(9)), seen]
    executor = make(loop, run)

    def start() -> None:
        for _ in range(5000):
            for exchange in exchanges:
                executor.start(exchange)

    def left() -> tuple[int, int]:
        in_loop(loop, start)
        gc.collect()
        return len(gc.get_objects()), sys.getallocatedblocks()

    left()
    objects, blocks = left()
    more_objects, more_blocks = left()
    assert abs(more_objects - objects) < 10
    assert abs(more_blocks - blocks) < 100
