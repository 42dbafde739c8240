"""``wsgi.input`` when the request body has not been collected before the application runs.

That is the case for ``Expect: 100-continue``: the client sends the body only once it is asked to, and it is
asked by the first read. A collected body needs nothing from here: the application gets the kernel's file
itself. End of the body is end of file, whatever length was declared (``wsgi.input_terminated``).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from asteri_core.api import Exchange, Want
from asteri_http.websocket import Conversation

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Wait = Callable[[Exchange | Conversation, Want], None]
"""Blocks the calling application until the exchange's operation may be tried again."""

BUFFER = 16 * 1024
"""Read-ahead for `readline`; a read larger than this goes to the exchange directly."""


def lazy_body(exchange: Exchange, wait: Wait) -> io.BufferedReader:
    """A readable binary file over the rest of the request body. Reading raises `Disconnected` when the body is cut."""
    return io.BufferedReader(_RawBody(exchange, wait), BUFFER)


class _RawBody(io.RawIOBase):
    """The exchange's pieces as the raw file that `io.BufferedReader` wants."""

    def __init__(self, exchange: Exchange, wait: Wait) -> None:
        self._exchange = exchange
        self._wait = wait
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        piece = self._piece or memoryview(self._next())
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(piece))
        target[:count] = piece[:count]
        self._piece = piece[count:]
        return count

    def _next(self) -> bytes:
        while True:
            piece = self._exchange.read()
            if piece is not None:
                return piece
            self._wait(self._exchange, Want.READ)
