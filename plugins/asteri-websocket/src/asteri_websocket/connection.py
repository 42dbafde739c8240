"""An open WebSocket: what the peer's bytes and the application's messages make of it (RFC 6455 sections 5 to 7).

    OPEN ──close of ours──▶ CLOSING ──theirs, or too late──▶ ENDING ──end handed out──▶ CLOSED
      └──close of theirs (answered), an error, EOF──────────────▲
    any ──lost──▶ CLOSED

One object with two sides: the driver's is a `Connection` (`asteri_core.api`), the application's a `Conversation`
(`asteri_http.websocket`). Pings are answered here, and asked, whether the application reads or not. Messages that wait
to be read are bounded in number and in bytes; beyond that the peer is not read from.

The application's operations know no time: a deadline that they start counts from the next call that brings it.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Sequence

from asteri_core.api import (
    CLOSE,
    Disconnected,
    Event,
    Failed,
    LocalProtocolError,
    RemoteProtocolError,
    Sendable,
    Want,
)
from asteri_http.websocket import ABNORMAL, GOING_AWAY, INTERNAL_ERROR, NO_STATUS, Close, Message

from .deflate import WORTH, Packer
from .frames import Opcode, frame_head
from .messages import Ping, Pong, Reader, may_be_sent, write_close
from .settings import WebSocketSettings

OUTPUT_MARK = 65536
"""Unsent bytes at which the application is asked to wait."""
SMALL = 16384
"""A payload up to this size is copied behind its head, so that it is one piece."""
CLOSE_TIMEOUT = 10.0
"""Seconds the peer has to answer our close."""


class State(enum.Enum):
    """How far the conversation is."""

    OPEN = "open"
    CLOSING = "our close is out, theirs is due"
    ENDING = "about to end the stream"
    CLOSED = "ended or lost"


_OPEN, _CLOSING, _ENDING, _CLOSED = State.OPEN, State.CLOSING, State.ENDING, State.CLOSED


def _unheard() -> None:
    """The wake-up of a connection that nobody drives yet."""


def _weight(message: str | bytes) -> int:
    """About the bytes that a message takes. One character is enough to have a text take four for each."""
    return len(message) if type(message) is bytes or message.isascii() else 4 * len(message)


class WebSocketConnection:
    """See `asteri_core.api.Connection` and `asteri_http.websocket.Conversation` for the contracts."""

    __slots__ = (
        "_close_due", "_drain", "_due", "_end", "_events", "_failure", "_heard_all", "_held", "_last_item", "_most",
        "_most_bytes", "_now", "_out", "_packer", "_ping_due", "_pinged", "_pong", "_queue", "_queued", "_reader",
        "_settings", "_state", "_watchers", "wake", "wants_data",
    )  # fmt: skip

    def __init__(self, settings: WebSocketSettings, reader: Reader, packer: Packer | None) -> None:
        """``packer`` is there where compression was agreed upon."""
        self.wake: Callable[[], None] = _unheard
        self.wants_data = True
        self._settings = settings
        self._most, self._most_bytes = settings.ws_max_queue, settings.ws_max_size
        self._reader = reader
        self._packer = packer
        self._state = _OPEN
        self._now: float | None = None
        """The time of the last call that brought it."""
        self._events: list[Event] = []
        self._queue: deque[str | bytes] = deque()
        """Messages that wait to be read."""
        self._held = 0
        """About the bytes that they take."""
        self._end: Close | None = None
        """What is read behind them."""
        self._out: list[Sendable] = []
        self._queued = 0
        """Bytes in `_out`."""
        self._pong: bytes | None = None
        """The answer to the latest ping where much waits to be sent; those before it need none (section 5.5.3)."""
        self._failure: int | None = None
        """The code of an error of the peer's that is told when what came before it has been read and answered."""
        self._heard_all = False
        """Whether the peer sends no more. What it has said may still wait for room."""
        self._last_item: Sendable = b""
        self._watchers: dict[Want, list[Callable[[], None]]] = {}
        self._due: float | None = None
        """The earliest of those that follow, and of what `_pinged` leads to."""
        self._ping_due: float | None = None
        self._close_due: float | None = None
        self._drain: float | None = None
        self._pinged: float | None = None
        """When the peer was asked for a sign of life that it has not given since."""

    # -- the application ---------------------------------------------------------------------------------------------

    def read(self) -> Message | None:
        queue = self._queue
        if not queue:
            if self._failure is not None and self._state is _OPEN:
                self._fail(self._failure)
                self.wake()
            return self._end
        message = queue.popleft()
        self._held -= _weight(message)
        if not self.wants_data and self._state is _OPEN and self._failure is None:
            self._pinged = None  # it could not be heard meanwhile
            self._look_for_room()
            self._take()
            self._end_of_peer()
            self._settle()
            self.wake()
        return message

    def send(self, data: Message, end: bool = False) -> bool:
        if self._state is not _OPEN:
            raise Disconnected("the conversation is over")
        kind = type(data)
        if kind is Close:
            self._say_close(data)  # type: ignore[arg-type]
        elif isinstance(data, str):
            self._put(Opcode.TEXT, data.encode())
        else:
            self._put(Opcode.BINARY, data)  # type: ignore[arg-type]
        if end and self._state is _OPEN:
            self._say_close(Close())
        self.wake()
        return self._queued < OUTPUT_MARK

    def abort(self) -> None:
        if self._state is _OPEN:
            self._say_close(Close(INTERNAL_ERROR))
            self.wake()

    def watch(self, want: Want, callback: Callable[[], None]) -> bool:
        if self._end is not None or (
            self._queue or self._failure if want is Want.READ else want is Want.WRITE and self._queued < OUTPUT_MARK
        ):
            return True
        self._watchers.setdefault(want, []).append(callback)
        return False

    def _fire(self, want: Want) -> None:
        for callback in self._watchers.pop(want, ()):
            callback()

    def _put(self, opcode: Opcode, data: bytes) -> None:
        packer = self._packer
        packed = packer is not None and len(data) >= WORTH and opcode < Opcode.CLOSE
        if packed and packer is not None:
            data = packer.pack(data)
        size = len(data)
        head = frame_head(opcode, size, packed)
        if size <= SMALL:
            self._out.append(head + data)
        else:
            self._out += (head, data)
        self._queued += len(head) + size

    # -- the peer ----------------------------------------------------------------------------------------------------

    def receive_data(self, data: bytes, now: float) -> None:
        if self._now is None:
            self._begin(now)
        self._now = now
        if self._pinged is not None:
            self._pinged = None
            self._settle()
        if self._state is _OPEN or self._state is _CLOSING:
            self._reader.feed(data)
            self._take()

    def _look_for_room(self) -> None:
        self.wants_data = len(self._queue) < self._most and self._held < self._most_bytes

    def _take(self) -> None:
        """Look at what has come, as far as there is room for it."""
        following = self._reader.next
        while self.wants_data:
            try:
                message = following()
            except RemoteProtocolError as error:
                self._break(error)
                break
            kind = type(message)
            if kind is bytes or kind is str:
                if self._state is _OPEN:
                    self._queue.append(message)  # type: ignore[arg-type]
                    self._held += _weight(message)  # type: ignore[arg-type]
                    self._look_for_room()
            elif message is None:
                break
            elif kind is Ping:
                self._answer_ping(message.data)  # type: ignore[union-attr]
            elif kind is not Pong:
                self._hear_close(message)  # type: ignore[arg-type]
        if self._queue and self._watchers:
            self._fire(Want.READ)

    def _answer_ping(self, data: bytes) -> None:
        if self._queued < OUTPUT_MARK:
            self._put(Opcode.PONG, data)
        else:
            self._pong = data

    def _break(self, error: RemoteProtocolError) -> None:
        """The peer has broken the protocol. What it said before that is still read and answered, within a time."""
        self._events.append(Failed(error))
        if self._queue and self._state is _OPEN:
            self._failure = error.status
            self.wants_data = False
            self._ping_due = self._pinged = None
            self._close_due = None if self._now is None else self._now + CLOSE_TIMEOUT
            self._settle()
        else:
            self._fail(error.status)

    def _hear_close(self, close: Close) -> None:
        if self._state is _OPEN:
            self._put(Opcode.CLOSE, b"" if close.code == NO_STATUS else close.code.to_bytes(2))
        # The peer sends no more behind its close (section 5.5.1).
        self._last_item = CLOSE
        self._over(close)

    def _say_close(self, close: Close) -> None:
        """Our close goes first. What the peer still sends is not read any more."""
        if close.code != NO_STATUS and not may_be_sent(close.code):
            raise LocalProtocolError(f"a close code that cannot be sent: {close.code!r}")
        self._put(Opcode.CLOSE, write_close(close))
        if self._failure is not None:
            self._over(Close(self._failure))
            return
        self._state = _CLOSING
        self.wants_data = True
        self._ping_due = self._pinged = self._drain = None
        self._close_due = None if self._now is None else self._now + CLOSE_TIMEOUT
        self._settle()
        self._take()  # the peer's close may have come already, and have waited for room
        self._end_of_peer()

    def _fail(self, code: int) -> None:
        """Say why and end, without waiting for the peer (section 7.1.7)."""
        if self._state is _OPEN:
            self._put(Opcode.CLOSE, write_close(Close(code)))
        self._over(Close(ABNORMAL if code == INTERNAL_ERROR else code))

    def _over(self, close: Close, state: State = _ENDING) -> None:
        self._state = state
        self.wants_data = False
        if self._end is None:
            self._end = close
        self._due = self._ping_due = self._pinged = self._close_due = self._drain = None
        for want in list(self._watchers):
            self._fire(want)

    def receive_eof(self, now: float) -> None:
        self._now = now
        self._heard_all = True
        if self._failure is None:
            self._end_of_peer()
        elif self._state is _OPEN:
            self._over(Close(ABNORMAL))

    def _end_of_peer(self) -> None:
        """Whether it sends no more, once there was room for all that it has said."""
        if self._heard_all and self.wants_data and (self._state is _OPEN or self._state is _CLOSING):
            self._over(Close(ABNORMAL))

    def lost(self, now: float) -> None:
        self._now = now
        self._out.clear()
        self._queued = 0
        self._over(Close(ABNORMAL), _CLOSED)

    # -- the driver --------------------------------------------------------------------------------------------------

    def events(self) -> Sequence[Event]:
        if not self._events:
            return ()
        events, self._events = self._events, []
        return events

    def data_to_send(self, now: float) -> Sequence[Sendable]:
        if self._now is None or (self._state is _CLOSING and self._close_due is None):
            self._begin(now)
        self._now = now
        if self._pong is not None:
            pong, self._pong = self._pong, None
            if self._state is _OPEN or self._state is _CLOSING:
                self._put(Opcode.PONG, pong)
        out = self._out
        if out:
            self._out = []
            self._queued = 0
            if self._watchers:
                self._fire(Want.WRITE)
        elif self._state is not _ENDING:
            return ()
        if self._state is _ENDING:
            self._state = _CLOSED
            out += self._out
            self._out = []
            out.append(self._last_item)
        return out

    def _begin(self, now: float) -> None:
        """The time is known. What was waiting for that begins to count."""
        if self._state is _CLOSING:
            self._close_due = now + CLOSE_TIMEOUT
        elif self._state is _OPEN and self._settings.ws_ping_interval:
            self._ping_due = now + self._settings.ws_ping_interval
        self._settle()

    def _settle(self) -> None:
        """A deadline, or what it depends on, has changed."""
        times = (self._ping_due, self._silence_due(), self._close_due, self._drain)
        self._due = min((time for time in times if time is not None), default=None)

    def _silence_due(self) -> float | None:
        """When a peer that gives no sign of life is given up; not while it is us who do not read."""
        timeout = self._settings.ws_ping_timeout
        if self._pinged is None or not timeout or not self.wants_data:
            return None
        return self._pinged + timeout

    def deadline(self) -> float | None:
        return self._due

    def expire(self, now: float) -> None:
        self._now = now
        if self._due is None or now < self._due:
            return
        silence = self._silence_due()
        if self._state is _CLOSING:
            self._over(Close(ABNORMAL))
        elif self._failure is not None:
            self._fail(self._failure)
        elif self._drain is not None and now >= self._drain:
            self._say_close(Close(GOING_AWAY))
        elif silence is not None and now >= silence:
            self._events.append(Failed(RemoteProtocolError("no sign of life after a ping", INTERNAL_ERROR)))
            self._fail(INTERNAL_ERROR)
        else:
            if self._ping_due is not None and now >= self._ping_due:
                self._put(Opcode.PING, b"")
                self._ping_due = now + self._settings.ws_ping_interval
                if self._pinged is None:
                    self._pinged = now
            self._settle()

    def drain(self, until: float, now: float) -> None:
        """The application may end the conversation by itself until then; after that we do, with 1001."""
        self._now = now
        if self._state is _OPEN:
            self._drain = until if self._drain is None else min(until, self._drain)
            self._settle()
            self.expire(now)
