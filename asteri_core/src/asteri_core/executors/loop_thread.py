"""The bridge for an async interface on a blocking worker: a private asyncio loop in a thread of its own.

The reactor's thread hands exchanges over as `SharedExchange`; the tasks are those of `TaskExecutor`. A wake-up comes
from the reactor's thread and is passed on to the loop's.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from ..reactor import Reactor
from ..sansio.connection import Exchange, Sendable, Want
from ..specs import AsyncHandler
from .executor import answer_timeout, log_overdue
from .shared import SharedExchange
from .tasks import TaskExecutor


class LoopThreadExecutor:
    """Runs an async handler in a loop of its own, from a blocking worker."""

    def __init__(self, handler: AsyncHandler, reactor: Reactor) -> None:
        self._reactor = reactor
        self._loop = asyncio.new_event_loop()
        self._tasks = _ThreadTasks(handler, self._loop, _nothing)
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._turn, name="asteri-loop", daemon=True)
        self._over = False
        """Whether the loop has ended by itself."""
        self._shared: dict[Exchange, SharedExchange] = {}

    @property
    def running(self) -> int:
        return len(self._shared)

    def startup(self) -> None:
        # Run before the thread: the lifespan task stays in the loop and goes on when the thread takes it over.
        self._tasks.startup()
        self._thread.start()

    def start(self, exchange: Exchange) -> None:
        shared = self._shared[exchange] = _LoopExchange(exchange, self._reactor, self._loop)
        self._loop.call_soon_threadsafe(self._begin, exchange, shared)

    def expire(self, exchange: Exchange) -> None:
        shared = self._shared.get(exchange)
        if shared is not None:
            shared.detach()
            answer_timeout(exchange)
            self._loop.call_soon_threadsafe(self._tasks.expire, shared)

    def shutdown(self) -> None:
        if self._thread.is_alive():
            if not self._over:
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
        self._tasks.shutdown()
        self._loop.close()

    def _turn(self) -> None:
        try:
            # Not `run_forever`: what has to live as long as the loop is bound to the task of its run by some, as by
            # anyio its threads.
            self._loop.run_until_complete(self._stopping.wait())
        except BaseException as error:
            # A task of the application's own has ended the interpreter, as it would on an async worker.
            self._over = True
            self._reactor.post(partial(_raise, error))

    def _begin(self, exchange: Exchange, shared: SharedExchange) -> None:
        if shared.detached:
            # Its time was over before the loop had a turn for it.
            log_overdue(exchange, "it waits for its turn")
            self._end(exchange)
            return
        task = self._tasks.begin(shared)
        task.add_done_callback(lambda _: self._end(exchange))

    def _end(self, exchange: Exchange) -> None:
        with self._reactor.lock:
            del self._shared[exchange]


class _LoopExchange(SharedExchange):
    """Leaves what fits below the mark to the loop's next turn: a stream to a quick client would never let it turn."""

    __slots__ = ("_flushing", "_loop")

    def __init__(self, exchange: Exchange, reactor: Reactor, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(exchange, reactor)
        self._loop = loop
        self._flushing = False

    def _like(self, connection: Any) -> SharedExchange:
        return _LoopExchange(connection, self._reactor, self._loop)

    def send(self, data: Sendable, end: bool = False) -> bool:
        with self._lock:
            self._check()
            later = False
            try:
                flows = self._exchange.send(data, end)
                later = flows and not end
            finally:
                if not later:
                    self._reactor.flush()
            if later and not self._flushing:
                self._flushing = True
                self._loop.call_soon(self._flush)
            return flows

    def _flush(self) -> None:
        with self._lock:
            self._flushing = False
            self._reactor.flush()


class _ThreadTasks(TaskExecutor):
    """Tasks whose wake-ups come from another thread."""

    def _resolver(self, exchange: Exchange, want: Want, waiting: set[asyncio.Future[None]]) -> Callable[[], None]:
        resolve = super()._resolver(exchange, want, waiting)

        def wake() -> None:
            self._loop.call_soon_threadsafe(resolve)

        return wake


def _raise(error: BaseException) -> NoReturn:
    raise error


def _nothing() -> None:
    """A `SharedExchange` has sent everything already."""
