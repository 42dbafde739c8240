"""What an application may do in its task, and sees of it: each behaviour is one coroutine function.

It says by ``record`` what it has seen. A plain task of `asyncio.create_task` sees what is right; whatever else runs a
behaviour has to show it the same. Nothing here knows an executor.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import io
import re
import sys
import types
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import suppress
from typing import Any

Record = Callable[[Any], None]
Behaviour = Callable[[Record], Awaitable[None]]

BEHAVIOURS: dict[str, Behaviour] = {}
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


def behaviour(function: Behaviour) -> Behaviour:
    """Put a behaviour into the table."""
    BEHAVIOURS[function.__name__] = function
    return function


def me() -> Any:
    """The task; more is asked of it here than is told of a task's type."""
    task = asyncio.current_task()
    assert task is not None
    return task


def later(function: Callable[..., Any], *arguments: Any) -> None:
    asyncio.get_running_loop().call_soon(function, *arguments)


def plain(text: object) -> str:
    """Without what differs from one run to the next, or names the coroutine of whoever runs a behaviour."""
    text = re.sub(r"0x[0-9a-f]+|Task-\d+", "…", str(text))
    return re.sub(r"coro=<.*?>(?= |>)| created at [^ >]+", "", text)


async def failing(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


async def forever(record: Record | None = None) -> None:
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError as error:
        if record is not None:
            record(("cancelled", error.args))
        raise


async def caught(record: Record, awaitable: Awaitable[Any]) -> None:
    """Await, and record how that ends."""
    try:
        record(("value", await awaitable))
    except BaseException as error:
        record((type(error).__name__, plain(error)))


# -- the task as an object ---------------------------------------------------------------------------------------------


@behaviour
async def the_current_task_is_the_same_for_the_whole_life_of_the_call(record: Record) -> None:
    first = me()
    await asyncio.sleep(0)
    record(me() is first)
    await asyncio.sleep(0.001)
    record(me() is first)


@behaviour
async def the_current_task_is_a_task(record: Record) -> None:
    task = me()
    record((isinstance(task, asyncio.Task), isinstance(task, asyncio.Future), asyncio.isfuture(task)))
    record((asyncio.iscoroutine(task), asyncio.iscoroutine(task.get_coro()), asyncio.ensure_future(task) is task))
    record((task.get_loop() is asyncio.get_running_loop(), task.done(), task.cancelled(), task.cancelling()))


@behaviour
async def a_suspended_task_is_among_all_tasks(record: Record) -> None:
    task = me()

    async def look() -> bool:
        return task in asyncio.all_tasks()

    record(await asyncio.create_task(look()))
    record(task in asyncio.all_tasks())


@behaviour
async def a_task_has_a_name(record: Record) -> None:
    record(re.fullmatch(r"Task-\d+", me().get_name()) is not None)
    record(me().get_name() == me().get_name())
    me().set_name(7)
    record(me().get_name())


@behaviour
async def a_task_shows_what_it_does(record: Record) -> None:
    me().set_name("shown")
    record(plain(repr(me())))
    waiting = asyncio.Event()
    later(lambda task: record(("wait_for=<Future pending" in repr(task), repr(task)[:20])), me())
    later(waiting.set)
    await waiting.wait()
    me().cancel()
    record(plain(repr(me())))
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)


@behaviour
async def a_task_has_a_stack(record: Record) -> None:
    task = me()

    def look() -> None:
        file = io.StringIO()
        task.print_stack(file=file)
        record([plain(line.strip()) for line in file.getvalue().splitlines()][:1])
        record([len(task.get_stack()), len(task.get_stack(limit=0))])

    later(look)
    await asyncio.sleep(0)


@behaviour
async def a_task_may_have_attributes_and_weak_references(record: Record) -> None:
    me().user = "ann"
    kept: weakref.WeakKeyDictionary[asyncio.Task[Any], int] = weakref.WeakKeyDictionary({me(): 1})
    await asyncio.sleep(0)
    record((me().user, kept[me()], weakref.ref(me())() is me(), {me(): 1}[me()]))


@behaviour
async def a_new_task_has_nothing_of_an_earlier_one(record: Record) -> None:
    record((sorted(vars(me())) if hasattr(me(), "__dict__") else [], me()._callbacks, me().cancelling()))
    me().mark = 1


@behaviour
async def the_result_is_not_to_be_set_by_others(record: Record) -> None:
    for method, value in ((me().set_result, None), (me().set_exception, ValueError())):
        try:
            method(value)
        except RuntimeError as error:
            record(str(error))


@behaviour
async def there_is_no_result_yet(record: Record) -> None:
    for method in (me().result, me().exception):
        try:
            method()
        except asyncio.InvalidStateError as error:
            record(str(error))


@behaviour
async def internal_attributes_that_others_look_at(record: Record) -> None:
    task: Any = me()
    record((task._must_cancel, task._fut_waiter, task._coro is task.get_coro(), task._log_destroy_pending, task._state))
    future = asyncio.get_running_loop().create_future()
    later(lambda: record((task._fut_waiter is future, task._asyncio_future_blocking)))
    later(future.set_result, None)
    await future
    task.cancel("why")
    record((task._must_cancel, task._cancel_message))
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)


@behaviour
async def a_done_callback_may_be_removed(record: Record) -> None:
    def callback(task: asyncio.Task[Any]) -> None:
        record("never")

    me().add_done_callback(callback)
    record((me().remove_done_callback(callback), me().remove_done_callback(callback)))


