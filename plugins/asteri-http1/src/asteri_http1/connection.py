"""The life of one HTTP/1.1 peer: request heads and bodies in, answers in order out, deadlines (RFC 9112 section 9).

    IDLE ──part of a head──▶ HEAD ──head──▶ RUNNING ──response over──▶ IDLE (the connection goes on)
      │                        │               │                  └──▶ CLOSING, or SWITCHED after an upgrade
      └──EOF, keep-alive───────┴──error────────┴─▶ CLOSING ──half-close handed out──▶ CLOSED

One exchange runs at a time. What a client has sent behind it (pipelining) is kept unread, up to a mark,
until it is over; so answers are in order, and a broken request is answered after the good ones before it.
Errors outside of an exchange are answered and shown as `Failed`; those of a body are answered by the
exchange, or, when its response has begun, end the connection after it.

Exchange operations know no time. A deadline they start counts from the next call that brings the time
(`_tick`).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from asteri_core.api import (
    CLOSE,
    RESET,
    Connection,
    Disconnected,
    Event,
    Failed,
    Finished,
    Peer,
    RemoteProtocolError,
    Sendable,
    Started,
    Switched,
)
from asteri_http.forwarded import forwarding_of
from asteri_http.settings import HttpSettings

from .chunked import ChunkDecoder
from .exchange import Http1Exchange
from .parser import HeadParser, RequestHead
from .writer import Signature, refusal

OUTPUT_MARK = 65536
"""Unsent bytes at which an exchange is asked to wait."""
INPUT_MARK = 65536
"""Unread bytes, of a body or of pipelined requests, at which the peer is no longer read from."""


class State(enum.Enum):
    """How far the peer is."""

    IDLE = "between requests"
    HEAD = "in a request head"
    RUNNING = "an exchange is running"
    CLOSING = "about to half-close"
    CLOSED = "half-closed or lost"
    SWITCHED = "handed over to another protocol"


_IDLE, _HEAD, _RUNNING, _CLOSING, _CLOSED = State.IDLE, State.HEAD, State.RUNNING, State.CLOSING, State.CLOSED


Upgrade = Callable[[Any, float], Connection | None]
"""Makes the connection that takes over from an exchange; None where it does not."""


def _unheard() -> None:
    """The wake-up of a connection that nobody drives yet."""


class Http1Connection:
    """See `asteri_core.api.Connection` for the contract."""

    __slots__ = (
        "_allowance",
        "_buffer",
        "_deadline",
        "_decoder",
        "_drain",
        "_end",
        "_ending",
        "_eof",
        "_events",
        "_exchange",
        "_handed_over",
        "_lag",
        "_left",
        "_now",
        "_out",
        "_parser",
        "_queued",
        "_settings",
        "_signature",
        "_state",
        "_successor",
        "_upgrades",
        "peer",
        "wake",
    )

    def __init__(
        self,
        settings: HttpSettings,
        signature: Signature,
        peer: Peer,
        now: float,
        upgrades: Mapping[bytes, Upgrade] = MappingProxyType({}),
    ) -> None:
        """``upgrades``: the protocols that a request may be handed over to, by the token of Upgrade."""
        self.wake: Callable[[], None] = _unheard
        self.peer = peer
        self._settings = settings
        self._signature = signature
        self._parser = HeadParser(settings)
        self._upgrades = upgrades
        self._handed_over = False
        """Whether the running exchange has never begun: another protocol answers its request."""
        self._state = _IDLE
        self._now = now
        self._deadline: float | None = now + settings.header_timeout
        self._lag = False
        """Whether the deadline was set without knowing the time, and moves to the next known one."""
        self._drain: float | None = None
        self._eof = False
        self._events: list[Event] = []
        self._out: list[Sendable] = []
        self._queued = 0
        """Bytes in `_out`."""
        self._buffer = b""
        """What came in behind the running request."""
        self._exchange: Http1Exchange | None = None
        self._end: Sendable = b""
        """The last item of the output."""
        self._ending = False
        """Whether the running exchange is over as soon as `_out` has been handed over."""
        self._successor: Connection | None = None
        self._decoder: ChunkDecoder | None = None
        self._left = 0
        self._allowance: float | None = None
        """Seconds left to the body while the peer is not read from."""

    # -- the peer --------------------------------------------------------------------------------------------

    @property
    def wants_data(self) -> bool:
        if self._eof:
            return False
        if self._state is _RUNNING:
            exchange = self._exchange
            if exchange is not None and exchange.buffered >= INPUT_MARK and exchange.arriving:
                return False
            return len(self._buffer) < INPUT_MARK
        return self._state is _IDLE or self._state is _HEAD

    def receive_data(self, data: bytes, now: float) -> None:
        if self._lag:
            self._tick(now)
        self._now = now
        state = self._state
        if state is _RUNNING:
            exchange = self._exchange
            if exchange is not None and exchange.arriving:
                self._receive_body(exchange, data)
            elif exchange is not None and exchange.received:
                self._buffer += data
        elif state is _IDLE or state is _HEAD:
            self._receive_head(data)

    def receive_eof(self, now: float) -> None:
        self._tick(now)
        self._eof = True
        exchange = self._exchange
        if exchange is None:
            self._end_of_input()
        else:
            exchange.leave()
            if exchange.arriving:
                # RFC 9112 section 8: the request is incomplete. The application learns it as a disconnect.
                self._deadline = None
                exchange.fail(Disconnected("the peer has closed in the middle of the request's body"))
                exchange.refuse(RemoteProtocolError("the body ends before its declared length"))

    def _end_of_input(self) -> None:
        """EOF, and no exchange is running."""
        if self._state is _HEAD:
            self._refuse(RemoteProtocolError("the peer has closed in the middle of a request head"))
        elif self._state is _IDLE:
            self._state = _CLOSING
            self._deadline = None

    def lost(self, now: float) -> None:
        self._tick(now)
        self._eof = True
        self._state = _CLOSED
        self._deadline = None
        self._out.clear()
        self._queued = 0
        self._buffer = b""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._ending = False
            if not self._handed_over:
                self._events.append(Finished(exchange))
            exchange.fail(Disconnected("the peer has left"))
            exchange.close()

    def _receive_head(self, data: bytes) -> None:
        parser = self._parser
        try:
            found = parser.feed(data)
        except RemoteProtocolError as error:
            self._refuse(error, parser.asks_for_head)
            return
        if found is not None:
            self._start(*found)
        elif self._state is _IDLE and parser.begun:
            self._state = _HEAD
            self._set_deadline(self._settings.header_timeout)

    def _start(self, head: RequestHead, rest: bytes) -> None:
        peer = self.peer
        if head.forwarded:
            try:
                peer = forwarding_of(self._settings).peer(head.headers, peer)
            except RemoteProtocolError as error:
                self._refuse(error, head.method == "HEAD")
                return
        exchange = Http1Exchange(self, head, head.expects_continue and not rest, peer)
        self._state = _RUNNING
        self._deadline = None
        if not exchange.has_body:
            self._exchange = exchange
            self._buffer = rest
            if not (self._upgrades and exchange.protocol and self._hand_over(exchange)):
                self._events.append(Started(exchange))
            return
        limit = self._settings.limit_request_body
        length = head.content_length or 0
        if limit and length > limit:
            self._refuse(
                RemoteProtocolError(f"a body of {length} bytes, at most {limit} are accepted", 413),
                head.method == "HEAD",
            )
            return
        self._left = length
        self._decoder = ChunkDecoder(self._settings) if head.chunked else None
        self._allowance = None
        if not exchange.expects_continue:
            self._deadline = self._now + self._settings.body_timeout
        if rest:
            try:
                self._decode(exchange, rest)
            except RemoteProtocolError as error:
                # Nothing has been started: the application never sees this request.
                self._refuse(error, head.method == "HEAD")
                return
        self._exchange = exchange
        self._events.append(Started(exchange))

    def _hand_over(self, exchange: Http1Exchange) -> bool:
        """Whether the protocol that the client asks for answers the request (RFC 9110 section 7.8)."""
        upgrade = self._upgrades.get(exchange.protocol)
        successor = None if upgrade is None else upgrade(exchange, self._now)
        if successor is None:
            return False
        self._handed_over = True
        exchange.upgrade(successor)
        return True

    def _receive_body(self, exchange: Http1Exchange, data: bytes) -> None:
        try:
            self._decode(exchange, data)
        except RemoteProtocolError as error:
            self._break(exchange, error)

    def _decode(self, exchange: Http1Exchange, data: bytes) -> None:
        """Hand a piece of the body to the exchange. Raises `RemoteProtocolError`."""
        decoder = self._decoder
        rest = b""
        if decoder is None:
            if len(data) > self._left:
                data, rest = data[: self._left], data[self._left :]
            self._left -= len(data)
            done = not self._left
        else:
            source = data
            data, end = decoder.decode(source)
            done = decoder.done
            if done:
                rest = source[end:]
                exchange.trailers.extend(decoder.trailers)
        exchange.proceed()
        if data:
            exchange.supply(data)
        if done:
            self._deadline = None
            self._decoder = None
            self._buffer = rest
            exchange.complete()
            return
        # RFC 9112 has no word on time. A full pause allowance, refilled at the minimum rate by what comes in.
        settings, now = self._settings, self._now
        full = now + settings.body_timeout
        if settings.body_min_rate and self._deadline is not None:
            full = min(full, self._deadline + len(data) / settings.body_min_rate)
        self._deadline = full
        if exchange.buffered >= INPUT_MARK:
            self._allowance, self._deadline = full - now, None

    def _break(self, exchange: Http1Exchange, error: RemoteProtocolError) -> None:
        """The body of the running exchange is broken or too slow."""
        self._deadline = None
        self._decoder = None
        exchange.fail(error)
        exchange.refuse(error)

    def _refuse(self, error: RemoteProtocolError, silent: bool = False) -> None:
        """Answer what never became an exchange, and close. ``silent`` for HEAD."""
        self._events.append(Failed(error))
        data = refusal(error.status, self.signature(False, False), silent)
        self.put(data, len(data))
        self._state = _CLOSING
        self._deadline = None
        self._buffer = b""

    # -- the driver ------------------------------------------------------------------------------------------

    def events(self) -> Sequence[Event]:
        if self._ending and not self._out:
            self._lag = True
            self._conclude()
        events = self._events
        if not events:
            return ()
        self._events = []
        return events

    def data_to_send(self, now: float) -> Sequence[Sendable]:
        if self._lag:
            self._tick(now)
        self._now = now
        out = self._out
        if out:
            self._out = []
            self._queued = 0
            if self._exchange is not None:
                self._exchange.resume()
            if len(out) > 1:
                out = _joined(out)
        elif self._state is not _CLOSING and not self._ending:
            if self._deadline is None and self._state is _IDLE:
                # Nothing is left: only now has the peer the whole response, and its time begins.
                self._set_deadline(self._settings.keep_alive)
            return ()
        if self._ending:
            self._conclude()
        if self._state is _CLOSING:
            out.extend(self._out)
            self._out = []
            out.append(self._end)
            self._state = _CLOSED
        return out

    def _conclude(self) -> None:
        """The running exchange is over: its last bytes have been handed out."""
        exchange = self._exchange
        self._ending = False
        if exchange is None:
            return
        self._exchange = None
        self._decoder = None
        self._deadline = None
        if not self._handed_over:
            self._events.append(Finished(exchange))
        keeps = exchange.keeps and exchange.received
        last = exchange.is_last and exchange.received
        exchange.close()
        if self._successor is not None:
            leftover, self._buffer = self._buffer, b""
            self._state = State.SWITCHED
            self._events.append(Switched(self._successor, leftover))
        elif keeps:
            self._next()
        else:
            if last and not self._buffer and self._end is not RESET:
                self._end = CLOSE
            self._buffer = b""
            self._state = _CLOSING

    def _next(self) -> None:
        self._state = _IDLE
        self._deadline = None
        data = self._buffer
        if data:
            self._buffer = b""
            self._receive_head(data)
        if self._eof and self._exchange is None:
            self._end_of_input()

    def deadline(self) -> float | None:
        return self._deadline

    def expire(self, now: float) -> None:
        self._tick(now)
        if self._deadline is None or now < self._deadline:
            return
        self._deadline = None
        if self._exchange is not None:
            self._break(self._exchange, RemoteProtocolError("the request's body comes too slowly", 408))
        elif self._state is _HEAD:
            self._refuse(RemoteProtocolError("the request head comes too slowly", 408), self._parser.asks_for_head)
        elif self._state is _IDLE:
            self._state = _CLOSING

    def drain(self, until: float, now: float) -> None:
        self._tick(now)
        self._drain = until
        if self._state is _IDLE and self._deadline is not None:
            self._deadline = min(self._deadline, until)

    def _tick(self, now: float) -> None:
        if self._lag:
            self._lag = False
            if self._deadline is not None:
                self._deadline += now - self._now
        self._now = now

    def _set_deadline(self, seconds: float) -> None:
        deadline = self._now + seconds
        self._deadline = deadline if self._drain is None else min(deadline, self._drain)

    # -- the exchange ----------------------------------------------------------------------------------------

    def put(self, data: Sendable, size: int) -> None:
        """Queue bytes of a response."""
        self._out.append(data)
        self._queued += size

    @property
    def below_mark(self) -> bool:
        """Whether the queue takes more without being asked to wait."""
        return self._queued < OUTPUT_MARK

    def signature(self, has_date: bool, has_server: bool) -> bytes:
        """The Date and Server lines that a response lacks."""
        return self._signature.lines(has_date, has_server)

    def goes_on(self) -> bool:
        """Whether another request would be taken after the running one."""
        if not self._settings.keep_alive:
            return False
        # What has been received already is still answered while draining, so that no request is lost.
        return self._drain is None or bool(self._buffer)

    def response_complete(self, successor: Connection | None = None) -> None:
        """The last bytes of the running exchange are queued; ``successor`` takes over after them."""
        self._ending = True
        self._successor = successor

    def response_cut(self, unmarked: bool) -> None:
        """The running exchange has been cut; ``unmarked`` if the client could not tell by what it has received."""
        if unmarked:
            self._end = RESET
        self.response_complete()

    def body_due(self) -> None:
        """From now on the peer has to send the body."""
        self._lag = True
        self._deadline = self._now + self._settings.body_timeout

    def body_taken(self, exchange: Http1Exchange) -> None:
        """Body pieces have been read, so there is room for more."""
        if exchange is self._exchange and self._allowance is not None:
            if exchange.arriving:
                self._lag = True
                self._deadline = self._now + self._allowance
            self._allowance = None
            self.wake()


def _joined(pieces: list[Sendable]) -> list[Sendable]:
    """Several small pieces as one, so that one call sends them; large ones and files stay as they are."""
    size = 0
    for piece in pieces:
        if type(piece) is not bytes:
            return pieces
        size += len(piece)
    return [b"".join(pieces)] if size < OUTPUT_MARK else pieces  # type: ignore[arg-type]
