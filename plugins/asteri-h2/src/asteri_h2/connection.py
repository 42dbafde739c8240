"""The life of one HTTP/2 peer: frames in, exchanges out, many at once (RFC 9113).

    OPEN ──drain──▶ DRAINING ──last stream over──▶ CLOSING ──half-close handed out──▶ CLOSED
      └──EOF, silence, an error of the connection──▶───┘

The library h2 reads and writes frames and keeps the rules of both state machines; it raises for errors of the
connection. Here are the streams. Frames are handed to the library one at a time (`frames`), so that what came before a
bad one is not lost. A window is given back when the application has read, so a client sends no more than is wanted.
What is to be sent becomes frames when the reactor asks for bytes (`sending`).
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import h2.events
import h2.exceptions
from asteri_core.api import Disconnected, Event, Failed, Peer, RemoteProtocolError, Sendable
from asteri_http.settings import HttpSettings
from h2.errors import ErrorCodes
from hpack import HPACKError

from .answers import Signature
from .frames import ConnectionFailure, goaway, without_goaway
from .settings import Http2Settings
from .streams import ALL_STREAMS, NO_ERROR, Streams

UNSENT = 1 << 18
"""Bytes of frames that wait to be taken, here or in the library, at which the peer is no longer read from."""
FRAME = 1 << 14
"""Bytes of the usual frame. A client that has less of a window for the connection may wait for more."""
GRACE = 1.0
"""Seconds between the two GOAWAY frames of a drain: what is on its way comes in between."""


class State(enum.Enum):
    """How far the connection is."""

    OPEN = "open"
    DRAINING = "draining"
    CLOSING = "about to half-close"
    CLOSED = "half-closed or lost"


_OPEN, _DRAINING, _CLOSING, _CLOSED = State.OPEN, State.DRAINING, State.CLOSING, State.CLOSED


class Http2Connection(Streams):
    """See `asteri_core.api.Connection` for the contract."""

    def __init__(
        self,
        settings: HttpSettings,
        own: Http2Settings,
        signature: Signature,
        peer: Peer,
        now: float,
        upgrade: bytes | None = None,
    ) -> None:
        """``upgrade`` is the HTTP2-Settings field of a client that comes by HTTP/1.1: `begin_with` follows."""
        super().__init__(settings, own, signature, peer, now, upgrade)
        self._state = _OPEN
        self._eof = False
        self._last_word: float | None = None
        """When the second GOAWAY of a drain is due."""

    # -- the peer ----------------------------------------------------------------------------------------------------

    @property
    def wants_data(self) -> bool:
        unsent = len(self._raw) + len(self._h2._data_to_send)
        return (self._state is _OPEN or self._state is _DRAINING) and unsent < UNSENT

    def receive_data(self, data: bytes, now: float) -> None:
        self._now = now
        if self._state is _CLOSING or self._state is _CLOSED:
            return
        try:
            for frame in self._frames.read(data, self._h2.max_inbound_frame_size, now):
                self._take(frame)
        except ConnectionFailure as failure:
            self._fail(str(failure), failure.code)
        except h2.exceptions.ProtocolError as error:
            code = ErrorCodes(error.error_code)
            if isinstance(error.__cause__, HPACKError) and code is ErrorCodes.PROTOCOL_ERROR:
                code = ErrorCodes.COMPRESSION_ERROR  # RFC 9113 section 4.3
            self._fail(str(error) or type(error).__name__, code)
        self._settle()

    def receive_eof(self, now: float) -> None:
        self._now = now
        if self._state is _CLOSED:
            return
        for exchange in list(self._exchanges.values()):
            exchange.leave()
            if exchange.arriving:
                exchange.fail(Disconnected("the peer has closed in the middle of the request's body"))
                exchange.refuse(RemoteProtocolError("the peer has closed in the middle of the request's body"))
        self._tunnels.receive_eof(now)
        self._state = _DRAINING if self._state is _OPEN else self._state
        self._eof = True
        self._last_word = None
        self._last = self._highest
        self._settle()

    def lost(self, now: float) -> None:
        self._now = now
        self._state = _CLOSED
        self._give_up_streams("the peer has left")

    def _fail(self, reason: str, code: ErrorCodes) -> None:
        """An error of the connection."""
        self._events.append(Failed(RemoteProtocolError(reason)))
        # What the library says of it itself is left out: not every one of its codes is the one that the RFC has.
        self._raw += without_goaway(self._h2.data_to_send()) + goaway(self._highest, code)
        self._give_up_streams("the connection has failed")
        self._state = _CLOSING

    def _gone(self, event: h2.events.ConnectionTerminated) -> None:
        """The client opens no more streams, and wants the answers to those it has."""
        if self._state is _OPEN:
            self._state = _DRAINING

    # -- the driver --------------------------------------------------------------------------------------------------

    def events(self) -> Sequence[Event]:
        self._events += self._tunnels.events()
        if not self._events:
            return ()
        events, self._events = self._events, []
        return events

    def data_to_send(self, now: float) -> Sequence[Sendable]:
        self._now = now
        if self._state is _CLOSED:
            return ()
        if self._state is not _CLOSING:
            for outgoing in self._tunnels.fill(now):
                self._sending.add(outgoing)
            self._sending.turn(now)
            if self._eof and self._sending.stuck:
                # Who sends no more gives no window: what waits for one waits for ever.
                self._give_up_streams("the peer has left")
            self._settle()
        out: list[Sendable] = []
        data = self._raw + self._h2.data_to_send()
        self._raw = b""
        if data:
            out.append(data)
        elif self._idle is None and not self._busy:
            # Nothing is left: only now has the client the whole response, and its time begins.
            self._idle = now + self._settings.keep_alive
        if self._state is _CLOSING:
            out.append(b"")
            self._state = _CLOSED
        return out

    def _settle(self) -> None:
        """What follows from there being no window for bodies, and from there being no streams."""
        self._bodies.stand_still(self._h2.inbound_flow_control_window < FRAME, self._now)
        if self._state is _DRAINING and not self._busy and self._last_word is None:
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        self._goaway(self._highest, NO_ERROR)
        self._state = _CLOSING

    def _goaway(self, last: int, code: ErrorCodes) -> None:
        self._raw += self._h2.data_to_send() + goaway(last, code)

    @property
    def _is_idle(self) -> bool:
        """Nothing runs, and no header block has begun to come."""
        return not self._busy and self._frames.due is None

    # -- time --------------------------------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        if self._state is _CLOSING or self._state is _CLOSED:
            return None
        candidates = (
            self._frames.due, self._last_word, self._bodies.deadline(), self._tunnels.deadline(),
            self._sending.deadline(),
        )  # fmt: skip
        times = [time for time in candidates if time is not None]
        if self._is_idle and self._idle is not None:
            times.append(self._idle)
        return min(times) if times else None

    def expire(self, now: float) -> None:
        self._now = now
        if self._state is _CLOSING or self._state is _CLOSED:
            return
        if self._frames.due is not None and now >= self._frames.due:
            self._fail("a header block that comes too slowly", ErrorCodes.ENHANCE_YOUR_CALM)
            return
        try:
            self._end_slow_streams(now)
        except ConnectionFailure as failure:
            self._fail(str(failure), failure.code)
            return
        self._tunnels.expire(now)
        self._say_last_word()
        if self._is_idle and self._idle is not None and now >= self._idle:
            self._say_goodbye()
        self._settle()

    def drain(self, until: float, now: float) -> None:
        self._now = now
        if self._state is _CLOSING or self._state is _CLOSED:
            return
        self._until = until
        if self._state is _OPEN:
            self._state = _DRAINING
            self._goaway(ALL_STREAMS, NO_ERROR)
            # An idle one may bring one more request until then; one that is busy is told after a round trip.
            self._last_word = until if not self._busy else min(max(until, now), now + GRACE)
        elif self._last_word is not None:
            self._last_word = min(self._last_word, until)
        self._tunnels.drain(until, now)
        self._say_last_word()
        self._settle()

    def _say_last_word(self) -> None:
        """The second GOAWAY of a drain, when it is due."""
        if self._last_word is not None and self._now >= self._last_word:
            self._last_word = None
            self._last = self._highest
            if self._busy:
                self._goaway(self._highest, NO_ERROR)
