"""What every HTTP exchange does alike: the body's queue, the checks of a response, the watchers.

A protocol derives from `Exchange` and adds how a head, content and an end are written (`_transmit`), how an
interim response is (`_inform`), and what a cut means (`_cut`). It tells what comes from the peer by
`supply`, `complete` and `fail`, and by `close` that the exchange is over. The states of the response, and
what each operation makes of them:

    WAITING ──respond──▶ DECIDED ──send──▶ SENDING ──finish, send(end)──▶ COMPLETE
       ▲─────retract────────┘ └──────────finish, send(end)────────────────▲
    any of the first three ──abort, refusal or loss──▶ CUT        (a refusal's own answer is sent all the same)

Any other move is a `LocalProtocolError` that names state and operation; in CUT every operation raises
`Disconnected`. An exchange never blocks, reads no clock, and knows no interface.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from asteri_core.api import (
    AnyConnection,
    Disconnected,
    FileSlice,
    Header,
    LocalProtocolError,
    Peer,
    Sendable,
    Want,
)

from .fields import Role, check_reason, check_trailers, known_role, options, response_role
from .status import PHRASES, WITHOUT_CONTENT


class Phase(enum.Enum):
    """How far the response is."""

    WAITING = "no response yet"
    DECIDED = "head set, not sent"
    SENDING = "head sent"
    COMPLETE = "response complete"
    CUT = "cut"


class Incoming(enum.Enum):
    """How far the request's body is."""

    EXPECTED = "the client waits for 100 (Continue)"
    ARRIVING = "arriving"
    COMPLETE = "complete"
    BROKEN = "broken"


MOVES: dict[str, dict[Phase, Phase]] = {
    "respond": {Phase.WAITING: Phase.DECIDED},
    "retract": {Phase.DECIDED: Phase.WAITING},
    "inform": {Phase.WAITING: Phase.WAITING, Phase.DECIDED: Phase.DECIDED},
    "send": {Phase.DECIDED: Phase.SENDING, Phase.SENDING: Phase.SENDING},
    "finish": {Phase.DECIDED: Phase.COMPLETE, Phase.SENDING: Phase.COMPLETE},
    "upgrade": {Phase.WAITING: Phase.COMPLETE},
}
"""Which operation is allowed in which state, and the state it leads to."""

_ON_RESPOND, _ON_SEND, _ON_FINISH = MOVES["respond"], MOVES["send"], MOVES["finish"]
_WAITING, _DECIDED, _COMPLETE, _CUT = Phase.WAITING, Phase.DECIDED, Phase.COMPLETE, Phase.CUT
_ALL, _BROKEN = Incoming.COMPLETE, Incoming.BROKEN

_Watchers = dict[Want, list[Callable[[], None]]]


