"""Makes frames of what is to be sent: as windows let it, in the order of priorities, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable

import h2.connection
import h2.exceptions

from .guard import Guard
from .outgoing import Outgoing
from .priority import Order

BATCH = 65536
"""Bytes of DATA made in one turn."""


class Sending:
    """The streams of one connection that have something to send. ``broken`` is told of one that cannot go on."""

    __slots__ = ("_broken", "_guard", "_h2", "_order", "_waiting", "stalled")

    def __init__(
        self, library: h2.connection.H2Connection, guard: Guard, broken: Callable[[Outgoing, str], None]
    ) -> None:
        self._h2 = library
        self._guard = guard
        self._broken = broken
        self._order = Order()
        self._waiting: dict[int, Outgoing] = {}
        self.stalled: float | None = None
        """Since when there is something to send and no window for it."""

    def add(self, outgoing: Outgoing) -> None:
        self._waiting[outgoing.stream] = outgoing

    def drop(self, stream: int) -> None:
        self._waiting.pop(stream, None)

    def turn(self, now: float) -> None:
        """Make frames until the batch is full, or nobody has a window."""
        room = BATCH
        waiting = self._waiting
        blocked: set[int] = set()
        while room > 0:
            able = {stream: one.priority for stream, one in waiting.items() if stream not in blocked}
            if not able:
                break
            for stream in self._order.of(able):
                outgoing = waiting.get(stream)
                if outgoing is None:
                    continue
                sent = self._send_some(outgoing, room)
                if sent is None:
                    blocked.add(stream)
                    continue
                room -= sent
                self._order.served(stream, outgoing.priority)
                if room <= 0 or not outgoing.priority.incremental:
                    break  # one that is not goes on before others have their turn
        self.stalled = (self.stalled or now) if blocked and len(blocked) == len(waiting) else None

    def _send_some(self, outgoing: Outgoing, room: int) -> int | None:
        """One frame of a stream, and its end. How many bytes of content; None: it has no window."""
        stream = outgoing.stream
        sent = 0
        try:
            if outgoing.queued:
                window = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size, room)
                if window <= 0:
                    return None
                piece = outgoing.take(window)
                if piece is None:
                    self.drop(stream)
                    self._broken(outgoing, "a file ended before the announced length")
                    return 0
                sent = len(piece)
                ends = outgoing.ends and not outgoing.queued
                self._h2.send_data(stream, piece, end_stream=ends and not outgoing.trailers)
                self._guard.earns_windows()
            else:
                ends = outgoing.ends
                if ends and not outgoing.trailers:
                    self._h2.end_stream(stream)
            if ends and outgoing.trailers:
                self._h2.send_headers(stream, outgoing.trailers, end_stream=True)
        except h2.exceptions.ProtocolError as error:
            self.drop(stream)
            self._broken(outgoing, str(error))
            return sent
        if not outgoing.queued:
            self.drop(stream)
        if ends:
            outgoing.sent()
        elif outgoing.below_mark:
            outgoing.resume()
        return sent
