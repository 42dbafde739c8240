"""``asgi``: an asyncio loop in the reactor's thread. Stock asyncio polls inside the reactor; uvloop watches it."""

from __future__ import annotations

import asyncio

from asteri_core.api import AsyncHandler
from asteri_core.worker_api import Host, ReactorSelector, TaskExecutor, watch_reactor

from .settings import WorkersSettings


class AsgiModel:
    """Runs the loop, and in it the tasks."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._loop = new_loop(host)
        self._stopped = False
        self._running = False
        asyncio.set_event_loop(self._loop)

    def executor(self, handler: AsyncHandler) -> TaskExecutor:
        return TaskExecutor(handler, self._loop, self._host.reactor.flush)

    def run(self) -> None:
        if self._stopped:
            return
        self._running = True
        try:
            self._loop.run_forever()
        finally:
            self._running = False

    def stop(self) -> None:
        self._stopped = True
        # The loop also runs for the application's startup and shutdown, which nobody may end in the middle.
        if self._running:
            self._loop.stop()

    def close(self) -> None:
        asyncio.set_event_loop(None)
        self._loop.close()


def new_loop(host: Host) -> asyncio.AbstractEventLoop:
    """The loop that ``--loop`` names, joined with the reactor."""
    if host.config[WorkersSettings].loop == "uvloop":
        import uvloop

        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        watch_reactor(loop, host.reactor)
        return loop
    return asyncio.SelectorEventLoop(ReactorSelector(host.reactor))