class Exchange(ABC):
    """One HTTP request and its response; see `asteri_core.api.Exchange` for the contract."""

    __slots__ = (
        "_added",
        "_closes",
        "_failure",
        "_fields",
        "_gone",
        "_incoming",
        "_length",
        "_phase",
        "_pieces",
        "_reason",
        "_remaining",
        "_silent",
        "_watchers",
        "authority",
        "body",
        "buffered",
        "content_length",
        "expects_continue",
        "has_body",
        "headers",
        "method",
        "peer",
        "protocol",
        "query",
        "raw_path",
        "response_headers",
        "scheme",
        "sent",
        "status",
        "target",
        "trailers",
        "version",
    )

    method: str
    target: bytes
    """The request target as received."""
    version: str
    """``"1.0"``, ``"1.1"``, ``"2"`` or ``"3"``."""
    scheme: str
    headers: list[Header]
    peer: Peer
    authority: bytes
    """Host, or the authority of the target; empty for an HTTP/1.0 request that names none."""
    raw_path: bytes
    """The path, percent-encoded, without the query; ``b"*"`` for ``OPTIONS *``."""
    query: bytes
    protocol: bytes
    """What the client asks to talk instead of HTTP, in lower case: a token of Upgrade, or ``:protocol``; else empty."""
    content_length: int | None
    """The declared length of the body; None when there is no body or its length is not known."""
    has_body: bool
    trailers: list[Header]
    """The request's trailer fields, filled when the body has ended."""
    expects_continue: bool
    body: object
    buffered: int
    """Bytes of the body that wait to be read."""
    status: int
    response_headers: Sequence[Header]
    sent: int

    def _begin(self, peer: Peer, has_body: bool, expects_continue: bool) -> None:
        """Set everything that is not a fact of the request. The protocol sets those."""
        self.peer = peer
        self.scheme = peer.scheme
        self.protocol = b""
        self.has_body = has_body
        self.expects_continue = expects_continue
        self.trailers = []
        self.body = None
        self.buffered = 0
        self.status = 0
        self.response_headers = ()
        self.sent = 0
        self._phase = _WAITING
        self._pieces: list[bytes] = []
        self._failure: Exception | None = None
        self._watchers: _Watchers | None = None
        self._gone = False
        self._silent = False
        if not has_body:
            self._incoming = _ALL
        else:
            self._incoming = Incoming.EXPECTED if expects_continue else Incoming.ARRIVING

    # -- what a protocol adds --------------------------------------------------------------------------------

    @abstractmethod
    def _transmit(self, data: Sendable, end: bool, trailers: Sequence[Header]) -> bool:
        """Write the head unless it is sent, the content (may be empty), the end. The phase moves after it."""

    @abstractmethod
    def _inform(self, status: int, fields: Sequence[Header]) -> None:
        """Write an interim response."""

    @abstractmethod
    def _cut(self) -> None:
        """The response was cut short by `abort`."""

    @abstractmethod
    def _writable(self) -> bool:
        """Whether the queue of unsent bytes is below its mark."""

    @abstractmethod
    def _taken(self) -> None:
        """Body pieces have been taken; `buffered` is what they were."""

    @abstractmethod
    def _awaited(self) -> None:
        """A read would block: the client may have to be told to go on."""

    # -- the request's body ----------------------------------------------------------------------------------

    def read(self) -> bytes | None:
        pieces = self._pieces
        if pieces:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            self._taken()
            self.buffered = 0
            return data
        if self._incoming is _ALL:
            return b""
        if self._failure is not None:
            raise self._failure
        if self._phase is _COMPLETE or self._phase is _CUT:
            # As `close` will have it: to wait for more would be to wait for nothing, without end.
            raise Disconnected("the exchange is over")
        self._awaited()
        return None

    def supply(self, data: bytes) -> None:
        """A piece of the body has come in."""
        self._pieces.append(data)
        self.buffered += len(data)
        if self._watchers is not None:
            self._fire(Want.READ)

    def complete(self) -> None:
        """The body has ended."""
        self._incoming = _ALL
        if self._watchers is not None:
            self._fire(Want.READ)

    def fail(self, error: Exception) -> None:
        """The rest of the body will not come, because of ``error``; the first one is kept."""
        if self._incoming is not _ALL and self._failure is None:
            self._incoming = _BROKEN
            self._failure = error
            self._pieces.clear()
            self.buffered = 0
            self._fire(Want.READ)

    def leave(self) -> None:
        """The peer has said that it sends no more."""
        self._gone = True
        self._fire(Want.GONE)

    def close(self) -> None:
        """The exchange is over; the response is cut unless it is complete."""
        if self._phase is not _COMPLETE:
            self._phase = _CUT
        if self._incoming is not _ALL:
            self.fail(Disconnected("the exchange is over"))
        watchers, self._watchers = self._watchers, None
        if watchers is not None:
            for callbacks in watchers.values():
                for callback in callbacks:
                    callback()

    # -- the response ----------------------------------------------------------------------------------------

    @property
    def is_waiting(self) -> bool:
        """Whether no response has been set."""
        return self._phase is _WAITING

    @property
    def head_sent(self) -> bool:
        """Whether the response can no longer be replaced by another one."""
        return self._phase is not _WAITING and self._phase is not _DECIDED

    def respond(self, status: int, headers: Sequence[Header], reason: bytes = b"") -> None:
        if self._phase is not _WAITING:
            raise self._refusal("respond")
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise LocalProtocolError(f"expected a final status from 200 to 599, found {status!r}")
        if reason == PHRASES.get(status):
            reason = b""  # the usual one needs no check, and has its status line ready
        elif reason:
            check_reason(reason)
        self._read_head(status, headers)
        self._reason = reason
        self.status = status
        self.response_headers = headers
        self._phase = _DECIDED

    def _read_head(self, status: int, headers: Sequence[Header]) -> None:
        """Check the fields, and sort out those that say something to the protocol."""
        fields: list[Header] = []
        length: int | None = None
        added = 0
        closes = False
        for name, value in headers:
            if name == b"content-length":
                length = _declared(value, length)
                continue
            try:
                role = known_role((name, value))
            except TypeError:
                role = None
            if role is None:
                role = response_role(name, value)
            if role:
                if role is Role.CONTENT_LENGTH:
                    length = _declared(value, length)
                    continue
                if role is Role.CONNECTION:
                    found = options(value)
                    closes = closes or b"close" in found
                    if b"upgrade" in found:
                        fields.append((b"connection", b"upgrade"))
                    continue
                if role is Role.TRANSFER_ENCODING:
                    _check_coding(value)
                    continue
                if role is Role.HOP:
                    continue
                added |= role
            fields.append((name, value))
        if self._phase is not _WAITING:  # what ``headers`` runs has responded
            raise self._refusal("respond")
        self._silent = self.method == "HEAD" or status in WITHOUT_CONTENT
        if status == 205:
            length = 0
        elif status == 204:
            length = None  # RFC 9110 section 8.6: a 204 has no Content-Length
        self._fields = fields
        self._length = self._remaining = length
        self._added = added
        self._closes = closes

    def retract(self) -> bool:
        """Take a head back that has not been sent, so that another can be set. False when it is too late."""
        if self._phase is _DECIDED:
            self._phase = _WAITING
            self.status = 0
            self.response_headers = ()
        return self._phase is _WAITING

    def send(self, data: Sendable, end: bool = False) -> bool:
        phase = _ON_SEND.get(self._phase)
        if phase is None:
            raise self._refusal("send")
        if type(data) is bytes:
            size = len(data)
        else:
            data, size = _measured(data)
        if self._silent:
            data, size = b"", 0
        elif self._remaining is not None:
            self._account(size, end)
        self.sent += size
        if end:
            phase = _COMPLETE
        ready = self._transmit(data, end, ())
        self._phase = phase
        return ready

    def finish(self, trailers: Sequence[Header] = ()) -> None:
        if self._phase not in _ON_FINISH:
            raise self._refusal("finish")
        if trailers:
            check_trailers(trailers)
        if self._phase not in _ON_FINISH:  # what ``trailers`` runs may have ended it
            raise self._refusal("finish")
        if self._remaining and not self._silent:
            self._account(0, True)
        self._transmit(b"", True, trailers)
        self._phase = _COMPLETE

    def _account(self, size: int, end: bool) -> None:
        """Subtract from the declared length. What breaks it cuts the response, unless nothing of that was sent yet."""
        remaining = self._remaining or 0
        if size > remaining:
            problem = f"content is longer than its Content-Length: {size} bytes for the last {remaining}"
        elif end and size < remaining:
            problem = f"content is shorter than its Content-Length: {remaining - size} bytes are missing"
        else:
            self._remaining = remaining - size
            return
        if self._phase is not _DECIDED:
            self.abort()
        raise LocalProtocolError(problem)

    def inform(self, status: int, headers: Sequence[Header]) -> None:
        if self._phase not in MOVES["inform"]:
            raise self._refusal("inform")
        if not isinstance(status, int) or not 100 <= status <= 199 or status == 101:
            raise LocalProtocolError(f"expected an interim status from 100 to 199 but 101, found {status!r}")
        fields = [(name, value) for name, value in headers if response_role(name, value) is Role.PLAIN]
        if not self.head_sent:  # what ``headers`` runs may have answered
            self._inform(status, fields)

    def upgrade(self, connection: AnyConnection, headers: Sequence[Header] = ()) -> AnyConnection:
        raise LocalProtocolError(f"HTTP/{self.version} cannot be upgraded")

    def withdraw(self) -> None:
        """The server has answered by itself: to the application it is as if the response had been cut."""
        self._phase = Phase.CUT

    def abort(self) -> None:
        if self._phase is not _COMPLETE and self._phase is not _CUT:
            self._phase = _CUT
            self._cut()

    def _refusal(self, operation: str) -> Exception:
        if self._phase is _CUT:
            return Disconnected("the exchange is over")
        return LocalProtocolError(f"cannot {operation} in state {self._phase.value!r}")

    # -- waiting ---------------------------------------------------------------------------------------------

    def watch(self, want: Want, callback: Callable[[], None]) -> bool:
        phase = self._phase
        if phase is _COMPLETE or phase is _CUT:
            return True
        if want is Want.READ:
            ready = bool(self._pieces) or self._incoming is _ALL or self._incoming is _BROKEN
        elif want is Want.WRITE:
            ready = self._writable()
        else:
            ready = self._gone
        if not ready:
            if self._watchers is None:
                self._watchers = {}
            self._watchers.setdefault(want, []).append(callback)
        return ready

    def _fire(self, want: Want) -> None:
        if self._watchers is not None:
            for callback in self._watchers.pop(want, ()):
                callback()

    def resume(self) -> None:
        """The queue of unsent bytes is below its mark again."""
        if self._watchers is not None:
            self._fire(Want.WRITE)


