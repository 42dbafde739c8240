"""One HTTP/1.1 request and its response: how the response is framed, and whether the connection goes on after it.

The framing of content (RFC 9112 section 6) is decided when the head is sent, in this order:

    HEAD, 204, 205, 304         none; what the application sends is dropped
    Content-Length given        as given, and kept to
    sent whole at once          Content-Length is added
    HTTP/1.1                    chunked
    HTTP/1.0                    ends with the connection

The connection is told to close when the client or the application asks for it, when the content ends with
it, when the server drains, or when a part of the request's body has not come in by the time the response is
complete: to read on only to throw away is not worth a connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from asteri_core.api import AnyConnection, FileSlice, Header, LocalProtocolError, Peer, RemoteProtocolError, Sendable
from asteri_http.exchange import Exchange, Incoming, Phase
from asteri_http.failure import plain_answer
from asteri_http.fields import Role, response_role

from .parser import RequestHead
from .writer import CONTINUE, LAST_CHUNK, chunk_start, field_lines, last_chunk, refusal, status_line

if TYPE_CHECKING:
    from .connection import Http1Connection

SMALL = 16384
"""Content up to this size is copied behind its head or chunk size, so that one call sends both."""

_DECIDED, _WAITING = Phase.DECIDED, Phase.WAITING
_DATE, _SERVER = Role.DATE, Role.SERVER
_ALL, _ARRIVING, _EXPECTED = Incoming.COMPLETE, Incoming.ARRIVING, Incoming.EXPECTED


class Http1Exchange(Exchange):
    """See `asteri_core.api.Exchange` for the contract."""

    __slots__ = ("_chunked", "_connection", "_request", "keeps")

    keeps: bool
    """Whether the connection can go on after this exchange, as far as the response says."""

    def __init__(self, connection: Http1Connection, head: RequestHead, waits: bool, peer: Peer) -> None:
        """``waits`` says that the client waits for 100 (Continue): nothing of the body has come yet."""
        self._connection = connection
        self._request = head
        self.method = head.method
        self.target = head.target
        self.version = head.version
        self.headers = head.headers.copy()
        self.authority = head.authority
        self.raw_path = head.raw_path
        self.query = head.query
        self.content_length = head.content_length
        self._chunked = False
        self.keeps = head.persistent
        self._begin(peer, head.chunked or bool(head.content_length), waits)
        self.protocol = head.upgrade.lower()

    @property
    def is_last(self) -> bool:
        """Whether the client has said that it sends no request after this one (RFC 9112 section 9.6)."""
        return not self._request.persistent

    # -- sending ---------------------------------------------------------------------------------------------

    def _transmit(self, data: Sendable, end: bool, trailers: Sequence[Header]) -> bool:
        connection = self._connection
        size = data.length if isinstance(data, FileSlice) else len(data)
        head = b""
        if self._phase is _DECIDED:
            head = self._make_head(size, end, bool(trailers))
        if self._chunked:
            head += chunk_start(size) if size else b""
        if size <= SMALL and type(data) is bytes:
            piece = head + data if head else data
            if self._chunked:
                if size:
                    piece += b"\r\n"
                if end:
                    piece += last_chunk(trailers) if self._request.takes_trailers else LAST_CHUNK
            if piece:
                connection.put(piece, len(piece))
        else:
            self._put_large(head, data, size, end)
        if end:
            connection.response_complete()
        connection.wake()
        return connection.below_mark

    def _put_large(self, head: bytes, data: Sendable, size: int, end: bool) -> None:
        connection = self._connection
        if head:
            connection.put(head, len(head))
        if size:
            connection.put(data, size)
        tail = b""
        if self._chunked:
            tail = b"\r\n" if size else b""
            tail += LAST_CHUNK if end else b""
        if tail:
            connection.put(tail, len(tail))

    def _make_head(self, size: int, end: bool, with_trailers: bool) -> bytes:
        request = self._request
        length = self._length
        keeps = (
            self.keeps
            and not self._closes
            and (self._incoming is _ALL or not (end or self._incoming is not _ARRIVING))
            and self._connection.goes_on()
        )
        if length is None and not self._silent:
            if end and not (with_trailers and request.takes_trailers):
                length = size
            elif request.version == "1.1":
                self._chunked = True
            else:
                keeps = False
        if self._chunked:
            framing = b"transfer-encoding: chunked\r\n"
        elif length is not None:
            framing = b"content-length: %d\r\n" % length
        else:
            framing = b""
        if not keeps:
            framing += b"connection: close\r\n"
        elif request.version == "1.0":
            framing += b"connection: keep-alive\r\n"
        self.keeps = keeps
        if self._incoming is _EXPECTED:
            # After a final head no 100 follows; the client may send the body all the same (RFC 9110
            # section 10.1.1).
            self._incoming = _ARRIVING
            self._connection.body_due()
        added = self._added
        return b"%b%b%b%b\r\n" % (
            status_line(self.status, self._reason),
            field_lines(self._fields),
            self._connection.signature(bool(added & _DATE), bool(added & _SERVER)),
            framing,
        )

    def _inform(self, status: int, fields: Sequence[Header]) -> None:
        if self.version == "1.0":
            return
        if status == 100 and self._incoming is Incoming.EXPECTED:
            self._incoming = Incoming.ARRIVING
            self._connection.body_due()
        data = b"%b%b\r\n" % (status_line(status), field_lines(fields))
        self._connection.put(data, len(data))
        self._connection.wake()

    def upgrade(self, connection: AnyConnection, headers: Sequence[Header] = ()) -> AnyConnection:
        if self._phase is not _WAITING:
            raise self._refusal("upgrade")
        if not self._request.upgrade:
            raise LocalProtocolError("the client has not asked for an upgrade")
        if self._incoming is not _ALL:
            raise LocalProtocolError("cannot upgrade before the request's body has been received")
        fields = [(name, value) for name, value in headers if response_role(name, value) is Role.PLAIN]
        if self._phase is not _WAITING:  # what ``headers`` runs has responded
            raise self._refusal("upgrade")
        if not any(name.lower() == b"upgrade" for name, _ in fields):
            fields.append((b"upgrade", self._request.upgrade))
        self.status = 101
        self.response_headers = headers
        self._phase = Phase.COMPLETE
        data = b"%b%bconnection: upgrade\r\n%b\r\n" % (
            status_line(101),
            field_lines(fields),
            self._connection.signature(False, False),
        )
        self._connection.put(data, len(data))
        self._connection.response_complete(connection)
        self._connection.wake()
        return connection

    def refuse(self, error: RemoteProtocolError) -> bool:
        """The body is not acceptable. Answers if no response has been set; False if the response goes on."""
        if self._phase is not _WAITING:
            return False
        self._phase = Phase.CUT
        self.keeps = False
        self.status = error.status
        silent = self.method == "HEAD"
        self.sent = 0 if silent else len(plain_answer(error.status))
        data = refusal(error.status, self._connection.signature(False, False), silent)
        self._connection.put(data, len(data))
        self._connection.response_complete()
        return True

    def _cut(self) -> None:
        self.keeps = False
        # Content that ends with the connection looks whole wherever it ends (RFC 9112 section 8).
        unmarked = bool(self.sent) and self._length is None and not self._chunked and not self._silent
        self._connection.response_cut(unmarked)
        self._connection.wake()

    def _writable(self) -> bool:
        return self._connection.below_mark

    # -- receiving -------------------------------------------------------------------------------------------

    def proceed(self) -> None:
        """The client has begun to send the body it had announced."""
        if self._incoming is Incoming.EXPECTED:
            self._incoming = Incoming.ARRIVING

    @property
    def arriving(self) -> bool:
        """Whether more of the body can come in."""
        return self._incoming is _ARRIVING or self._incoming is _EXPECTED

    @property
    def received(self) -> bool:
        """Whether the whole body has come in."""
        return self._incoming is _ALL

    def _taken(self) -> None:
        self._connection.body_taken(self)

    def _awaited(self) -> None:
        if self._incoming is Incoming.EXPECTED and not self.head_sent:
            self._incoming = Incoming.ARRIVING
            self._connection.put(CONTINUE, len(CONTINUE))
            self._connection.body_due()
            self._connection.wake()
