"""What an application's end means for its exchange, and for the log. Both twins judge by this.

    the application ends …           before the head is out     in the body        after a complete response
    … by returning                   500, logged                cut, logged        nothing
    … by raising                     500, logged                cut, logged        logged
    … because the client has left    cut                        cut                nothing
    … by being cancelled             cut, passed on             cut, passed on     passed on

"Because the client has left" is an error that comes from the `Disconnected` of a ``send``, or a return after
``http.disconnect``: that is no failure, and is a debug line only. The last row is the handlers' own.
"""

from __future__ import annotations

import logging

from asteri_core.api import Disconnected, RemoteProtocolError
from asteri_http.exchange import Exchange
from asteri_http.failure import answer_failure


def raised(exchange: Exchange, log: logging.Logger, complete: bool, error: BaseException) -> None:
    """The application has raised ``error``; ``complete`` says whether its response was complete by then."""
    if complete:
        log.error("the application failed after its response: %s", describe(exchange), exc_info=error)
    elif is_disconnect(error):
        left(exchange, log)
    else:
        log.error("the application failed: %s", describe(exchange), exc_info=error)
        answer_failure(exchange)


def returned(exchange: Exchange, log: logging.Logger, phase: str, gone: bool) -> None:
    """The application has returned without a complete response, in a phase of this name.

    ``gone`` says whether it knows that the client has left.
    """
    if gone:
        left(exchange, log)
    else:
        log.error("the application returned without a complete response, %s: %s", phase, describe(exchange))
        answer_failure(exchange)


def left(exchange: Exchange, log: logging.Logger) -> None:
    """The client has left, and the application has ended because of that."""
    log.debug("the client left before the response was complete: %s", describe(exchange))
    exchange.abort()


def body_broken(exchange: Exchange, log: logging.Logger, error: RemoteProtocolError) -> None:
    """The request's body breaks the protocol or a limit, and the application is only told of a disconnect.

    Answered here and not by the application, which would say 500.
    """
    log.info("%s: %s", describe(exchange), error)
    answer_failure(exchange, error.status)


def describe(exchange: Exchange) -> str:
    """An exchange in a log line, which its target cannot break."""
    return f"{exchange.method} {exchange.target.decode('latin-1')!a}"


def is_disconnect(error: BaseException | None) -> bool:
    """Whether an error comes from a `Disconnected`, which frameworks wrap, chain and group."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, Disconnected):
            return True
        if isinstance(error, BaseExceptionGroup):
            return all(is_disconnect(part) for part in error.exceptions)
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False