def _measured(data: Sendable) -> tuple[Sendable, int]:
    """Content that is not ``bytes``, and how many bytes it is: a memory view may count in other units.

    What could change until it is sent, or says itself what it is, is copied; a view is held by one of our own.
    """
    if isinstance(data, FileSlice) and data.length >= 0:
        return data, data.length
    if isinstance(data, bytes | bytearray):
        data = memoryview(data).tobytes()
    elif isinstance(data, memoryview):
        data = data.cast("B") if data.c_contiguous else data.tobytes()
    if isinstance(data, bytes | memoryview):
        return data, len(data)
    raise LocalProtocolError(f"expected bytes or a slice of a file as content, found {data!r:.100}")


def _declared(value: bytes, before: int | None) -> int:
    if not isinstance(value, bytes) or not value.isdigit() or len(value) > 19:
        raise LocalProtocolError(f"expected digits as Content-Length, found {value!r}")
    length = int(value)
    if before is not None and before != length:
        raise LocalProtocolError(f"two different values of Content-Length, {before} and {length}")
    return length


def _check_coding(value: bytes) -> None:
    """The protocol frames the content itself, so ``chunked`` says nothing new and any other coding would be a lie."""
    if value.lower() != b"chunked":
        raise LocalProtocolError(f"an application cannot apply a transfer coding, found {value!r}")


__all__ = ["MOVES", "Exchange", "Incoming", "Phase"]
