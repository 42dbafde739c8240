"""The bridge for an async interface on a blocking worker: a private asyncio loop in a thread of its own.

The reactor's thread hands exchanges over as `SharedExchange`; the tasks are those of `TaskExecutor`. A wake-up comes
from the reactor's thread and is passed on to the loop's.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from ..reactor import Reactor
from ..sansio.connection import Exchange
from ..specs import AsyncHandler
from .executor import answer_timeout
from .shared import SharedExchange
from .tasks import TaskExecutor


class LoopThreadExecutor:
    """Runs an async handler in a loop of its own, from a blocking worker."""

    def __init__(self, handler: AsyncHandler, reactor: Reactor) -> None:
        self._reactor = reactor
        self._loop = asyncio.new_event_loop()
        self._tasks = _ThreadTasks(handler, self._loop, _nothing)
        self._thread = threading.Thread(target=self._loop.run_forever, name="asteri-loop", daemon=True)
        self._shared: dict[Exchange, SharedExchange] = {}

    @property
    def running(self) -> int:
        return len(self._shared)

    def startup(self) -> None:
        # Run before the thread: the lifespan task stays in the loop and goes on when the thread takes it over.
        self._tasks.startup()
        self._thread.start()

    def start(self, exchange: Exchange) -> None:
        shared = self._shared[exchange] = SharedExchange(exchange, self._reactor)
        self._loop.call_soon_threadsafe(self._begin, exchange, shared)

    def expire(self, exchange: Exchange) -> None:
        shared = self._shared.get(exchange)
        if shared is not None:
            shared.detach()
            answer_timeout(exchange)
            self._loop.call_soon_threadsafe(self._tasks.expire, shared)

    def shutdown(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._tasks.shutdown()
        self._loop.close()

    def _begin(self, exchange: Exchange, shared: SharedExchange) -> None:
        task = self._tasks.begin(shared)
        task.add_done_callback(lambda _: self._end(exchange))

    def _end(self, exchange: Exchange) -> None:
        with self._reactor.lock:
            del self._shared[exchange]


class _ThreadTasks(TaskExecutor):
    """Tasks whose wake-ups come from another thread."""

    def _resolver(self, future: asyncio.Future[None]) -> Any:
        resolve = super()._resolver(future)
        return lambda: self._loop.call_soon_threadsafe(resolve)


def _nothing() -> None:
    """A `SharedExchange` has sent everything already."""
