"""A session is the byte stream of one peer: the connection that owns it now, and the hand-over to the next one.

`Switched` is handled here and nowhere else: the router to a protocol, HTTP/1.1 to WebSocket, a stage to what it
carries. A session is itself a `Connection`, so a stage (TLS, the PROXY header) drives the stream inside it by holding
another session. It adds nothing to the bytes and knows no protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .connection import Connection, Event, Sendable, Switched


class Session:
    """Drives one connection after the other on one byte stream."""

    __slots__ = ("_drain", "_eof", "connection", "data_to_send", "deadline", "now", "wake_callback")

    def __init__(self, connection: Connection, now: float, wake: Callable[[], None]) -> None:
        self.now = now
        self.wake_callback = wake
        self._eof = False
        self._drain: float | None = None
        self._adopt(connection)

    def _adopt(self, connection: Connection) -> None:
        self.connection = connection
        connection.wake = self.wake_callback
        # The two calls that are made most go straight to the connection.
        self.data_to_send: Callable[[float], Sequence[Sendable]] = connection.data_to_send
        self.deadline: Callable[[], float | None] = connection.deadline

    @property
    def wake(self) -> Callable[[], None]:
        return self.wake_callback

    @wake.setter
    def wake(self, callback: Callable[[], None]) -> None:
        self.wake_callback = callback
        self.connection.wake = callback

    @property
    def wants_data(self) -> bool:
        return self.connection.wants_data

    def receive_data(self, data: bytes, now: float) -> None:
        self.now = now
        self.connection.receive_data(data, now)

    def receive_eof(self, now: float) -> None:
        self.now = now
        self._eof = True
        self.connection.receive_eof(now)

    def lost(self, now: float) -> None:
        self.now = now
        self.connection.lost(now)

    def expire(self, now: float) -> None:
        self.now = now
        self.connection.expire(now)

    def drain(self, until: float, now: float) -> None:
        self.now = now
        self._drain = until
        self.connection.drain(until, now)

    def events(self) -> Sequence[Event]:
        """The events of the current connection; a `Switched` among them has been acted on and is not passed on."""
        events = self.connection.events()
        if not events or type(events[-1]) is not Switched:
            return events
        passed: list[Event] = []
        while events and type(events[-1]) is Switched:
            passed.extend(events[:-1])
            self._switch(events[-1])
            events = self.connection.events()
        passed.extend(events)
        return passed

    def _switch(self, event: Switched) -> None:
        self._adopt(event.connection)
        if event.leftover:
            self.connection.receive_data(event.leftover, self.now)
        if self._eof:
            self.connection.receive_eof(self.now)
        if self._drain is not None:
            self.connection.drain(self._drain, self.now)
