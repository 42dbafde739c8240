"""What an application may do in its task with anyio and sniffio, as the frameworks do."""

from __future__ import annotations

import asyncio

import anyio
import anyio.from_thread
import anyio.to_thread
import sniffio
from behaviours import VARIABLE, Record, behaviour, caught, later, me


async def block(record: Record | None = None) -> None:
    try:
        await anyio.sleep_forever()
    except BaseException as error:
        if record is not None:
            record(type(error).__name__)
        raise


@behaviour
async def anyio_knows_where_it_is(record: Record) -> None:
    record((sniffio.current_async_library(), anyio.get_current_task().id == id(me())))
    await anyio.lowlevel.checkpoint()
    record((sniffio.current_async_library(), anyio.get_current_task().id == id(me())))
    record(anyio.get_current_task() in anyio.get_running_tasks())


@behaviour
async def anyio_cancel_scopes(record: Record) -> None:
    with anyio.move_on_after(0.005) as scope:
        await block(record)
    record((scope.cancelled_caught, me().cancelling()))
    try:
        with anyio.fail_after(0.005):
            await anyio.sleep(10)
    except TimeoutError:
        record("too late")
    with anyio.CancelScope() as outer, anyio.CancelScope() as inner:
        outer.cancel()
        await block(record)
    record((outer.cancelled_caught, inner.cancelled_caught))
    with anyio.CancelScope() as scope:
        scope.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.001)
            record("shielded")
        await block(record)
    record((scope.cancelled_caught, me().cancelling(), anyio.current_effective_deadline()))


@behaviour
async def anyio_scopes_that_are_cancelled_before_anything_is_awaited(record: Record) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anyio.lowlevel.checkpoint()
    record(scope.cancelled_caught)
    await anyio.lowlevel.checkpoint()


@behaviour
async def anyio_task_groups(record: Record) -> None:
    async def serve(*, task_status: anyio.abc.TaskStatus[str]) -> None:
        task_status.started("started")
        await block(record)

    async with anyio.create_task_group() as group:
        record(await group.start(serve))
        group.start_soon(block, record)
        await anyio.sleep(0.001)
        group.cancel_scope.cancel()
    record(me().cancelling())

    async def fail() -> None:
        await anyio.sleep(0)
        raise ValueError("in a group")

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(fail)
            await block(record)
    except BaseExceptionGroup as errors:
        record([repr(error) for error in errors.exceptions])


@behaviour
async def anyio_cancelled_from_outside(record: Record) -> None:
    async def scoped() -> None:
        with anyio.CancelScope():
            async with anyio.create_task_group() as group:
                group.start_soon(block, record)
                await block(record)

    later(later, me().cancel, "outside")
    await caught(record, scoped())
    record(me().cancelling())


@behaviour
async def anyio_threads(record: Record) -> None:
    def work() -> tuple[str, int]:
        anyio.from_thread.check_cancelled()
        return VARIABLE.get(), anyio.from_thread.run(anyio.sleep, 0) or 1

    VARIABLE.set("here")
    record(await anyio.to_thread.run_sync(work))
    with anyio.move_on_after(0.005) as scope:
        await anyio.to_thread.run_sync(asyncio.Event, abandon_on_cancel=True)
        await anyio.sleep(10)
    record(scope.cancelled_caught)


@behaviour
async def anyio_streams_locks_and_limiters(record: Record) -> None:
    sending, receiving = anyio.create_memory_object_stream[int](0)
    limiter = anyio.CapacityLimiter(1)

    async def send() -> None:
        async with sending, limiter:
            for number in range(3):
                await sending.send(number)

    async with anyio.create_task_group() as group, receiving:
        group.start_soon(send)
        record([number async for number in receiving])
    async with limiter:
        record(limiter.borrowed_tokens)
