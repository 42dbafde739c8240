"""The streams of one connection: what the events of the library mean for them, and what their exchanges ask for.

Each begins with a request, runs as an exchange, perhaps as another protocol's tunnel after that, and ends. The life of
the connection, its time and its driver are in `connection`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from functools import partial

import h2.events
import h2.exceptions
from asteri_core.api import (
    Connection,
    Disconnected,
    Event,
    Failed,
    Finished,
    Header,
    Peer,
    RemoteProtocolError,
    Started,
)
from asteri_http.bodies import Bodies
from asteri_http.fields import keeps_trailer
from asteri_http.forwarded import forwarding_of
from asteri_http.limits import check_fields
from asteri_http.settings import HttpSettings
from h2.errors import ErrorCodes
from hyperframe.frame import ExtensionFrame

from .answers import Signature, refuse
from .exchange import Http2Exchange
from .frames import Frames
from .guard import DATA, HEADERS, PRIORITY_UPDATE, REFUSED_BY_US, RESET_BY_US, STRAY
from .library import make_library
from .outgoing import Outgoing
from .priority import read_priority
from .request import Malformed, RequestHead, read_request, read_trailers
from .sending import Sending
from .settings import Http2Settings
from .tunnel import Tunnel, Tunnels

ALL_STREAMS = (1 << 31) - 1
REFUSED, CANCEL, INTERNAL, NO_ERROR = (
    ErrorCodes.REFUSED_STREAM,
    ErrorCodes.CANCEL,
    ErrorCodes.INTERNAL_ERROR,
    ErrorCodes.NO_ERROR,
)
HANDLERS = {
    h2.events.RequestReceived: "_requested",
    h2.events.DataReceived: "_received",
    h2.events.StreamEnded: "_ended",
    h2.events.TrailersReceived: "_trailed",
    h2.events.StreamReset: "_was_reset",
    h2.events.UnknownFrameReceived: "_unknown",
    h2.events.ConnectionTerminated: "_gone",
}
"""The method for each event of the library that means something to us."""
_SAY_SOMETHING = (bytes([DATA]), bytes([HEADERS]))
"""Frames that are events, unless their stream has been reset: then the library answers each by a reset."""


def _unheard() -> None:
    """The wake-up of a connection that nobody drives yet."""


class Streams:
    """What `Http2Connection` has of streams."""

    def __init__(
        self,
        settings: HttpSettings,
        own: Http2Settings,
        signature: Signature,
        peer: Peer,
        now: float,
        upgrade: bytes | None = None,
    ) -> None:
        self.wake: Callable[[], None] = _unheard
        self.peer = peer
        self._settings = settings
        self._own = own
        self._signature = signature
        self._now = now
        self._frames = Frames(now, settings.header_timeout)
        self._exchanges: dict[int, Http2Exchange] = {}
        self._bodies = Bodies(settings)
        self._priorities: dict[int, bytes] = {}
        """Of streams that have not begun."""
        self._tunnels = Tunnels()
        self._events: list[Event] = []
        self._idle: float | None = now + settings.header_timeout
        """When a connection without streams is closed. None until the last bytes of its last one have left."""
        self._last = ALL_STREAMS
        """Streams above it are refused."""
        self._highest = 0
        self._until: float | None = None
        """The time that a drain has given."""
        self._h2, self._raw = make_library(settings, own, upgrade)
        """The library; and frames before what it has to send."""
        self._sending = Sending(
            self._h2, self._frames.guard, own.http2_window_timeout, settings.body_min_rate, self._broken
        )

    def _take(self, frame: bytes) -> None:
        """One frame, or a piece of the preface."""
        events = self._h2.receive_data(frame)
        for event in events:
            self._handle(event)
        if not events and frame[3:4] in _SAY_SOMETHING:
            self._blame(STRAY)

    def _handle(self, event: h2.events.Event) -> None:
        name = HANDLERS.get(type(event))
        if name is not None:
            getattr(self, name)(event)

    def begin_with(self, head: RequestHead, peer: Peer) -> None:
        """Stream 1 is a request that came by HTTP/1.1; its client has said all of it."""
        exchange = Http2Exchange(self, 1, head, True, peer)
        self._exchanges[1] = exchange
        self._highest = 1
        self._events.append(Started(exchange))

    # -- events of the library ---------------------------------------------------------------------------------------

    def _requested(self, event: h2.events.RequestReceived) -> None:
        stream = event.stream_id
        ended = event.stream_ended is not None
        priority = self._priorities.pop(stream, b"")
        if stream > self._last or len(self._exchanges) + len(self._tunnels) >= self._own.http2_max_concurrent_streams:
            self._reset(stream, REFUSED)
            self._blame()
            return
        self._highest = max(self._highest, stream)
        limit = self._settings.limit_request_body
        try:
            head = read_request(event.headers, self._settings, ended)
            if limit and (head.content_length or 0) > limit:
                raise RemoteProtocolError(f"a body of {head.content_length} bytes, at most {limit} are accepted", 413)
            peer = forwarding_of(self._settings).peer(head.headers, self.peer)
        except Malformed as error:
            self._provoked(stream, str(error))
            return
        except RemoteProtocolError as error:
            self._refuse(stream, error, ended, (b":method", b"HEAD") in list(event.headers))
            return
        exchange = Http2Exchange(self, stream, head, ended, peer)
        if priority:
            exchange.outgoing.priority = read_priority(priority)
        self._exchanges[stream] = exchange
        if exchange.has_body and not exchange.expects_continue:
            self._bodies.begin(stream, self._now)
        self._events.append(Started(exchange))

    def _received(self, event: h2.events.DataReceived) -> None:
        stream, data, size = event.stream_id, event.data or b"", event.flow_controlled_length or 0
        exchange = self._exchanges.get(stream)
        if stream in self._tunnels:
            self._acknowledge(stream, size - len(data))
            self._tunnels[stream].receive_data(bytes(data), self._now)
            return
        if exchange is None or not exchange.arriving:
            self._acknowledge(stream, size)
            return
        self._acknowledge(stream, size - len(data))
        exchange.proceed()
        exchange.taken_in += len(data)
        if exchange.left is not None:
            exchange.left -= len(data)
        limit = self._settings.limit_request_body
        if exchange.left is not None and exchange.left < 0:
            self._acknowledge(stream, len(data))
            self._provoked(stream, "the body is longer than its Content-Length")
            return
        if limit and exchange.taken_in > limit:
            self._acknowledge(stream, len(data))
            self._break(exchange, RemoteProtocolError(f"a body of more than {limit} bytes", 413))
            return
        if data:
            exchange.unacknowledged += len(data)
            exchange.supply(bytes(data))
            blocked = exchange.unacknowledged >= max(1, self._own.http2_initial_window_size // 2)
            self._bodies.went_on(stream, len(data), blocked, self._now)

    def _ended(self, event: h2.events.StreamEnded) -> None:
        stream = event.stream_id or 0
        if stream in self._tunnels:
            self._tunnels[stream].receive_eof(self._now)
            return
        exchange = self._exchanges.get(stream)
        self._bodies.end(stream)
        if exchange is None or not exchange.arriving:
            return
        if exchange.left:
            self._provoked(stream, "the body is shorter than its Content-Length")
            return
        exchange.complete()

    def _trailed(self, event: h2.events.TrailersReceived) -> None:
        exchange = self._exchanges.get(event.stream_id or 0)
        if exchange is None:
            return
        try:
            fields = read_trailers(event.headers or ())
            check_fields(fields, self._settings)
        except (Malformed, RemoteProtocolError) as error:
            self._provoked(exchange.stream, str(error))
            return
        exchange.trailers.extend(field for field in fields if keeps_trailer(field[0]))

    def _was_reset(self, event: h2.events.StreamReset) -> None:
        stream = event.stream_id or 0
        exchange = self._exchanges.get(stream)
        if event.remote_reset is False:
            self._blame()
        if exchange is not None:
            exchange.leave()
        self._abandon(stream, Disconnected("the peer has reset the stream"))

    def _unknown(self, event: h2.events.UnknownFrameReceived) -> None:
        """PRIORITY_UPDATE (RFC 9218 section 7.1) is the only one we know."""
        frame = event.frame
        if not isinstance(frame, ExtensionFrame) or frame.type != PRIORITY_UPDATE:
            return
        body = bytes(frame.body)
        if frame.stream_id or len(body) < 4:
            raise h2.exceptions.ProtocolError("a PRIORITY_UPDATE frame that is none")
        stream = int.from_bytes(body[:4]) & ALL_STREAMS
        exchange = self._exchanges.get(stream)
        if exchange is not None:
            exchange.outgoing.priority = read_priority(body[4:])
        elif stream > self._highest and len(self._priorities) < self._own.http2_max_concurrent_streams:
            self._priorities[stream] = body[4:260]

    # -- refusing ----------------------------------------------------------------------------------------------------

    def _refuse(self, stream: int, error: RemoteProtocolError, ended: bool, silent: bool) -> None:
        """Answer what never became an exchange."""
        self._events.append(Failed(error))
        if not refuse(self._h2, stream, error.status, self.signature(False, False), silent):
            self._reset(stream, CANCEL)
        elif not ended:
            self._reset(stream, NO_ERROR)
        self._blame(REFUSED_BY_US)

    def _provoked(self, stream: int, reason: str) -> None:
        """The client has broken the protocol on a stream: it is reset, and that is counted."""
        self._events.append(Failed(RemoteProtocolError(reason)))
        exchange = self._exchanges.get(stream)
        self._reset(stream, ErrorCodes.PROTOCOL_ERROR)
        if exchange is not None:
            self._over(exchange, RemoteProtocolError(reason))
        self._blame()

    def _blame(self, kind: int = RESET_BY_US) -> None:
        """A stream had to be reset or answered too early. Raises `ConnectionFailure` when there were too many."""
        self._frames.check(self._frames.guard.counts(kind, self._now))

    def _break(self, exchange: Http2Exchange, error: RemoteProtocolError) -> None:
        """The body of a running exchange is not acceptable: that ends its stream, but perhaps not its application."""
        self._bodies.end(exchange.stream)
        exchange.fail(error)
        exchange.refuse(error)
        self._blame()

    # -- ends --------------------------------------------------------------------------------------------------------

    def _end_slow_streams(self, now: float) -> None:
        """Those whose client takes more than its time to send, or to take what is sent."""
        for stream in self._bodies.late(now):
            exchange = self._exchanges.get(stream)
            self._bodies.end(stream)
            if exchange is not None:
                self._break(exchange, RemoteProtocolError("the request's body comes too slowly", 408))
        for stream in self._sending.late(now):
            self._give_up_slow(stream)

    def _give_up_slow(self, stream: int) -> None:
        """Its client has given no window within its time."""
        reason = "no window for a response within its time"
        self._events.append(Failed(RemoteProtocolError(reason, 408)))
        self._reset(stream, ErrorCodes.ENHANCE_YOUR_CALM)
        self._abandon(stream, Disconnected(reason))
        self._blame()

    def _broken(self, outgoing: Outgoing, reason: str) -> None:
        """A stream cannot be sent whole."""
        self._reset(outgoing.stream, INTERNAL)
        self._abandon(outgoing.stream, Disconnected(reason))

    def _abandon(self, stream: int, error: Exception) -> None:
        exchange = self._exchanges.get(stream)
        if exchange is not None:
            self._over(exchange, error)
        elif stream in self._tunnels:
            self._close_tunnel(stream)

    def complete(self, exchange: Http2Exchange) -> None:
        """The response has been handed over whole."""
        if not exchange.broken:
            self._frames.guard.earns()
        if not exchange.received:
            # RFC 9113 section 8.1: the rest of the body is of no use to anybody.
            self._reset(exchange.stream, NO_ERROR)
        self._over(exchange, None)

    def _over(self, exchange: Http2Exchange, error: Exception | None) -> None:
        stream = exchange.stream
        if self._exchanges.pop(stream, None) is None:
            return
        self._sending.drop(stream)
        self._bodies.end(stream)
        if exchange.unacknowledged:
            self._acknowledge(stream, exchange.unacknowledged)
            exchange.unacknowledged = 0
        self._events.append(Finished(exchange))
        if error is not None:
            exchange.fail(error)
        exchange.close()
        self._rest()

    def _close_tunnel(self, stream: int) -> None:
        tunnel = self._tunnels.pop(stream)
        self._sending.drop(stream)
        self._acknowledge(stream, tunnel.held)
        tunnel.lost(self._now)
        self._events += tunnel.events()
        self._rest()

    @property
    def _busy(self) -> bool:
        return bool(self._exchanges or self._tunnels)

    def _rest(self) -> None:
        if not self._busy:
            self._idle = None

    def _reset(self, stream: int, code: ErrorCodes) -> None:
        with contextlib.suppress(h2.exceptions.ProtocolError):  # it may be closed already
            self._h2.reset_stream(stream, code)

    def _acknowledge(self, stream: int, size: int) -> None:
        """Give the window of so many bytes back."""
        if size > 0:
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self._h2.acknowledge_received_data(size, stream)

    # -- the exchanges -----------------------------------------------------------------------------------------------

    def signature(self, has_date: bool, has_server: bool) -> list[Header]:
        """The Date and Server fields that a response lacks."""
        return self._signature.fields(has_date, has_server)

    def send_head(self, exchange: Http2Exchange, fields: Iterable[Header], end: bool) -> None:
        self._h2.send_headers(exchange.stream, fields, end_stream=end)
        if end:
            self.complete(exchange)
        self.wake()

    def send_interim(self, exchange: Http2Exchange, status: int, fields: Iterable[Header]) -> None:
        self._h2.send_headers(exchange.stream, [(b":status", b"%d" % status), *fields])
        self.wake()

    def has_something(self, outgoing: Outgoing) -> None:
        """There are bytes to send, or the end."""
        if outgoing.stream in self._exchanges:
            self._sending.add(outgoing)
            self.wake()

    def cut(self, exchange: Http2Exchange) -> None:
        """The response is cut short by the application."""
        self._reset(exchange.stream, INTERNAL)
        self._over(exchange, None)
        self.wake()

    def body_due(self, exchange: Http2Exchange) -> None:
        """From now on the client has to send the body."""
        if exchange.stream in self._exchanges:
            self._bodies.begin(exchange.stream, self._now)
            self.wake()

    def body_taken(self, exchange: Http2Exchange) -> None:
        """The application has read: the client gets a window for as much."""
        if exchange.unacknowledged and exchange.stream in self._exchanges:
            size, exchange.unacknowledged = exchange.unacknowledged, 0
            self._acknowledge(exchange.stream, size)
            if exchange.arriving:
                self._bodies.begin(exchange.stream, self._now)
            self.wake()

    def begin_tunnel(self, exchange: Http2Exchange, connection: Connection) -> None:
        """The stream's DATA is another protocol's from here on (RFC 8441); the exchange is over."""
        stream = exchange.stream
        outgoing = Outgoing(stream, exchange.outgoing.priority)
        outgoing.sent = partial(self._tunnel_over, stream)
        tunnel = Tunnel(outgoing, connection, self._now, self._acknowledge, self._reset_tunnel, self._woken)
        self._tunnels[stream] = tunnel
        early = exchange.early()
        exchange.unacknowledged -= len(early)  # the tunnel gives it back
        self._over(exchange, None)
        if early:
            tunnel.receive_data(early, self._now)
        if exchange.received:
            tunnel.receive_eof(self._now)
        if self._until is not None:
            tunnel.drain(self._until, self._now)
        self.wake()

    def _woken(self) -> None:
        self.wake()

    def _tunnel_over(self, stream: int) -> None:
        """The other protocol has ended. What the client still says is of no use to anybody."""
        if not self._tunnels[stream].heard_all:
            self._reset(stream, NO_ERROR)
        self._close_tunnel(stream)

    def _reset_tunnel(self, stream: int) -> None:
        self._reset(stream, CANCEL)
        self._close_tunnel(stream)

    def _give_up_streams(self, why: str) -> None:
        for exchange in list(self._exchanges.values()):
            self._over(exchange, Disconnected(why))
        for stream in list(self._tunnels):
            self._close_tunnel(stream)
