"""What an application sees of cancellation, of time-outs, and of the tasks that it begins itself."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from behaviours import VARIABLE, Record, behaviour, caught, failing, forever, later, me


@behaviour
async def cancelled_from_outside_while_it_waits(record: Record) -> None:
    for awaitable in (forever(record), asyncio.sleep(10), asyncio.Event().wait(), asyncio.Queue[int]().get()):
        later(me().cancel, "outside")
        await caught(record, awaitable)
        record((me().cancelling(), me().uncancel(), me().uncancel()))


@behaviour
async def cancelled_by_itself(record: Record) -> None:
    record(me().cancel("self"))
    record((me().cancel("again"), me().cancelling()))
    await caught(record, asyncio.sleep(10))
    await caught(record, asyncio.sleep(0))
    record((me().uncancel(), me().uncancel(), me().uncancel()))


@behaviour
async def cancelled_while_it_waits_for_another_task(record: Record) -> None:
    inner = asyncio.create_task(forever(record))
    later(later, me().cancel, "outer")
    await caught(record, inner)
    record(inner.cancelled())


@behaviour
async def cancelled_while_it_waits_for_a_task_that_refuses(record: Record) -> None:
    async def stubborn() -> str:
        with suppress(asyncio.CancelledError):
            await forever()
        return "still here"

    inner = asyncio.create_task(stubborn())
    later(later, me().cancel, "outer")
    await caught(record, inner)


@behaviour
async def cancelled_in_two_turns(record: Record) -> None:
    later(me().cancel, "one")
    later(me().cancel, "two")
    await caught(record, asyncio.sleep(10))
    await caught(record, asyncio.sleep(0))
    record(me().cancelling())


@behaviour
async def cancelled_when_what_it_waits_for_is_done_already(record: Record) -> None:
    future = asyncio.get_running_loop().create_future()
    later(future.set_result, "done")
    later(me().cancel, "late")
    await caught(record, future)
    await caught(record, asyncio.sleep(0))


@behaviour
async def cancellation_waits_for_cleaning_up(record: Record) -> None:
    later(me().cancel, "stop")
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError as error:
        await asyncio.sleep(0.001)
        record(("cleaned", error.args))


@behaviour
async def shielded(record: Record) -> None:
    inner = asyncio.create_task(asyncio.sleep(0.01, "kept"))
    later(me().cancel, "stop")
    await caught(record, asyncio.shield(inner))
    record((inner.done(), await inner))


@behaviour
async def time_outs(record: Record) -> None:
    async def limited(seconds: float, needs: float) -> None:
        async with asyncio.timeout(seconds):
            await asyncio.sleep(needs)

    await caught(record, limited(0.005, 10))
    await caught(record, limited(10, 0))
    await caught(record, limited(0, 10))
    record(me().cancelling())
    try:
        async with asyncio.timeout(10) as outer:
            async with asyncio.timeout(0.001) as inner:
                await asyncio.sleep(10)
    except TimeoutError:
        record((outer.expired(), inner.expired()))
    await caught(record, asyncio.wait_for(asyncio.sleep(10), 0.001))
    await caught(record, asyncio.wait_for(asyncio.sleep(0, "in time"), 10))
    record(me().cancelling())


@behaviour
async def a_time_out_and_a_cancellation_at_once(record: Record) -> None:
    later(me().cancel, "outside")
    try:
        async with asyncio.timeout(0):
            await asyncio.sleep(10)
    except BaseException as error:
        record(type(error).__name__)
    record(me().cancelling())


# -- tasks of its own --------------------------------------------------------------------------------------------------


@behaviour
async def task_groups(record: Record) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asyncio.sleep(0, number)) for number in range(3)]
    record([task.result() for task in tasks])
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(forever(record))
            group.create_task(failing(ValueError("one")))
            await asyncio.sleep(10)
    except ExceptionGroup as errors:
        record([repr(error) for error in errors.exceptions])
    record(me().cancelling())
    later(later, me().cancel, "outside")
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(forever(record))
    except asyncio.CancelledError as error:
        record(error.args)


@behaviour
async def gathering(record: Record) -> None:
    record(await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0.001, 2)))
    await caught(record, asyncio.gather(failing(ValueError("two")), asyncio.sleep(0.001)))
    record([repr(error) for error in await asyncio.gather(failing(KeyError()), return_exceptions=True)])
    later(later, me().cancel, "outside")
    await caught(record, asyncio.gather(forever(record), forever(record)))


@behaviour
async def threads(record: Record) -> None:
    VARIABLE.set("here")
    record(await asyncio.to_thread(VARIABLE.get))
    record(await asyncio.get_running_loop().run_in_executor(None, lambda: 7))
