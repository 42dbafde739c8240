"""``asgi``: an asyncio loop in the reactor's thread. Stock asyncio polls inside the reactor; uvloop watches it."""

from __future__ import annotations

import asyncio

from asteri_core.api import AsyncHandler
from asteri_core.worker_api import Executor, Host, watch_reactor

from .settings import WorkersSettings


class AsgiModel:
    """Runs the loop, and in it the tasks."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._loop = new_loop(host)
        self._stopped = False
        self._end: asyncio.Future[None] | None = None
        """What ends `run`, while it runs."""
        asyncio.set_event_loop(self._loop)

    def executor(self, handler: AsyncHandler) -> Executor:
        executor: Executor = self._host.kernel.TaskExecutor(handler, self._loop, self._host.reactor.flush)
        return executor

    def run(self) -> None:
        if self._stopped:
            return
        self._end = self._loop.create_future()
        try:
            # Not `run_forever`: what has to live as long as the loop is bound to the task of its run by some. anyio
            # finds no other than the task of a request, and would have a new thread for each.
            self._loop.run_until_complete(_wait_for(self._end))
        finally:
            self._end = None

    def stop(self) -> None:
        self._stopped = True
        # The loop also runs for the application's startup and shutdown, which nobody may end in the middle.
        if self._end is not None and not self._end.done():
            self._end.set_result(None)

    def close(self) -> None:
        asyncio.set_event_loop(None)
        self._loop.close()


async def _wait_for(end: asyncio.Future[None]) -> None:
    await end


def new_loop(host: Host) -> asyncio.AbstractEventLoop:
    """The loop that ``--loop`` names, joined with the reactor."""
    if host.config[WorkersSettings].loop == "uvloop":
        import uvloop

        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        watch_reactor(loop, host.reactor)
        return loop
    selector = host.kernel.ReactorSelector(host.reactor)
    # It stays within the reactor as long as the loop has nothing to do.
    selector.loop = loop = asyncio.SelectorEventLoop(selector)
    return loop
