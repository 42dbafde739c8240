"""The bytes of responses (RFC 9112 sections 4, 6 and 7).

Fields were checked when the response was set; nothing is checked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from asteri_core.api import Header
from asteri_http.date import DateCache
from asteri_http.failure import plain_answer
from asteri_http.status import PHRASES, phrase

STATUS_LINES = {status: b"HTTP/1.1 %d %b\r\n" % (status, reason) for status, reason in PHRASES.items()}

LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def status_line(status: int, reason: bytes = b"") -> bytes:
    """The first line. Always HTTP/1.1, also to an HTTP/1.0 client (RFC 9110 section 6.2)."""
    return (not reason and STATUS_LINES.get(status)) or b"HTTP/1.1 %d %b\r\n" % (status, reason or phrase(status))


def field_lines(fields: Iterable[Header]) -> bytes:
    return b"".join([b"%b: %b\r\n" % (name, value) for name, value in fields])


def chunk_start(size: int) -> bytes:
    return b"%x\r\n" % size


def last_chunk(trailers: Sequence[Header]) -> bytes:
    return b"0\r\n%b\r\n" % field_lines(trailers) if trailers else LAST_CHUNK


class Signature:
    """The Date and Server lines: one object of bytes for both, made once a second."""

    __slots__ = ("_both", "_date", "_dates", "_server")

    def __init__(self, dates: DateCache | None, server: str) -> None:
        self._dates = dates
        self._server = b"server: %b\r\n" % server.encode() if server else b""
        self._date = b""
        self._both = self._server

    def lines(self, has_date: bool, has_server: bool) -> bytes:
        """The lines a response still lacks."""
        if self._dates is not None:
            date = self._dates.value()
            if date is not self._date:
                self._date = date
                self._both = b"date: %b\r\n%b" % (date, self._server)
        if not has_date and not has_server:
            return self._both
        if has_server:
            return b"" if has_date else self._both[: len(self._both) - len(self._server)]
        return self._server


def refusal(status: int, signature: bytes, silent: bool) -> bytes:
    """The whole answer to what is not accepted, after which the connection closes."""
    content = plain_answer(status)
    head = (b"%bcontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n%bconnection: close\r\n\r\n") % (
        status_line(status),
        len(content),
        signature,
    )
    return head if silent else head + content
