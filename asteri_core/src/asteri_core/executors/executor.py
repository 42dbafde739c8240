"""The contract of an executor, and what all executors do when a request runs over its time."""

from __future__ import annotations

import logging
import traceback
from typing import Protocol

from ..errors import Disconnected, LocalProtocolError
from ..sansio.connection import Exchange

log = logging.getLogger("asteri.error")

TIMED_OUT = b"the application did not answer in time\n"


class Executor(Protocol):
    """Runs one handler for the exchanges of one worker.

    All methods are called in the reactor's thread; `start` and `expire` with the reactor's lock held.
    """

    @property
    def running(self) -> int:
        """Calls that have been started and have not returned."""

    def startup(self) -> None:
        """Run the handler's startup to its end. Raises `WorkerBootError` when the application refuses."""

    def start(self, exchange: Exchange) -> None:
        """Run the application for ``exchange``, now or soon. Never blocks and never raises."""

    def expire(self, exchange: Exchange) -> None:
        """The exchange has run over the request time-out: log where it is, answer, and end it if possible."""

    def shutdown(self) -> None:
        """End what still runs and run the handler's shutdown to its end."""


def answer_timeout(exchange: Exchange) -> None:
    """Answer 504 (RFC 9110 section 15.6.5) if no head has been sent yet, else cut the response."""
    try:
        if exchange.retract():
            exchange.respond(504, [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(TIMED_OUT))])
            exchange.send(TIMED_OUT, True)
        else:
            exchange.abort()
    except (Disconnected, LocalProtocolError):
        exchange.abort()


def end_overdue(exchange: Exchange, stack: str | None = None) -> None:
    """Log a request that runs over its time and answer it. Without a ``stack`` the calling thread is where it is."""
    log_overdue(exchange, "".join(traceback.format_stack()) if stack is None else stack)
    answer_timeout(exchange)


def end_failed(exchange: Exchange, error: BaseException) -> None:
    """Log what a handler has raised, which is a defect, and cut the response."""
    log.error("the handler failed: %s", describe(exchange), exc_info=error)
    exchange.abort()


def log_overdue(exchange: Exchange, stack: str) -> None:
    """Log a request that runs over its time, with where it is as further lines of the record, as a traceback has."""
    message, arguments = "request time-out: %s", (describe(exchange),)
    log.handle(log.makeRecord(log.name, logging.ERROR, "", 0, message, arguments, None, sinfo=stack.rstrip("\n")))


def describe(exchange: Exchange) -> str:
    """An exchange in a log line: method and target, escaped."""
    return f"{exchange.method} {exchange.target.decode('latin-1')!a}"
