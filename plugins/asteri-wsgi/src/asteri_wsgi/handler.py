"""An application of PEP 3333, ready to be run for one exchange after the other.

    environ ─▶ application(environ, start_response) ─▶ Response.deliver(iterable) ─▶ iterable.close()

Whatever happens, the iterable's ``close`` is called once and the exchange is answered or aborted. An error
before the head is a 500; after it the response is cut, so that the client can tell. A client that has left is
no error. ``SystemExit`` and ``GeneratorExit`` are errors of the application like any other: one view must not
end a server. Any other exception that is no `Exception` belongs to whoever runs the handler (a request's
time-out, a greenlet's end); it goes on to it, and the exchange is left to it as it is.

A request for WebSocket is run as any other; once the application has accepted it, what it returns means nothing, and
nobody but this module can end it: the exchange is over.
"""

from __future__ import annotations

import logging
from io import BytesIO
from typing import Any

from asteri_core.api import ApplicationContext, Disconnected, RemoteProtocolError
from asteri_http.exchange import Exchange
from asteri_http.failure import answer_failure
from asteri_http.websocket import TOKEN, Codec

from .body import Wait
from .environ import Environs
from .response import Response
from .websocket import KEY, WebSocket

APPLICATION_ERRORS = (Exception, SystemExit, GeneratorExit)
"""What an application may raise without ending more than its request."""


class WSGIHandler:
    """The `BlockingHandler` of one application. Safe for any number of threads; it keeps nothing of a request."""

    def __init__(self, application: Any, root_path: str, context: ApplicationContext) -> None:
        self._application = application
        self._environs = Environs(root_path, context)
        self._log: logging.Logger = context.log
        self._codec: Codec | None = context.codecs.get(TOKEN)

    def startup(self) -> None:
        """PEP 3333 has no start of an application."""

    def shutdown(self) -> None:
        """PEP 3333 has no end of an application."""

    def __call__(self, exchange: Exchange, wait: Wait) -> None:
        response = Response(exchange, wait)
        websocket: WebSocket | None = None
        blocks: Any = None
        try:
            environ = self._environs.make(exchange, wait)
            environ["wsgi.early_hints"] = response.early_hints
            if exchange.protocol == TOKEN and self._codec is not None:
                environ[KEY] = websocket = WebSocket(self._codec, exchange, wait)
            blocks = self._application(environ, response.start)
            if websocket is not None and websocket.is_open:
                websocket.close()
            elif websocket is None or not websocket.is_refused:
                response.deliver(blocks)
        except APPLICATION_ERRORS as error:
            if websocket is not None and websocket.is_open:
                websocket.fail(self._log, describe(exchange), error)
            else:
                answer_error(error, exchange, self._log)
        except BaseException:
            if websocket is not None:
                websocket.abort()
            raise
        finally:
            close = getattr(blocks, "close", None)
            if close is not None:
                close_response(close, exchange, self._log)
            body: Any = exchange.body
            if body is not None and type(body) is not BytesIO:
                # A temporary file: its space is given back now, and not whenever the last reference to it goes.
                body.close()


def answer_error(error: BaseException, exchange: Exchange, log: logging.Logger) -> None:
    """Log one of `APPLICATION_ERRORS`, and answer the exchange or abort it."""
    if isinstance(error, Disconnected):
        log.debug("the client left: %s", describe(exchange))
        exchange.abort()
    elif isinstance(error, RemoteProtocolError):
        # The request's body broke a rule or a limit while the application was reading it.
        log.info("bad request body: %s: %s", describe(exchange), error)
        answer_failure(exchange, error.status)
    else:
        log.error("error in the application: %s", describe(exchange), exc_info=error)
        answer_failure(exchange)


def close_response(close: Any, exchange: Exchange, log: logging.Logger) -> None:
    """Call ``close`` of what the application has returned."""
    try:
        close()
    except APPLICATION_ERRORS as error:
        log.error("error in close() of the response: %s", describe(exchange), exc_info=error)


def describe(exchange: Exchange) -> str:
    """An exchange in a log line: method and target, escaped."""
    return f"{exchange.method} {exchange.target.decode('latin-1')!a}"