# -- waiting -----------------------------------------------------------------------------------------------------------


@behaviour
async def a_future_gives_its_result_its_error_or_its_cancellation(record: Record) -> None:
    loop = asyncio.get_running_loop()
    for name, argument in (("set_result", 3), ("set_exception", ValueError("no")), ("cancel", "gone")):
        future = loop.create_future()
        later(getattr(future, name), argument)
        await caught(record, future)


@behaviour
async def a_future_that_is_done_does_not_suspend(record: Record) -> None:
    future = asyncio.get_running_loop().create_future()
    future.set_result("now")
    turned: list[int] = []
    later(turned.append, 1)
    record((await future, turned))


@behaviour
async def turns_are_taken_in_order(record: Record) -> None:
    async def other(name: str) -> None:
        for turn in range(3):
            record((name, turn))
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(other(name)) for name in "ab"]
    for turn in range(3):
        await asyncio.sleep(0)
        record(("me", turn))
    await asyncio.gather(*tasks)


@behaviour
async def a_future_of_another_loop_is_refused(record: Record) -> None:
    other = asyncio.new_event_loop()
    await caught(record, other.create_future())
    other.close()


@behaviour
async def a_task_cannot_wait_for_itself(record: Record) -> None:
    await caught(record, me())


@types.coroutine
def yielding(value: Any) -> Generator[Any, Any, Any]:
    return (yield value)


@behaviour
async def only_futures_may_be_yielded(record: Record) -> None:
    for value in (42, "text", (number for number in ()), asyncio.get_running_loop().create_future()):
        try:
            record(await yielding(value))
        except RuntimeError as error:
            record(plain(error).split(" in task ")[0])


class Duck:
    """A future that is none of asyncio's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, result: Any) -> None:
        self._asyncio_future_blocking = False
        self._loop = loop
        self._result = result
        self.context: contextvars.Context | None = None

    def add_done_callback(self, callback: Callable[[Any], None], *, context: contextvars.Context) -> None:
        self._loop.call_soon(callback, self, context=context)

    def result(self) -> Any:
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result

    def cancel(self, msg: Any = None) -> bool:
        return False

    def __await__(self) -> Generator[Any, Any, Any]:
        self._asyncio_future_blocking = True
        yield self
        return self.result()


@behaviour
async def what_behaves_as_a_future_can_be_waited_for(record: Record) -> None:
    loop = asyncio.get_running_loop()
    await caught(record, Duck(loop, 5))
    await caught(record, Duck(loop, KeyError("duck")))
    me().cancel("not now")
    await caught(record, Duck(loop, 6))
    await caught(record, asyncio.sleep(0))


@behaviour
async def locks_events_queues_and_conditions(record: Record) -> None:
    lock, ready, queue, condition = asyncio.Lock(), asyncio.Event(), asyncio.Queue[int](1), asyncio.Condition()

    async def other() -> None:
        async with lock:
            for number in range(3):
                await queue.put(number)
            await ready.wait()
        async with condition:
            condition.notify_all()

    task = asyncio.create_task(other())
    record([await queue.get() for _ in range(3)])
    async with condition:
        ready.set()
        record(await condition.wait())
    async with lock:
        record(queue.empty())
    await task


@behaviour
async def others_wait_for_the_task(record: Record) -> None:
    task = me()

    async def wait() -> None:
        try:
            await asyncio.wait_for(asyncio.shield(task), 0.001)
        except TimeoutError:
            record("not yet")

    await asyncio.create_task(wait())


@behaviour
async def asynchronous_generators_and_context_managers(record: Record) -> None:
    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(5):
                await asyncio.sleep(0)
                yield number
        finally:
            record("closed")

    generator = numbers()
    async for number in generator:
        record(number)
        if number == 1:
            break
    await generator.aclose()


@behaviour
async def an_error_is_the_same_after_a_suspension(record: Record) -> None:
    try:
        await failing(ValueError("first"))
    except ValueError as error:
        await asyncio.sleep(0)
        record(sys.exc_info()[1] is error)
        try:
            await failing(KeyError("second"))
        except KeyError as second:
            record(second.__context__ is error)
    record(sys.exc_info())


# -- context variables -------------------------------------------------------------------------------------------------


@behaviour
async def context_variables_are_its_own(record: Record) -> None:
    record(VARIABLE.get())
    VARIABLE.set("mine")
    await asyncio.sleep(0)
    record(VARIABLE.get())
    later(lambda: record(VARIABLE.get()))
    record(await asyncio.create_task(asyncio.sleep(0, VARIABLE.get())))

    async def child() -> str:
        seen = VARIABLE.get()
        VARIABLE.set("child's")
        await asyncio.sleep(0)
        return seen

    record((await asyncio.create_task(child()), VARIABLE.get()))
    record((await child(), VARIABLE.get()))


@behaviour
async def a_token_can_be_reset_after_a_suspension(record: Record) -> None:
    token = VARIABLE.set("for a while")
    await asyncio.sleep(0)
    VARIABLE.reset(token)
    record(VARIABLE.get())


@behaviour
async def garbage_is_collected_in_the_middle(record: Record) -> None:
    task = me()
    later(gc.collect)
    await asyncio.sleep(0)
    gc.collect()
    await asyncio.sleep(0.001)
    record(me() is task)
