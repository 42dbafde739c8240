"""An application sees no difference between a task of asyncio and the task that an executor runs it in."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import behaviours_anyio
import behaviours_cancelling
import pytest
import uvloop
from asteri_core.api import Exchange, Want
from asteri_core.executors.tasks import TaskExecutor as PythonExecutor
from asteri_core.testing import MemoryExchange
from asteri_native._tasks import eager_task
from asteri_native.tasks import TaskExecutor as NativeExecutor
from behaviours import BEHAVIOURS, Behaviour

MODULES = (behaviours_anyio, behaviours_cancelling)
"""What is in them has put itself into the table."""
Wait = Callable[[Exchange, Want], Awaitable[None]]


class Application:
    """A handler that runs one behaviour, and tells when it is over."""

    def __init__(self, run: Behaviour, seen: list[Any]) -> None:
        self.run = run
        self.seen = seen
        self.over = asyncio.Event()

    async def startup(self) -> None:
        """Nothing to start."""

    async def shutdown(self) -> None:
        """Nothing to end."""

    async def __call__(self, exchange: Exchange, wait: Wait) -> None:
        try:
            await self.run(self.seen.append)
        except BaseException as error:
            self.seen.append(("raised", repr(error)))
        finally:
            exchange.respond(200, ())
            exchange.send(b"", True)
            self.over.set()


async def as_task(run: Behaviour, seen: list[Any]) -> None:
    """What is right."""
    application = Application(run, seen)
    task = asyncio.create_task(application(MemoryExchange(), application.__call__))
    await application.over.wait()
    await task


async def as_eager_task(run: Behaviour, seen: list[Any]) -> None:
    application = Application(run, seen)
    call = application(MemoryExchange(), application.__call__)
    task = eager_task(call, asyncio.get_running_loop(), contextvars.copy_context())
    await application.over.wait()
    await task


def in_executor(kind: Any) -> Callable[[Behaviour, list[Any]], Awaitable[None]]:
    async def as_call(run: Behaviour, seen: list[Any]) -> None:
        application = Application(run, seen)
        executor = kind(application, asyncio.get_running_loop(), lambda: None)
        await executor.boot()
        exchange = MemoryExchange()
        executor.start(exchange)
        await application.over.wait()
        await executor.finish()
        assert (executor.running, exchange.complete) == (0, True)

    return as_call


WAYS = {"py": in_executor(PythonExecutor), "c": in_executor(NativeExecutor), "eager": as_eager_task}


def debugging() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_debug(True)
    return loop


LOOPS = {"asyncio": asyncio.new_event_loop, "debug": debugging, "uvloop": uvloop.new_event_loop}


def seen_in(
    way: Callable[[Behaviour, list[Any]], Awaitable[None]], run: Behaviour, make: Callable[[], Any]
) -> list[Any]:
    """What the behaviour has recorded, twice: the second call comes after one that has gone."""
    seen: list[Any] = []

    async def main() -> None:
        await way(run, seen)
        await way(run, seen)

    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(main())
    return seen


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", BEHAVIOURS)
def test_a_call_behaves_as_in_a_plain_task(name: str, way: str, loop: str) -> None:
    expected = seen_in(as_task, BEHAVIOURS[name], LOOPS[loop])
    assert expected
    assert seen_in(WAYS[way], BEHAVIOURS[name], LOOPS[loop]) == expected
