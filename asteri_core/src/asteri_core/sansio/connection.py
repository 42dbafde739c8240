"""The contract between whatever moves bytes and whatever understands them.

A `Connection` is the state of one peer without I/O: bytes and the time go in; events, bytes and a deadline come out.
A protocol, the router, TLS and the PROXY header are all connections, so the reactor drives every one of them the same
way:

    receive_data / receive_eof / lost / expire / drain   ─▶   events()   ─▶   data_to_send()   ─▶   deadline()

An `Exchange` is one request and its response. Its operations never block: each is done at once, or says that it would
block, and then `watch` tells when to try again. How to wait is the executor's affair.

Both are written down as `typing.Protocol`: the C twins satisfy them without inheriting. Nothing here reads a clock,
opens a socket or starts a thread; calls into one connection and its exchanges are never concurrent (the reactor's
lock sees to it).
"""

from __future__ import annotations

import base64
import enum
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar, runtime_checkable

Address = tuple[str, int] | str
"""``(host, port)`` of an internet socket, or the path of a unix socket (``""`` when it has no name)."""

Header = tuple[bytes, bytes]
"""A field name, lower case, and its value without surrounding white space."""


class Colour(enum.Enum):
    """How an interface calls the application, and what a worker model can run without a bridge."""

    BLOCKING = "blocking"
    ASYNC = "async"


AnyConnection = TypeVar("AnyConnection", bound="Connection")
"""A `Connection`, with what it has besides."""


class Sniff(enum.Enum):
    """A sniffer's answer about the first bytes of a connection."""

    YES = "yes"
    NO = "no"
    MORE = "not yet"


class ClientCertificate(NamedTuple):
    """The certificate with which a peer has shown who it is, verified. Names are as in RFC 4514."""

    der: bytes
    subject: str
    issuer: str = ""
    serial: str = ""
    """Hexadecimal, upper case."""
    not_before: str = ""
    """As ``ssl`` writes times, e.g. ``Jan  5 09:34:43 2026 GMT``."""
    not_after: str = ""

    @property
    def pem(self) -> str:
        """The certificate as PEM (RFC 7468); empty when only its subject is known."""
        if not self.der:
            return ""
        text = base64.b64encode(self.der).decode()
        lines = [text[at : at + 64] for at in range(0, len(text), 64)]
        return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


class TlsFacts(NamedTuple):
    """What is known of the TLS that a peer speaks, with us or with a trusted proxy in front of us."""

    version: str
    """As OpenSSL has it: ``TLSv1.2``, ``TLSv1.3``."""
    cipher: str
    """The name of the cipher suite; empty when it is not known."""
    cipher_code: int = 0
    """Its number in the registry of IANA; 0 when it is not known."""
    alpn: str | None = None
    server_name: str | None = None
    """The name the client has asked for (SNI)."""
    client_certificate: ClientCertificate | None = None
    server_certificate: str | None = None
    """The certificate that was shown to the client, as PEM."""


class Peer(NamedTuple):
    """Who is at the other end, as the socket (or a trusted stage before the protocol) says."""

    address: Address
    local: Address
    scheme: str = "http"
    tls: TlsFacts | None = None


class FileSlice(NamedTuple):
    """``length`` bytes of a regular file from ``offset`` on; sent by ``sendfile`` where the transport can.

    ``file`` is anything with ``fileno()``; it is kept alive, not closed, until the slice has been sent.
    """

    file: Any
    offset: int
    length: int


Sendable = bytes | bytearray | memoryview | FileSlice
"""What an exchange sends and a connection hands to the reactor, where an empty ``bytes`` means half-close."""

RESET: Final = memoryview(b"")
"""In place of the half-close: what was sent is not whole, and nothing but a reset can tell the peer."""

CLOSE: Final = memoryview(b"")
"""In place of the half-close: the peer has said that it sends no more, so there is nothing to wait for."""


class Want(enum.Enum):
    """What one can wait for on an exchange."""

    READ = "read"
    """`Exchange.read` will not answer None."""
    WRITE = "write"
    """The queue of unsent bytes is below its mark again, or the exchange is over."""
    GONE = "gone"
    """The peer has said it sends no more (EOF), has been lost, or the exchange is over."""


