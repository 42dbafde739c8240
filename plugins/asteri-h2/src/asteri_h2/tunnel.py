"""Another protocol within a stream (RFC 8441): the stream drives its connection as a reactor does.

DATA of the client goes in, what comes out is DATA; END_STREAM is the end of either direction. The window of what came
in is given back as long as the inner connection wants more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from asteri_core.api import RESET, Connection, Event, FileSlice, Session

from .outgoing import Outgoing


class Tunnel:
    """One such stream. ``acknowledge`` gives a window back; ``changed`` says that there may be something to send."""

    def __init__(
        self,
        outgoing: Outgoing,
        connection: Connection,
        now: float,
        acknowledge: Callable[[int, int], None],
        reset: Callable[[int], None],
        wake: Callable[[], None],
    ) -> None:
        self.outgoing = outgoing
        self._session = Session(connection, now, wake)
        self._acknowledge = acknowledge
        self._reset = reset
        self.held = 0
        """Bytes that came in while no more were wanted."""
        self.heard_all = False
        """Whether the client has ended its side."""

    @property
    def stream(self) -> int:
        return self.outgoing.stream

    def receive_data(self, data: bytes, now: float) -> None:
        self.held += len(data)
        if data:
            self._session.receive_data(data, now)
        self._give_back()

    def receive_eof(self, now: float) -> None:
        self.heard_all = True
        self._session.receive_eof(now)

    def lost(self, now: float) -> None:
        self._session.lost(now)

    def events(self) -> Sequence[Event]:
        return self._session.events()

    def _give_back(self) -> None:
        if self.held and self._session.wants_data:
            held, self.held = self.held, 0
            self._acknowledge(self.stream, held)

    def fill(self, now: float) -> bool:
        """Take what the inner connection has to send, once what it gave before has left. True if there is any."""
        self._give_back()
        outgoing = self.outgoing
        if outgoing.queued or outgoing.ends:
            return False
        pieces = self._session.data_to_send(now)
        for piece in pieces:
            if isinstance(piece, FileSlice):
                outgoing.put(piece, piece.length)
            elif len(piece):
                outgoing.put(piece, len(piece))
            elif piece is RESET:
                self._reset(self.stream)
                return False
            else:
                outgoing.ends = True
        return bool(pieces)

    def deadline(self) -> float | None:
        return self._session.deadline()

    def expire(self, now: float) -> None:
        self._session.expire(now)

    def drain(self, until: float, now: float) -> None:
        self._session.drain(until, now)


class Tunnels(dict[int, Tunnel]):
    """Those of one connection, by stream."""

    def events(self) -> list[Event]:
        return [event for tunnel in list(self.values()) for event in tunnel.events()]

    def fill(self, now: float) -> Iterator[Outgoing]:
        """What has something to send that it had not before."""
        for tunnel in list(self.values()):
            if tunnel.fill(now):
                yield tunnel.outgoing

    def receive_eof(self, now: float) -> None:
        for tunnel in list(self.values()):
            tunnel.receive_eof(now)

    def deadline(self) -> float | None:
        return min((due for tunnel in self.values() if (due := tunnel.deadline()) is not None), default=None)

    def expire(self, now: float) -> None:
        for tunnel in list(self.values()):
            tunnel.expire(now)

    def drain(self, until: float, now: float) -> None:
        for tunnel in list(self.values()):
            tunnel.drain(until, now)
