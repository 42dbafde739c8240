"""What is to be sent on one stream: pieces in order, and whether the stream ends behind them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence

from asteri_core.api import FileSlice, Header, Sendable

from .priority import DEFAULT, Priority

OUTPUT_MARK = 65536
"""Unsent bytes of a stream at which whoever sends is asked to wait."""


def _nobody() -> None:
    """Nobody waits."""


class Outgoing:
    """The queue of one stream. ``resume`` is called when it is below its mark again, ``sent`` when all has left."""

    __slots__ = ("_pieces", "ends", "priority", "queued", "resume", "sent", "stream", "trailers")

    def __init__(self, stream: int, priority: Priority = DEFAULT) -> None:
        self.stream = stream
        self.priority = priority
        self.queued = 0
        self.ends = False
        self.trailers: Sequence[Header] = ()
        self.resume: Callable[[], None] = _nobody
        self.sent: Callable[[], None] = _nobody
        self._pieces: deque[Sendable] = deque()

    @property
    def below_mark(self) -> bool:
        return self.queued < OUTPUT_MARK

    def put(self, data: Sendable, size: int) -> None:
        self._pieces.append(data)
        self.queued += size

    def clear(self) -> None:
        self._pieces.clear()
        self.queued = 0

    def take(self, room: int) -> bytes | None:
        """At most ``room`` bytes from the front of the queue, where there are any.

        None: they cannot be had, since a file is shorter than announced, or cannot be read.
        """
        piece = self._pieces[0]
        size = piece.length if isinstance(piece, FileSlice) else len(piece)
        count = min(size, room)
        if isinstance(piece, FileSlice):
            try:
                data = os.pread(piece.file.fileno(), count, piece.offset)
            except OSError:
                return None
            if len(data) < count:
                return None
            rest: Sendable = FileSlice(piece.file, piece.offset + count, size - count)
        else:
            view = memoryview(piece)
            data, rest = bytes(view[:count]), view[count:]
        if count == size:
            self._pieces.popleft()
        else:
            self._pieces[0] = rest
        self.queued -= count
        return data