@runtime_checkable
class Exchange(Protocol):
    """One request and its response.

    The facts of the request are set before `Started` and never change. Those of the response are for the log.
    """

    method: str
    target: bytes
    version: str
    scheme: str
    headers: list[Header]
    peer: Peer
    protocol: bytes
    """What the client asks to talk instead, in lower case: a token of Upgrade, or ``:protocol``; else empty."""
    expects_continue: bool
    """The client waits for 100 (Continue) before it sends the body: the first `read` that has to wait will send it."""

    status: int
    """The final status answered, 0 until then."""
    response_headers: Sequence[Header]
    sent: int
    """Bytes of the response's content handed over so far."""

    body: Any
    """A readable binary file with the whole request body once the kernel has collected it, else None."""

    def read(self) -> bytes | None:
        """The next piece of the request body; ``b""`` at its end; None if that would block.

        Raises `Disconnected` when the body was cut, `RemoteProtocolError` when it broke the protocol or a limit.
        """

    def respond(self, status: int, headers: Sequence[Header], reason: bytes = b"") -> None:
        """Set the head of the response. It is sent with the first `send` or with `finish`.

        Raises `LocalProtocolError` for a head that cannot be sent, or a second one.
        """

    def retract(self) -> bool:
        """Take back a head that has not been sent. True if `respond` may be called (again), False if it is too late."""

    def inform(self, status: int, headers: Sequence[Header]) -> None:
        """Send an interim (1xx) response at once. Nothing happens where the protocol version has none."""

    def send(self, data: Sendable, end: bool = False) -> bool:
        """Send content, the last of it if ``end``. False asks to wait for `Want.WRITE` before the next call.

        The data is taken over in any case. Raises `Disconnected`, or `LocalProtocolError` when the content is longer
        or, at the end, shorter than the declared Content-Length.
        """

    def finish(self, trailers: Sequence[Header] = ()) -> None:
        """The response is complete. Raises as `send` does at the end."""

    def upgrade(self, connection: AnyConnection, headers: Sequence[Header] = ()) -> AnyConnection:
        """Answer 101 (or the protocol's like) and hand the rest of the byte stream to ``connection``. That ends the
        exchange.

        Returns that by which the caller goes on with what the connection has for applications: the connection itself,
        or a view of it where calls are made in another thread than the reactor's. A view has the methods of an
        exchange. Raises `LocalProtocolError` where this exchange cannot be upgraded.
        """

    def abort(self) -> None:
        """Cut the response short so that the client can tell. Nothing happens when it is over already."""

    def watch(self, want: Want, callback: Callable[[], None]) -> bool:
        """True if ``want`` holds already. Else ``callback`` is kept and called once when it may hold.

        The callback runs on the thread that drives the connection, must not block, and must not call back into it.
        """


class Started(NamedTuple):
    """A request head is complete; the application may run."""

    exchange: Exchange


class Finished(NamedTuple):
    """An exchange is over: its response was handed over whole, or it was cut. Exactly one for each `Started`."""

    exchange: Exchange


class Switched(NamedTuple):
    """From here on the byte stream belongs to ``connection``; ``leftover`` are bytes it has to receive first."""

    connection: Connection
    leftover: bytes


class Failed(NamedTuple):
    """The peer broke the protocol outside of any started exchange. The connection has answered; this is for the log."""

    error: Exception


Event = Started | Finished | Switched | Failed


@runtime_checkable
class Connection(Protocol):
    """The state of one peer, without I/O. ``now`` is in seconds of any monotonic clock."""

    wake: Callable[[], None]
    """Set by whoever drives the connection. The connection calls it when an exchange's operation has left something in
    `events` or `data_to_send`, or has changed `wants_data` or `deadline`, outside of a call from the driver. It
    only marks; it never calls back into the connection."""

    @property
    def wants_data(self) -> bool:
        """False holds back reading from the peer (back-pressure)."""

    def receive_data(self, data: bytes, now: float) -> None:
        """Bytes from the peer, never empty. Never raises: what is wrong is answered and shows as `Failed`."""

    def receive_eof(self, now: float) -> None:
        """The peer will send no more (it may still read)."""

    def lost(self, now: float) -> None:
        """The transport is gone: nothing can be read or sent. Running exchanges are over."""

    def events(self) -> Sequence[Event]:
        """What has happened since the last call, in order; empty most of the time. After `Switched` nothing follows."""

    def data_to_send(self, now: float) -> Sequence[Sendable]:
        """Bytes for the peer, in order, as much as is ready and fits. Called again only when all of it has left.

        An empty ``bytes`` asks for a half-close after what came before it, `CLOSE` for the end of both directions,
        `RESET` for a reset. Each is the last item ever.
        """

    def deadline(self) -> float | None:
        """When `expire` should be called, or None."""

    def expire(self, now: float) -> None:
        """The deadline has passed (``now`` may be later). Does nothing when it has not."""

    def drain(self, until: float, now: float) -> None:
        """Finish politely: end after the running exchanges, announce it where the protocol can, take no more.

        An idle connection may use the time until ``until`` for one more request, whose answer announces the close.
        """


ConnectionFactory = Callable[[Peer, float], Connection]
"""Makes the connection of a new peer; the second argument is the time."""
