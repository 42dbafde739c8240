"""Blocking handlers in a pool of threads: ``gthread``, and the bridge from an async worker to a blocking interface.

Threads are made when they are first needed and live as long as the worker. Each call runs in a copy of the context in
which the application was loaded, so that context variables of one request are not seen by the next.
"""

from __future__ import annotations

import contextvars
import logging
import sys
import threading
import traceback
from collections.abc import Callable
from queue import SimpleQueue

from ..reactor import Reactor
from ..sansio.connection import Exchange, Want
from ..specs import BlockingHandler
from .executor import end_failed, end_overdue
from .shared import SharedExchange

log = logging.getLogger("asteri.error")

SHUTDOWN_SECONDS = 1.0
"""How long `shutdown` waits for threads that have nothing to do any more."""


class _Call:
    """One call of the handler: its exchange as the thread sees it, and the thread once there is one."""

    __slots__ = ("exchange", "shared", "thread")

    def __init__(self, exchange: Exchange, reactor: Reactor) -> None:
        self.exchange = exchange
        self.shared = SharedExchange(exchange, reactor)
        self.thread = 0


class PoolExecutor:
    """Runs a blocking handler in at most ``threads`` threads."""

    def __init__(self, handler: BlockingHandler, reactor: Reactor, threads: int) -> None:
        self._handler = handler
        self._reactor = reactor
        self._limit = threads
        self._queue: SimpleQueue[_Call | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._calls: dict[Exchange, _Call] = {}
        self._context = contextvars.copy_context()

    @property
    def running(self) -> int:
        return len(self._calls)

    def startup(self) -> None:
        self._handler.startup()
        self._context = contextvars.copy_context()

    def start(self, exchange: Exchange) -> None:
        call = self._calls[exchange] = _Call(exchange, self._reactor)
        if len(self._threads) < self._limit and len(self._calls) > len(self._threads):
            self._add_thread()
        self._queue.put(call)

    def _add_thread(self) -> None:
        thread = start_thread(self._work, len(self._threads))
        if thread is not None:
            self._threads.append(thread)

    def expire(self, exchange: Exchange) -> None:
        call = self._calls.get(exchange)
        if call is None:
            return
        call.shared.detach()
        end_overdue(exchange, stack_of(call.thread))

    def shutdown(self) -> None:
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(SHUTDOWN_SECONDS)
        self._handler.shutdown()

    def _work(self) -> None:
        ident = threading.get_ident()
        while (call := self._queue.get()) is not None:
            call.thread = ident
            self._run(call)
            # What has ended is not to live on for as long as there is nothing to do.
            del call

    def _run(self, call: _Call) -> None:
        try:
            # Neither for a client that has left while its request waited, nor for one that has had its 504.
            if call.shared.retract():
                self._context.copy().run(self._handler, call.shared, self.wait)
        except BaseException as error:
            end_failed(call.shared, error)
        finally:
            # Without the lock: one step of a dictionary, and `expire` knows calls that have just ended.
            del self._calls[call.exchange]

    def wait(self, exchange: Exchange, want: Want) -> None:
        """Block the calling thread until ``want`` may hold."""
        event = threading.Event()
        if not exchange.watch(want, event.set):
            event.wait()


def start_thread(work: Callable[[], None], number: int) -> threading.Thread | None:
    """The thread of this number, or None when the system has no more: calls wait for another one, or the next try."""
    thread = threading.Thread(target=work, name=f"asteri-{number}", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        log.error("running on with %d threads: %s", number, error)
        return None
    return thread


def stack_of(thread: int) -> str:
    """Where the thread of this identifier is, for the log; 0 is none yet."""
    frame = sys._current_frames().get(thread)
    return "".join(traceback.format_stack(frame)) if frame is not None else "it waits for a free thread"
