"""Blocking handlers one at a time in the reactor's own thread: the ``sync`` model.

`start` only puts the exchange in line. The worker model calls `run_next` between two turns of the reactor; while the
application waits for its peer, the reactor goes on turning here, so the bytes of all others move and what they ask is
put in line.
"""

from __future__ import annotations

import contextvars
import logging
import signal
import threading
import traceback
from collections import deque
from typing import Any

from ..errors import ConfigurationError
from ..reactor import Reactor
from ..sansio.connection import Exchange, Want
from ..specs import BlockingHandler
from .executor import answer_timeout, describe, log_overdue

log = logging.getLogger("asteri.error")


class RequestTimeout(BaseException):
    """Raised in the application when its request runs over the request time-out."""


class InlineExecutor:
    """Runs a blocking handler in the calling thread.

    With a ``request_timeout`` (seconds) the process's interval timer interrupts the application, which only the main
    thread can receive. Raises `ConfigurationError` for that in another thread.
    """

    def __init__(self, handler: BlockingHandler, reactor: Reactor, request_timeout: float | None = None) -> None:
        if request_timeout and threading.current_thread() is not threading.main_thread():
            raise ConfigurationError("request_timeout of a sync worker needs the main thread; use gthread or asgi")
        self._handler = handler
        self._reactor = reactor
        self._request_timeout = request_timeout
        self._line: deque[Exchange] = deque()
        self._current: Exchange | None = None
        self._armed = False
        self._context = contextvars.copy_context()

    @property
    def running(self) -> int:
        return len(self._line) + (self._current is not None)

    @property
    def waiting(self) -> bool:
        """Whether `run_next` has something to run."""
        return bool(self._line)

    def startup(self) -> None:
        if self._request_timeout:
            signal.signal(signal.SIGALRM, self._interrupt)
        self._handler.startup()
        self._context = contextvars.copy_context()

    def start(self, exchange: Exchange) -> None:
        self._line.append(exchange)

    def expire(self, exchange: Exchange) -> None:
        """Called in a turn of the reactor, so the exchange is in line, or waits for its peer.

        What is neither is not ours yet, or has been answered and its peer is slow to take it.
        """
        if exchange in self._line:
            self._line.remove(exchange)
            log_overdue(exchange, "it waits for its turn")
        elif exchange is self._current:
            # We have been called from its own `wait`: this is its stack.
            log_overdue(exchange, "".join(traceback.format_stack()))
        else:
            return
        answer_timeout(exchange)

    def shutdown(self) -> None:
        self._handler.shutdown()
        if self._request_timeout:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def run_next(self) -> None:
        """Run the application for the first exchange in line."""
        exchange = self._current = self._line.popleft()
        try:
            if self._request_timeout:
                self._run_timed(exchange, self._request_timeout)
            else:
                self._context.copy().run(self._handler, exchange, self.wait)
        except BaseException:
            log.exception("the handler failed: %s", describe(exchange))
            exchange.abort()
        finally:
            self._current = None

    def _run_timed(self, exchange: Exchange, seconds: float) -> None:
        try:
            self._armed = True
            signal.setitimer(signal.ITIMER_REAL, seconds)
            try:
                self._context.copy().run(self._handler, exchange, self.wait)
            finally:
                self._armed = False
                signal.setitimer(signal.ITIMER_REAL, 0)
        except RequestTimeout:
            log.exception("request time-out: %s", describe(exchange))
            answer_timeout(exchange)

    def _interrupt(self, number: int, frame: Any) -> None:
        if self._armed:
            self._armed = False
            raise RequestTimeout

    def wait(self, exchange: Exchange, want: Want) -> None:
        """Send what the application has given so far, and turn the reactor until ``want`` may hold."""
        self._reactor.flush()
        woken = False

        def wake() -> None:
            nonlocal woken
            woken = True

        woken = exchange.watch(want, wake)
        while not woken:
            self._reactor.poll()
