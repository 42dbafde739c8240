"""Collects a request's body before a blocking application runs, so that a slow upload never holds a worker.

Up to a limit the body stays in memory, beyond it goes to a temporary file without a name. A request that expects 100
(Continue) is handed on at once with ``body`` None: asking for the body is the application's decision (RFC 9110
section 10.1.1), and it then reads from the exchange itself. What is wrong with a body is answered by its protocol;
the application never sees such a request. A body for which there is no room (no descriptor, no space on the disk) is
answered 503: that is one client's bad luck, and must not be the worker's end.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable
from io import BytesIO
from typing import IO, Any

from .empty_body import EMPTY_BODY
from .errors import Disconnected, RemoteProtocolError
from .sansio.connection import Exchange, Want

log = logging.getLogger("asteri.error")

NO_ROOM = b"the server cannot store the request now\n"


class Collector:
    """Calls ``then(exchange)`` once ``exchange.body`` is whole.

    ``limit`` is in bytes. ``post`` has a callback run soon by the driver of the connection, outside of the
    connection's own calls.
    """

    def __init__(
        self, limit: int, post: Callable[[Callable[[], None]], None], then: Callable[[Exchange], None]
    ) -> None:
        self._limit = limit
        self._post = post
        self._then = then

    def collect(self, exchange: Exchange) -> None:
        """Begin with an exchange that has just been started."""
        if exchange.expects_continue or exchange.method == "CONNECT":  # which has no body (RFC 9110 section 9.3.6)
            self._then(exchange)
            return
        exchange.body = EMPTY_BODY  # until a piece comes
        self._go_on(exchange)

    def _go_on(self, exchange: Exchange) -> None:
        body: Any = exchange.body
        try:
            while piece := exchange.read():
                if body is EMPTY_BODY:
                    body = exchange.body = BytesIO()
                if type(body) is BytesIO and body.tell() + len(piece) > self._limit:
                    body = exchange.body = _spill(body)
                body.write(piece)
            if piece is not None:
                body.seek(0)
        except (Disconnected, RemoteProtocolError):
            body.close()
            return
        except OSError as error:
            log.error("a request's body cannot be stored: %s", error)
            _refuse(exchange)
            return
        if piece is None:
            if not exchange.watch(Want.READ, lambda: self._post(lambda: self._go_on(exchange))):
                return
            self._post(lambda: self._go_on(exchange))
            return
        self._then(exchange)


def _spill(memory: BytesIO) -> IO[bytes]:
    file = tempfile.TemporaryFile(prefix="asteri-body-")  # noqa: SIM115  closed with the exchange
    file.write(memory.getvalue())
    return file


def _refuse(exchange: Exchange) -> None:
    body, exchange.body = exchange.body, None
    with contextlib.suppress(OSError):
        body.close()  # which tries to write what it has kept back
    try:
        exchange.respond(503, [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(NO_ROOM))])
        exchange.send(NO_ROOM, True)
    except Disconnected:
        exchange.abort()
