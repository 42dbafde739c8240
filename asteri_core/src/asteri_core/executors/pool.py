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
from queue import SimpleQueue

from ..reactor import Reactor
from ..sansio.connection import Exchange, Want
from ..specs import BlockingHandler
from .executor import answer_timeout, describe, log_overdue
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
        thread = threading.Thread(target=self._work, name=f"asteri-{len(self._threads)}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            # The system has no more of them: the call waits for another thread, or for the next try.
            log.error("running on with %d threads: %s", len(self._threads), error)
        else:
            self._threads.append(thread)

    def expire(self, exchange: Exchange) -> None:
        call = self._calls.get(exchange)
        if call is None:
            return
        call.shared.detach()
        frame = sys._current_frames().get(call.thread)
        stack = "".join(traceback.format_stack(frame)) if frame is not None else "it waits for a free thread"
        log_overdue(exchange, stack)
        answer_timeout(exchange)

    def shutdown(self) -> None:
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(SHUTDOWN_SECONDS)
        self._handler.shutdown()

    def _work(self) -> None:
        ident = threading.get_ident()
        handler, wait, context = self._handler, self.wait, self._context
        while True:
            call = self._queue.get()
            if call is None:
                return
            call.thread = ident
            try:
                # Neither for a client that has left while its request waited, nor for one that has had its 504.
                if call.shared.retract():
                    context.copy().run(handler, call.shared, wait)
            except BaseException:
                log.exception("the handler failed: %s", describe(call.exchange))
                call.shared.abort()
            # Without the lock: one step of a dictionary, and `expire` knows calls that have just ended.
            del self._calls[call.exchange]

    def wait(self, exchange: Exchange, want: Want) -> None:
        """Block the calling thread until ``want`` may hold."""
        event = threading.Event()
        if not exchange.watch(want, event.set):
            event.wait()
