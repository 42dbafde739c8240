"""One stream: a request and its response. What all HTTP exchanges do alike is in `asteri_http.exchange`.

What is sent stands in a queue (`outgoing`) until the connection has a window and a turn for it; the head leaves at
once, since header blocks are compressed in the order in which they are sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from asteri_core.api import (
    AnyConnection,
    FileSlice,
    Header,
    LocalProtocolError,
    Peer,
    RemoteProtocolError,
    Sendable,
)
from asteri_http.exchange import Exchange, Incoming, Phase
from asteri_http.failure import answer_refusal
from asteri_http.fields import Role, response_role

from .outgoing import Outgoing
from .priority import read_priority
from .request import RequestHead

if TYPE_CHECKING:
    from .streams import Streams

_DECIDED, _WAITING = Phase.DECIDED, Phase.WAITING
_OF_HTTP1 = frozenset({b"connection", b"upgrade"})
"""Fields that no response of HTTP/2 may have (RFC 9113 section 8.2.2), besides those that no protocol sends."""


class Http2Exchange(Exchange):
    """See `asteri_core.api.Exchange` for the contract."""

    __slots__ = (
        "_connection",
        "_takes_trailers",
        "left",
        "outgoing",
        "stream",
        "taken_in",
        "unacknowledged",
    )

    def __init__(self, connection: Streams, stream: int, head: RequestHead, ended: bool, peer: Peer) -> None:
        self._connection = connection
        self.stream = stream
        self.method = head.method
        self.target = head.target
        self.version = "2"
        self.headers = head.headers
        self.authority = head.authority
        self.raw_path = head.raw_path
        self.query = head.query
        self.content_length = None if ended else head.content_length
        self._takes_trailers = head.takes_trailers
        self.outgoing = Outgoing(stream, read_priority(head.priority))
        self.outgoing.resume = self.resume
        self.outgoing.sent = self._was_sent
        self.left = head.content_length
        """Bytes of the body that are still to come, where its length is declared."""
        self.taken_in = 0
        """Bytes of the body that have come."""
        self.unacknowledged = 0
        """Of those, how many the client has no window for yet, since nobody has read them."""
        self._begin(peer, not ended and not head.protocol, head.expects_continue)
        self.protocol = head.protocol
        if head.protocol and not ended:
            # What comes is no body, but it is kept for the protocol that may take over (RFC 8441 section 5).
            self._incoming = Incoming.ARRIVING

    # -- sending -----------------------------------------------------------------------------------------------------

    def _transmit(self, data: Sendable, end: bool, trailers: Sequence[Header]) -> bool:
        connection, outgoing = self._connection, self.outgoing
        size = data.length if isinstance(data, FileSlice) else len(data)
        if not self._takes_trailers:
            trailers = ()
        if self._phase is _DECIDED:
            ends = end and not size and not trailers
            self._send_head(size if end and not trailers else None, ends)
            if ends:
                return True
        if size:
            outgoing.put(data, size)
        if end:
            outgoing.ends = True
            outgoing.trailers = [(name.lower(), value) for name, value in trailers]
        connection.has_something(outgoing)
        return outgoing.below_mark

    def _send_head(self, size: int | None, ends: bool) -> None:
        """``size`` is that of the content, where all of it is known."""
        length = self._length
        if length is None and not self._silent:
            length = size
        if self.protocol and self.status < 300:
            # To the client it would be the word that its protocol is spoken from here on (RFC 8441 section 5).
            self.status = 501
        added = self._added
        fields = [(b":status", b"%d" % self.status)]
        fields += _lowered(self._fields)
        if length is not None:
            fields.append((b"content-length", b"%d" % length))
        fields += self._connection.signature(bool(added & Role.DATE), bool(added & Role.SERVER))
        self._connection.send_head(self, fields, ends)

    def _was_sent(self) -> None:
        self._connection.complete(self)

    def _inform(self, status: int, fields: Sequence[Header]) -> None:
        if status == 100 and self._incoming is Incoming.EXPECTED:
            self._incoming = Incoming.ARRIVING
            self._connection.body_due(self)
        self._connection.send_interim(self, status, _lowered(fields))

    def _cut(self) -> None:
        self.outgoing.clear()
        self._connection.cut(self)

    def refuse(self, error: RemoteProtocolError) -> None:
        """The body is not acceptable: answered where no response has been set, else the response is cut."""
        answer_refusal(self, error.status)

    def _writable(self) -> bool:
        return self.outgoing.below_mark

    # -- receiving ---------------------------------------------------------------------------------------------------

    def proceed(self) -> None:
        """The client has begun to send the body it had announced."""
        if self._incoming is Incoming.EXPECTED:
            self._incoming = Incoming.ARRIVING
            self.expects_continue = False
            self._connection.body_due(self)

    @property
    def arriving(self) -> bool:
        """Whether more of the body can come in."""
        return self._incoming is Incoming.ARRIVING or self._incoming is Incoming.EXPECTED

    @property
    def broken(self) -> bool:
        """Whether its body was not acceptable."""
        return self._incoming is Incoming.BROKEN

    @property
    def received(self) -> bool:
        """Whether the whole body has come in."""
        return self._incoming is Incoming.COMPLETE

    def _taken(self) -> None:
        self._connection.body_taken(self)

    def _awaited(self) -> None:
        if self._incoming is Incoming.EXPECTED and not self.head_sent:
            self._incoming = Incoming.ARRIVING
            self._connection.send_interim(self, 100, [])
            self._connection.body_due(self)

    def upgrade(self, connection: AnyConnection, headers: Sequence[Header] = ()) -> AnyConnection:
        if self._phase is not _WAITING:
            raise self._refusal("upgrade")
        if not self.protocol:
            raise LocalProtocolError("the client has not asked for another protocol (RFC 8441)")
        fields = _lowered([field for field in headers if response_role(*field) is Role.PLAIN])
        if self._phase is not _WAITING:  # what ``headers`` runs has responded
            raise self._refusal("upgrade")
        self.status = 200
        self.response_headers = headers
        self._phase = Phase.COMPLETE
        self._connection.send_head(
            self, [(b":status", b"200"), *fields, *self._connection.signature(False, False)], False
        )
        self._connection.begin_tunnel(self, connection)
        return connection

    def early(self) -> bytes:
        """What of the stream has come before it became another protocol's."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        self.buffered = 0
        return data


def _lowered(fields: Sequence[Header]) -> list[Header]:
    """The fields as HTTP/2 has them: names in lower case, and none that speaks of a connection of HTTP/1.1."""
    return [(lower, value) for name, value in fields if (lower := name.lower()) not in _OF_HTTP1]
