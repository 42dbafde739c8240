"""Deadlines of many peers and timers of a few: two structures, because the two are used differently.

`Deadlines` holds at most one coarse deadline for each stream, in buckets of `TICK` seconds, so that moving or removing
one costs a set operation and a closed peer leaves nothing behind. `Timers` is an exact heap for the callbacks of the
server itself. Neither reads a clock.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

TICK = 0.1
"""Width of a bucket in seconds. A deadline is met at the end of its bucket, so at most this late."""

NEVER = float("inf")


class Expiring(Protocol):
    """What can have a deadline here."""

    tick: int
    """The bucket it is in, 0 when it is in none. Kept by `Deadlines`."""


T = TypeVar("T", bound=Expiring)


class Deadlines(Generic[T]):
    """At most one deadline for each member."""

    def __init__(self) -> None:
        self._buckets: dict[int, set[T]] = {}
        self._order: list[int] = []

    def set(self, member: T, when: float) -> bool:
        """Make sure that ``member`` comes out of `due` at ``when`` or before. True if this is now the first deadline.

        A later deadline than the one already set changes nothing: the member comes out early and is set anew. That
        way the keep-alive deadline that moves with every request costs one comparison.
        """
        tick = int(when / TICK) + 1
        if member.tick:
            if member.tick <= tick:
                return False
            self.discard(member)
        member.tick = tick
        bucket = self._buckets.get(tick)
        if bucket is not None:
            bucket.add(member)
            return False
        self._buckets[tick] = {member}
        heapq.heappush(self._order, tick)
        return self._order[0] == tick

    def discard(self, member: T) -> None:
        """Forget the deadline of ``member``, if it has one."""
        if member.tick:
            bucket = self._buckets.get(member.tick)
            if bucket is not None:
                bucket.discard(member)
            member.tick = 0

    def due(self, now: float) -> list[T]:
        """Take out every member whose bucket has ended."""
        members: list[T] = []
        while self._order and self._order[0] * TICK <= now:
            for member in self._buckets.pop(heapq.heappop(self._order)):
                member.tick = 0
                members.append(member)
        return members

    def next(self) -> float:
        """When `due` may have something next; `NEVER` if nothing is set."""
        return self._order[0] * TICK if self._order else NEVER


class Timer:
    """A callback that waits for its time; `cancel` makes it never come."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback
        """None when it has been called or cancelled."""

    def cancel(self) -> None:
        self.callback = None


class Timers:
    """Exact timers in the order of their time."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()

    def add(self, when: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(when, callback)
        heapq.heappush(self._heap, (when, next(self._count), timer))
        return timer

    def run(self, now: float) -> None:
        """Call the callbacks whose time has come, not those that are set meanwhile.

        When one raises, those behind it are left for the next call.
        """
        due: list[tuple[float, int, Timer]] = []
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap))
        due.reverse()
        try:
            while due:
                timer = due.pop()[2]
                # Asked only now: the one before it may have cancelled it.
                callback, timer.callback = timer.callback, None
                if callback is not None:
                    callback()
        finally:
            for entry in due:
                heapq.heappush(self._heap, entry)

    def next(self) -> float:
        """When the first timer is due; `NEVER` if there is none."""
        while self._heap and self._heap[0][2].callback is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else NEVER
