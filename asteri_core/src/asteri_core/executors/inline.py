"""Blocking handlers one at a time in the reactor's own thread: the ``sync`` model.

`start` only puts the exchange in line. The worker model calls `run_line` between two turns of the reactor; while the
application waits for its peer, the reactor goes on turning here, so the bytes of all others move and what they ask is
put in line.

The request time-out is an exception out of a signal handler, so it may come between any two steps. It may not come
inside of the server: half an operation would leave half an answer, or a peer that nobody looks at again. There it waits
until the server has done its part (`_Shield`).
"""

from __future__ import annotations

import contextvars
import logging
import signal
import threading
from collections import deque
from types import TracebackType
from typing import Any

from ..errors import ConfigurationError
from ..reactor import Reactor
from ..sansio.connection import Exchange, Want
from ..specs import BlockingHandler
from .executor import answer_timeout, describe, end_failed, end_overdue
from .shared import SharedExchange

log = logging.getLogger("asteri.error")

TURN = 0.005
"""Seconds after which the reactor gets a turn although more requests are in line, so that other peers' bytes move."""

STREAMING_TURN = 0.05
"""Seconds after which the reactor gets a turn although the peer takes all of a response at once: else the heart-beat
and the bytes of other peers would stand still for as long as an application streams."""


class RequestTimeout(BaseException):
    """Raised in the application when its request runs over the request time-out."""


class _Shield:
    """While it is held, the time-out waits; it is raised when it is let go."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._depth = 0
        self.late = False
        """Whether the time-out has come meanwhile."""

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self.late and not self._depth:
            self.late = False
            raise RequestTimeout

    def holds_back(self) -> bool:
        """Called by the time-out: whether it has to wait."""
        if self._depth:
            self.late = True
            self._reactor.wake()
        return self._depth > 0


class _TimedExchange(SharedExchange):
    """An exchange whose operations are not interrupted."""

    __slots__ = ("_shield",)

    def __init__(self, exchange: Exchange, reactor: Reactor, shield: _Shield) -> None:
        super().__init__(exchange, reactor)
        self._lock = shield
        self._shield = shield

    def _like(self, connection: Any) -> SharedExchange:
        return _TimedExchange(connection, self._reactor, self._shield)


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
        self._turned = 0.0
        self._shield = _Shield(reactor)
        self._context = contextvars.copy_context()

    @property
    def running(self) -> int:
        return len(self._line) + (self._current is not None)

    @property
    def waiting(self) -> bool:
        """Whether `run_line` has something to run."""
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
            end_overdue(exchange, "it waits for its turn")
        elif exchange is self._current:
            # We have been called from its own `wait`: this is its stack.
            end_overdue(exchange)

    def shutdown(self) -> None:
        self._handler.shutdown()
        if self._request_timeout:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def run_line(self) -> None:
        """Run what is in line, sending after each; return when none is left, or when a turn of the reactor is due."""
        clock, line = self._reactor.clock, self._line
        due = clock() + TURN
        while line:
            self._run(line.popleft())
            self._reactor.flush()
            if clock() >= due:
                break

    def _run(self, exchange: Exchange) -> None:
        """Run the application for an exchange, unless its client has left while it was in line."""
        if not exchange.retract():
            return
        self._current = exchange
        try:
            if self._request_timeout:
                self._run_timed(exchange, self._request_timeout)
            else:
                self._context.copy().run(self._handler, exchange, self.wait)
        except BaseException as error:
            end_failed(exchange, error)
        finally:
            self._current = None

    def _run_timed(self, exchange: Exchange, seconds: float) -> None:
        try:
            self._shield.late = False
            self._armed = True
            signal.setitimer(signal.ITIMER_REAL, seconds)
            try:
                timed = _TimedExchange(exchange, self._reactor, self._shield)
                self._context.copy().run(self._handler, timed, self.wait)
            finally:
                self._armed = False
                signal.setitimer(signal.ITIMER_REAL, 0)
        except RequestTimeout:
            log.exception("request time-out: %s", describe(exchange))
            answer_timeout(exchange)

    def _interrupt(self, number: int, frame: Any) -> None:
        if self._armed and not self._shield.holds_back():
            self._armed = False
            raise RequestTimeout

    def wait(self, exchange: Exchange, want: Want) -> None:
        """Send what the application has given so far, and turn the reactor until ``want`` may hold."""
        with self._shield:
            self._reactor.flush()
            woken = False

            def wake() -> None:
                nonlocal woken
                woken = True

            woken = exchange.watch(want, wake)
            if woken and (now := self._reactor.clock()) >= self._turned + STREAMING_TURN:
                self._turned = now
                self._reactor.poll(0)
            while not woken and not self._shield.late:
                self._reactor.poll()
