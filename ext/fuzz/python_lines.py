"""`Lines`, the protocol of ``native_lines.c`` in Python: what it answers, and what may be called when, are the same.

It watches its driver: what is called in a state in which nothing may be called is told to ``wrong``. And it can fail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import EllipsisType

from asteri_core.api import CLOSE, RESET, Event, FileSlice, Finished, Peer, Sendable, Started

NEVER = float("inf")


class Line:
    """One line, which is one request."""

    def __init__(self, connection: Lines, target: bytes) -> None:
        self.connection = connection
        self.target = target

    def answer(self, data: bytes) -> None:
        """The whole answer in one piece, which is usual; now and then not of the usual type."""
        self.hand_out(bytearray(data) if len(data) % 3 == 0 else data)

    def hand_out(self, *pieces: Sendable | tuple[object, int, int] | EllipsisType | None) -> None:
        """The whole answer; None for a reset behind it, ... for a close."""
        connection = self.connection
        if connection.line is not self or connection.ending:
            raise ConnectionError("the line is over")
        for piece in pieces:
            item = FileSlice(*piece) if isinstance(piece, tuple) else piece
            item = RESET if item is None else CLOSE if item is ... else item
            connection.pieces.append(item)  # type: ignore[arg-type]
        connection.ending = True
        connection.wake()


class Lines:
    """One request at a time."""

    def __init__(self, peer: Peer, now: float, wrong: Callable[[str], None]) -> None:
        self.wake: Callable[[], None] = lambda: None
        self.peer = peer
        self.held = 0
        self.due = NEVER
        self.line: Line | None = None
        self.ending = False
        """The running line is over when its answer has been handed out."""
        self.failure: Exception | None = None
        """What is raised next, once."""
        self.unended: Line | None = None
        """The line that was running when `lost` failed: nobody can tell its end."""
        self.pieces: list[Sendable] = []
        self._wrong = wrong
        self._input = b""
        self._events: list[Event] = []
        self._eof = self._heard_eof = self._closed = self._ended = self._lost = False

    def receive_data(self, data: bytes, now: float) -> None:
        self._called("receive_data", bool(data) and not self._heard_eof)
        self._input += data
        self._begin()

    def receive_eof(self, now: float) -> None:
        self._called("receive_eof", not self._heard_eof)
        self._eof = self._heard_eof = True
        self._begin()

    def lost(self, now: float) -> None:
        self.unended, line = self.line, self.unended
        self._called("lost")
        self.unended = line
        self._lost = True
        if self.line is not None:
            self._finish(self.line)

    def events(self) -> Sequence[Event]:
        events, self._events = self._events, []
        return events

    def data_to_send(self, now: float) -> Sequence[Sendable]:
        self._called("data_to_send", not self._ended)
        pieces, self.pieces = self.pieces, []
        if self._closed:
            pieces.append(b"")
        self._ended = bool(pieces) and (pieces[-1] is RESET or pieces[-1] is CLOSE or self._closed)
        if self.ending and self.line is not None:
            self._finish(self.line)
            self._begin()
        return pieces

    @property
    def wants_data(self) -> bool:
        return not self.held

    def deadline(self) -> float | None:
        return None if self.due == NEVER else self.due

    def expire(self, now: float) -> None:
        self._called("expire")
        if now >= self.due:
            self.due = NEVER
            self._eof = True
            self._begin()

    def drain(self, until: float, now: float) -> None:
        self._called("drain")
        self._eof = True
        self._begin()

    def _begin(self) -> None:
        if self.line is not None or self._lost or self._closed or self._ended:
            return
        target, newline, rest = self._input.partition(b"\n")
        if newline:
            self._input = rest
            self.line = Line(self, target)
            self._events.append(Started(self.line))  # type: ignore[arg-type]
        elif self._eof:
            self._closed = True

    def _finish(self, line: Line) -> None:
        self.line = None
        self.ending = False
        self._events.append(Finished(line))  # type: ignore[arg-type]

    def _called(self, what: str, allowed: bool = True) -> None:
        if self._lost or not allowed:
            self._wrong(f"{what} was called when nothing may")
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
