"""One request and its response, as a proxy that speaks uwsgi reads it: a head like that of HTTP/1.1, then content.

The response ends with the connection; content is never chunked. Where its length is known it is declared, so that the
proxy can tell a cut. Date and Server are the proxy's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from asteri_core.api import FileSlice, Header, RemoteProtocolError, Sendable
from asteri_http.exchange import Exchange, Incoming, Phase
from asteri_http.failure import answer_refusal
from asteri_http.status import phrase

from .request import RequestHead

if TYPE_CHECKING:
    from .connection import UwsgiConnection

_DECIDED, _WAITING = Phase.DECIDED, Phase.WAITING


class UwsgiExchange(Exchange):
    """See `asteri_core.api.Exchange` for the contract."""

    __slots__ = ("_connection",)

    def __init__(self, connection: UwsgiConnection, head: RequestHead) -> None:
        self._connection = connection
        self.method = head.method
        self.target = head.target
        self.version = head.version
        self.headers = head.headers
        self.authority = head.authority
        self.raw_path = head.raw_path
        self.query = head.query
        self.content_length = head.content_length or None
        self._begin(head.peer, bool(head.content_length), False)

    def _transmit(self, data: Sendable, end: bool, trailers: Sequence[Header]) -> bool:
        connection = self._connection
        size = data.length if isinstance(data, FileSlice) else len(data)
        if self._phase is _DECIDED:
            length = self._length
            if length is None and end and not self._silent:
                length = size
            head = write_head(self.status, self._reason, self._fields, length)
            connection.put(head, len(head))
        if size:
            connection.put(data, size)
        if end:
            connection.response_complete()
        connection.wake()
        return connection.below_mark

    def _inform(self, status: int, fields: Sequence[Header]) -> None:
        """A proxy that speaks uwsgi takes no interim responses."""

    def _cut(self) -> None:
        self._connection.response_cut(bool(self.sent) and self._length is None and not self._silent)
        self._connection.wake()

    def refuse(self, error: RemoteProtocolError) -> None:
        """The body is not acceptable: answered where no response has been set, else the response is cut."""
        answer_refusal(self, error.status)

    def _writable(self) -> bool:
        return self._connection.below_mark

    @property
    def arriving(self) -> bool:
        """Whether more of the body can come in."""
        return self._incoming is Incoming.ARRIVING

    def _taken(self) -> None:
        self._connection.body_taken()

    def _awaited(self) -> None:
        """The proxy sends the body without being asked."""


def write_head(status: int, reason: bytes, fields: Sequence[Header], length: int | None) -> bytes:
    lines = [b"HTTP/1.1 %d %b" % (status, reason or phrase(status))]
    lines += [b"%b: %b" % field for field in fields]
    if length is not None:
        lines.append(b"content-length: %d" % length)
    return b"\r\n".join([*lines, b"", b""])
