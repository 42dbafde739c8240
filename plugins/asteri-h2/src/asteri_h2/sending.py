"""Makes frames of what is to be sent: as windows let it, in the order of priorities, a batch at a time.

A client that gives no window holds an application that waits for it. So each stream that has none gets a time, refilled
by what it takes at a minimum rate; one whose time is over is `late`. Time in which a stream only waits for its turn
does not count. One that has a window, where the connection has none left, is refilled by its share of what others take.
"""

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

    __slots__ = ("_blocked", "_broken", "_due", "_guard", "_h2", "_order", "_rate", "_timeout", "_turned", "_waiting")

    def __init__(
        self,
        library: h2.connection.H2Connection,
        guard: Guard,
        timeout: float,
        rate: int,
        broken: Callable[[Outgoing, str], None],
    ) -> None:
        """``timeout`` is in seconds, ``rate`` in bytes a second; 0 takes any byte for enough."""
        self._h2 = library
        self._guard = guard
        self._broken = broken
        self._order = Order()
        self._waiting: dict[int, Outgoing] = {}
        self._timeout = timeout
        self._rate = rate
        self._blocked: set[int] = set()
        """Those that had no window in the last turn."""
        self._due: dict[int, float] = {}
        """When they, and those that had none before, have to have taken more."""
        self._turned = 0.0
        """When the last turn was."""

    def add(self, outgoing: Outgoing) -> None:
        self._waiting[outgoing.stream] = outgoing

    def drop(self, stream: int) -> None:
        self._waiting.pop(stream, None)
        self._blocked.discard(stream)
        self._due.pop(stream, None)

    @property
    def stuck(self) -> bool:
        """Whether there is something to send, and no window for any of it."""
        return bool(self._blocked) and len(self._blocked) == len(self._waiting)

    def deadline(self) -> float | None:
        return min((self._due[stream] for stream in self._blocked), default=None)

    def late(self, now: float) -> list[int]:
        """The streams whose time is over. One that has got a window since the last turn waits for the driver alone."""
        over = [stream for stream in self._blocked if now >= self._due[stream]]
        for stream in [stream for stream in over if self._has_window(stream)]:
            self._blocked.discard(stream)
            over.remove(stream)
        return over

    def _has_window(self, stream: int) -> bool:
        try:
            return self._h2.local_flow_control_window(stream) > 0
        except h2.exceptions.ProtocolError:
            return False

    def turn(self, now: float) -> None:
        """Make frames until the batch is full, or nobody has a window."""
        room = BATCH
        waiting = self._waiting
        blocked = self._blocked
        if self._due:
            self._pause(now)
        self._turned = now
        blocked.clear()
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
                    self._due.setdefault(stream, now + self._timeout)
                    continue
                self._took(stream, sent, now)
                room -= sent
                self._order.served(stream, outgoing.priority)
                if room <= 0 or not outgoing.priority.incremental:
                    break  # one that is not goes on before others have their turn

        if blocked and room < BATCH:
            self._share(BATCH - room, now)

    def _pause(self, now: float) -> None:
        """Since the last turn, those that had a window then have waited for others, not for the client."""
        for stream in [stream for stream in self._due if stream not in self._blocked]:
            self._due[stream] = min(now + self._timeout, self._due[stream] + now - self._turned)

    def _share(self, taken: int, now: float) -> None:
        """So many bytes went to streams that left no window of the connection to others, who are not to blame."""
        if self._h2.outbound_flow_control_window > 0:
            return
        streams = self._h2.streams
        starved = [stream for stream in self._blocked if streams[stream].outbound_flow_control_window > 0]
        for stream in starved:
            self._took(stream, taken / len(starved), now)

    def _took(self, stream: int, sent: float, now: float) -> None:
        """So many bytes found a window."""
        before = self._due.get(stream)
        if before is not None and sent:
            full = now + self._timeout
            self._due[stream] = min(full, before + sent / self._rate) if self._rate else full

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
                self._guard.earns_answers(sent, bool(outgoing.queued))
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
