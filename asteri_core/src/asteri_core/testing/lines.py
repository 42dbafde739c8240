"""The smallest protocol that has everything, for tests of executors: one line is one request.

A ``read`` line has a body: the next line. A status other than 200 is sent before the content. What is aborted ends
the connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ..errors import Disconnected, LocalProtocolError
from ..sansio.connection import AnyConnection, Event, Finished, Header, Peer, Sendable, Started, Want


class LineExchange:
    """One line and its answer."""

    method = "LINE"
    version = "1"
    scheme = "line"
    protocol = b""
    expects_continue = False

    def __init__(self, connection: LineConnection, target: bytes) -> None:
        self.target = target
        self.peer = connection.peer
        self.headers: list[Header] = []
        self.status = 0
        self.response_headers: Sequence[Header] = ()
        self.sent = 0
        self.body: Any = None
        self._connection = connection
        self._watchers: list[tuple[Want, Callable[[], None]]] = []

    def read(self) -> bytes | None:
        self._check()
        return self._connection.take_line() if self.target == b"read" else b""

    def respond(self, status: int, headers: Sequence[Header], reason: bytes = b"") -> None:
        self._check()
        if self.status:
            raise LocalProtocolError("a second response head")
        self.status = status
        if status != 200:
            self._connection.write(b"%d " % status)

    def retract(self) -> bool:
        if self._connection.running is self and self.status == 200 and not self.sent:
            self.status = 0
        return not self.status

    def inform(self, status: int, headers: Sequence[Header]) -> None:
        """The protocol has no interim responses."""

    def send(self, data: Sendable, end: bool = False) -> bool:
        self._check()
        assert isinstance(data, bytes)
        self.sent += len(data)
        self._connection.write(data)
        if end:
            self.finish()
        return self._connection.has_room

    def finish(self, trailers: Sequence[Header] = ()) -> None:
        self._check()
        self._connection.end(self)

    def upgrade(self, connection: AnyConnection, headers: Sequence[Header] = ()) -> AnyConnection:
        raise LocalProtocolError("a line cannot be upgraded")

    def abort(self) -> None:
        if self._connection.running is self:
            self._connection.cut()

    def watch(self, want: Want, callback: Callable[[], None]) -> bool:
        if self._connection.running is not self or self._holds(want):
            return True
        self._watchers.append((want, callback))
        return False

    def notify(self) -> None:
        """Something has changed."""
        watchers, self._watchers = self._watchers, []
        for want, callback in watchers:
            if not self.watch(want, callback):
                continue
            callback()

    def _holds(self, want: Want) -> bool:
        connection = self._connection
        if want is Want.READ:
            return connection.has_line
        return connection.has_room if want is Want.WRITE else connection.at_eof

    def _check(self) -> None:
        if self._connection.running is not self:
            raise Disconnected("the exchange is over")


class LineConnection:
    """One request at a time, in the order of the lines."""

    FLOOD: ClassVar[int] = 16 << 20
    ROOM: ClassVar[int] = 65536

    def __init__(self, peer: Peer) -> None:
        self.wake: Callable[[], None] = lambda: None
        self.peer = peer
        self.running: LineExchange | None = None
        self.at_eof = False
        self._buffer = b""
        self._events: list[Event] = []
        self._out: deque[bytes] = deque()
        self._closed = False
        self._half_closed = False

    @property
    def wants_data(self) -> bool:
        return True

    @property
    def has_line(self) -> bool:
        return b"\n" in self._buffer

    @property
    def has_room(self) -> bool:
        return sum(map(len, self._out)) < self.ROOM

    def receive_data(self, data: bytes, now: float) -> None:
        self._buffer += data
        self._advance()

    def receive_eof(self, now: float) -> None:
        self.at_eof = True
        self._advance()

    def lost(self, now: float) -> None:
        self.at_eof = True
        self.cut()

    def events(self) -> Sequence[Event]:
        events, self._events = self._events, []
        return events

    def data_to_send(self, now: float) -> Sequence[Sendable]:
        data = [b"".join(self._out)] if self._out else []
        self._out.clear()
        if self._closed and not self._half_closed:
            self._half_closed = True
            data.append(b"")
        if self.running is not None:
            self.running.notify()
        return data

    def deadline(self) -> float | None:
        return None

    def expire(self, now: float) -> None:
        """There are no deadlines."""

    def drain(self, until: float, now: float) -> None:
        self.at_eof = True
        self._advance()

    def write(self, data: bytes) -> None:
        self._out.append(data)
        self.wake()

    def take_line(self) -> bytes | None:
        """The next line, or None if it is not there yet."""
        line, newline, rest = self._buffer.partition(b"\n")
        if not newline:
            return None
        self._buffer = rest
        return line + newline

    def end(self, exchange: LineExchange) -> None:
        self.running = None
        exchange.notify()
        self._events.append(Finished(exchange))
        self._advance()
        self.wake()

    def cut(self) -> None:
        self._closed = True
        if self.running is not None:
            self.end(self.running)

    def _advance(self) -> None:
        if self.running is not None:
            self.running.notify()
        elif not self._closed and (line := self.take_line()) is not None:
            self.running = LineExchange(self, line[:-1])
            self._events.append(Started(self.running))
        elif self.at_eof:
            self._closed = True
