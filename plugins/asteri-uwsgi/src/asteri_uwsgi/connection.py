"""The life of one peer that speaks uwsgi: a packet, a body, one response, and the end.

    PACKET ──whole packet──▶ RUNNING ──response over──▶ CLOSING ──half-close handed out──▶ CLOSED
       └──error, EOF, deadline─────────────────────────────▲

Errors are answered as HTTP/1.1 has them, which is how such a proxy reads answers.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence

from asteri_core.api import (
    RESET,
    Disconnected,
    Event,
    Failed,
    Finished,
    Peer,
    RemoteProtocolError,
    Sendable,
    Started,
)
from asteri_http.bodies import Bodies
from asteri_http.failure import plain_answer
from asteri_http.settings import HttpSettings

from .exchange import UwsgiExchange, write_head
from .request import RequestReader

OUTPUT_MARK = 65536
"""Unsent bytes at which an exchange is asked to wait."""
INPUT_MARK = 65536
"""Unread bytes of a body at which the peer is no longer read from."""


class State(enum.Enum):
    """How far the peer is."""

    PACKET = "in the packet"
    RUNNING = "an exchange is running"
    CLOSING = "about to half-close"
    CLOSED = "half-closed or lost"


_PACKET, _RUNNING, _CLOSING, _CLOSED = State.PACKET, State.RUNNING, State.CLOSING, State.CLOSED


class UwsgiConnection:
    """See `asteri_core.api.Connection` for the contract. ``trusted``: the peer may speak this protocol."""

    def __init__(self, settings: HttpSettings, reader: RequestReader, trusted: bool, peer: Peer, now: float) -> None:
        self.wake: Callable[[], None] = _unheard
        self.peer = peer
        self._settings = settings
        self._reader = reader
        self._state = _PACKET
        self._now = now
        self._deadline: float | None = now + settings.header_timeout
        self._input = bytearray()
        self._left = 0
        self._bodies = Bodies(settings)
        self._exchange: UwsgiExchange | None = None
        self._events: list[Event] = []
        self._out: list[Sendable] = []
        self._queued = 0
        self._ending = False
        """Whether the exchange is over as soon as the output has been handed over."""
        self._end: Sendable = b""
        if not trusted:
            self._refuse(RemoteProtocolError("the uwsgi protocol, from a peer that is not one of uwsgi_allow_ips", 403))

    # -- the peer ----------------------------------------------------------------------------------------------------

    @property
    def wants_data(self) -> bool:
        if self._state is _PACKET:
            return True
        exchange = self._exchange
        return self._state is _RUNNING and exchange is not None and exchange.buffered < INPUT_MARK

    def receive_data(self, data: bytes, now: float) -> None:
        self._now = now
        if self._state is _PACKET:
            self._input += data
            try:
                self._read()
            except RemoteProtocolError as error:
                self._refuse(error)
        elif self._state is _RUNNING:
            self._receive_body(data)

    def _read(self) -> None:
        found = self._reader.read(self._input, self.peer)
        if found is None:
            return
        head, size = found
        limit = self._settings.limit_request_body
        if limit and head.content_length > limit:
            raise RemoteProtocolError(f"a body of {head.content_length} bytes, at most {limit} are accepted", 413)
        rest = bytes(self._input[size:])
        self._input.clear()
        self._state = _RUNNING
        self._deadline = None
        self._left = head.content_length
        self._exchange = exchange = UwsgiExchange(self, head)
        self._events.append(Started(exchange))
        if exchange.has_body:
            self._bodies.begin(0, self._now)
        if rest:
            self._receive_body(rest)

    def _receive_body(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None or not exchange.arriving:
            return  # behind a request there is nothing
        data = data[: self._left]
        self._left -= len(data)
        exchange.supply(data)
        if not self._left:
            self._bodies.end(0)
            exchange.complete()
        else:
            self._bodies.went_on(0, len(data), exchange.buffered >= INPUT_MARK, self._now)

    def receive_eof(self, now: float) -> None:
        self._now = now
        exchange = self._exchange
        if self._state is _PACKET:
            if self._input:
                self._refuse(RemoteProtocolError("the peer has closed in the middle of a packet"))
            else:
                self._state = _CLOSING
        elif exchange is not None:
            exchange.leave()
            if exchange.arriving:
                self._bodies.end(0)
                exchange.fail(Disconnected("the peer has closed in the middle of the request's body"))
                exchange.refuse(RemoteProtocolError("the body ends before its declared length"))

    def lost(self, now: float) -> None:
        self._now = now
        self._state = _CLOSED
        self._out.clear()
        self._ending = False
        exchange, self._exchange = self._exchange, None
        self._bodies.end(0)
        if exchange is not None:
            self._events.append(Finished(exchange))
            exchange.fail(Disconnected("the peer has left"))
            exchange.close()

    def _refuse(self, error: RemoteProtocolError) -> None:
        """Answer what never became an exchange, and close."""
        self._events.append(Failed(error))
        content = plain_answer(error.status)
        head = write_head(error.status, b"", [(b"content-type", b"text/plain; charset=utf-8")], len(content))
        self._out.append(head + content)
        self._state = _CLOSING
        self._deadline = None
        self._input.clear()

    # -- the driver --------------------------------------------------------------------------------------------------

    def events(self) -> Sequence[Event]:
        if self._ending and not self._out:
            self._conclude()
        if not self._events:
            return ()
        events, self._events = self._events, []
        return events

    def data_to_send(self, now: float) -> Sequence[Sendable]:
        self._now = now
        out, self._out = self._out, []
        self._queued = 0
        if self._exchange is not None and out:
            self._exchange.resume()
        if self._ending and not self._out:
            self._conclude()
        if self._state is _CLOSING:
            out += self._out
            self._out = []
            out.append(self._end)
            self._state = _CLOSED
        return out

    def _conclude(self) -> None:
        self._ending = False
        exchange, self._exchange = self._exchange, None
        self._bodies.end(0)
        self._state = _CLOSING
        if exchange is not None:
            self._events.append(Finished(exchange))
            exchange.close()

    def deadline(self) -> float | None:
        return self._deadline if self._state is _PACKET else self._bodies.deadline()

    def expire(self, now: float) -> None:
        self._now = now
        if self._state is _PACKET and self._deadline is not None and now >= self._deadline:
            self._refuse(RemoteProtocolError("the packet comes too slowly", 408))
        elif self._exchange is not None and self._bodies.late(now):
            self._bodies.end(0)
            error = RemoteProtocolError("the request's body comes too slowly", 408)
            self._exchange.fail(error)
            self._exchange.refuse(error)

    def drain(self, until: float, now: float) -> None:
        """There is one request, and it is on its way or running."""

    # -- the exchange ------------------------------------------------------------------------------------------------

    def put(self, data: Sendable, size: int) -> None:
        """Queue bytes of the response."""
        self._out.append(data)
        self._queued += size

    @property
    def below_mark(self) -> bool:
        return self._queued < OUTPUT_MARK

    def response_complete(self) -> None:
        self._ending = True

    def response_cut(self, unmarked: bool) -> None:
        """The exchange has been cut; ``unmarked`` if the proxy could not tell by what it has received."""
        if unmarked:
            self._end = RESET
        self._ending = True

    def body_taken(self) -> None:
        """There is room for more of the body."""
        if self._exchange is not None and self._exchange.arriving:
            self._bodies.begin(0, self._now)
            self.wake()


def _unheard() -> None:
    """The wake-up of a connection that nobody drives yet."""
