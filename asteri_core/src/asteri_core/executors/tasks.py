"""Async handlers as tasks of an asyncio loop that runs in the reactor's thread: the ``asgi`` model.

Each call runs in a copy of the context in which the application was started, so that context variables of one request
are not seen by the next, and keeps it across every suspension.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import traceback
from collections.abc import Callable
from typing import Any

from ..sansio.connection import Exchange, Want
from ..specs import AsyncHandler
from .executor import end_failed, end_overdue

log = logging.getLogger("asteri.error")

CANCEL_SECONDS = 5.0
"""How long `shutdown` waits for the tasks it has cancelled."""


SHUTDOWN_SECONDS = 30.0
"""How long the handler's shutdown may take; a worker process is bounded by its graceful time-out besides."""

SUSPENDED = (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await"))
"""The attributes of coroutines and generators: where they are, and what they wait for."""


class TaskExecutor:
    """Runs an async handler in ``loop``; calls ``flush`` when a call has returned, so that its answer leaves at once.

    Every method is called in the loop's thread.
    """

    def __init__(self, handler: AsyncHandler, loop: asyncio.AbstractEventLoop, flush: Callable[[], None]) -> None:
        self._handler = handler
        self._flush = flush
        self._loop = loop
        self._tasks: dict[Exchange, asyncio.Task[None]] = {}
        self._waits: dict[Exchange, dict[Want, set[asyncio.Future[None]]]] = {}
        """Who waits for what was asked of an exchange and has not come yet. A task that does not wait any more leaves
        the question behind for the next one that does: an exchange forgets no watcher, and some applications ask again
        and again."""
        self._context = contextvars.copy_context()

    @property
    def running(self) -> int:
        return len(self._tasks)

    def startup(self) -> None:
        self._loop.run_until_complete(self.boot())

    async def boot(self) -> None:
        """`startup` for a loop that runs already."""
        await self._handler.startup()
        self._context = contextvars.copy_context()

    def start(self, exchange: Exchange) -> None:
        self.begin(exchange)

    def begin(self, exchange: Exchange) -> asyncio.Task[None]:
        """Make the task that runs the handler for ``exchange``."""
        task = self._loop.create_task(self._run(exchange), context=self._context.copy())
        if not task.done():
            # With an eager task factory it may be over by now.
            self._tasks[exchange] = task
        return task

    def expire(self, exchange: Exchange) -> None:
        task = self._tasks.get(exchange)
        if task is not None:
            end_overdue(exchange, format_stack(task))
            self._cancel(exchange, task, "request time-out")

    def shutdown(self) -> None:
        self._loop.run_until_complete(self._end_loop())

    async def _end_loop(self) -> None:
        await self.finish()
        # What the application has begun by itself and forgotten gets the chance to clean up.
        if rest := asyncio.all_tasks(self._loop) - {asyncio.current_task()}:
            for task in rest:
                task.cancel("the server stops")
            await asyncio.wait(rest, timeout=CANCEL_SECONDS)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()

    async def finish(self) -> None:
        """Cancel what still runs and run the handler's shutdown."""
        tasks = list(self._tasks.items())
        for exchange, task in tasks:
            self._cancel(exchange, task, "the server stops")
        if tasks:
            await asyncio.wait([task for _, task in tasks], timeout=CANCEL_SECONDS)
        try:
            await asyncio.wait_for(self._handler.shutdown(), SHUTDOWN_SECONDS)
        except TimeoutError:
            log.error("the application did not shut down in %.0f s", SHUTDOWN_SECONDS)

    def _cancel(self, exchange: Exchange, task: asyncio.Task[None], reason: str) -> None:
        task.cancel(reason)
        if inspect.getcoroutinestate(task.get_coro()) == inspect.CORO_CREATED:  # type: ignore[arg-type]
            # It ends before its first step, so nothing of `_run` is done.
            exchange.abort()
            self._tasks.pop(exchange, None)
            self._flush()

    async def _run(self, exchange: Exchange) -> None:
        try:
            await self._handler(exchange, self.wait)
        except asyncio.CancelledError:
            exchange.abort()
        except BaseException as error:
            # An application that ends the interpreter ends its own request, not the worker.
            end_failed(exchange, error)
        finally:
            self._tasks.pop(exchange, None)
            self._waits.pop(exchange, None)
            self._flush()

    async def wait(self, exchange: Exchange, want: Want) -> None:
        """Suspend the calling task until ``want`` may hold, and in any case for one turn of the loop."""
        future: asyncio.Future[None] = self._loop.create_future()
        waits = self._waits.get(exchange)
        waiting = waits.get(want) if waits is not None else None
        if waiting is None:
            waiting = set()
            if exchange.watch(want, self._resolver(exchange, want, waiting)):
                await asyncio.sleep(0)
                return
            # Only now: a task that is left behind asks also for what is over, and nobody would forget that again.
            self._waits.setdefault(exchange, {})[want] = waiting
        waiting.add(future)
        try:
            await future
        finally:
            waiting.discard(future)

    def _resolver(self, exchange: Exchange, want: Want, waiting: set[asyncio.Future[None]]) -> Callable[[], None]:
        def resolve() -> None:
            # What an exchange was upgraded to is waited for as well, and no end of a call speaks of it.
            waits = self._waits.get(exchange)
            if waits is not None and waits.pop(want, None) is not None and not waits:
                del self._waits[exchange]
            for future in waiting:
                if not future.done():
                    future.set_result(None)

        return resolve


def format_stack(task: asyncio.Task[Any]) -> str:
    """Where a suspended task waits, outermost call first.

    `Task.get_stack` shows no more than the outermost one: what a coroutine waits for has to be followed by hand.
    """
    frames = []
    waiting: Any = task.get_coro()
    while (kind := next((kind for kind in SUSPENDED if hasattr(waiting, kind[0])), None)) is not None:
        frame = getattr(waiting, kind[0])
        if frame is None:
            break
        frames.append((frame, frame.f_lineno))
        waiting = getattr(waiting, kind[1])
    return "".join(traceback.StackSummary.extract(iter(frames)).format())
