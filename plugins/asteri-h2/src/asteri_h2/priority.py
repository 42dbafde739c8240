"""Priorities of responses (RFC 9218): what the client says, and the order that follows from it.

Urgency first, 0 is the most urgent. Among equals, those that are of use only when whole come one after the other in the
order of their streams, and those that are incremental share, a frame each in turn.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_URGENCY = re.compile(rb"[0-7]")
_LIMIT = 256
"""Bytes of a priority that are looked at: two parameters need a dozen."""


class Priority(NamedTuple):
    """What is asked for one response."""

    urgency: int = 3
    incremental: bool = False


DEFAULT = Priority()


def read_priority(value: bytes) -> Priority:
    """The parameters ``u`` and ``i`` of a Priority field. What is not understood is as if it were not there."""
    urgency, incremental = DEFAULT
    for member in value[:_LIMIT].split(b","):
        name, equals, said = member.partition(b";")[0].strip(b" \t").partition(b"=")
        if name == b"u" and _URGENCY.fullmatch(said):
            urgency = int(said)
        elif name == b"i" and (not equals or said in (b"?0", b"?1")):
            incremental = said != b"?0"
    return Priority(urgency, incremental)


class Order:
    """The streams that have something to send."""

    __slots__ = ("_turn",)

    def __init__(self) -> None:
        self._turn = 0
        """The incremental stream that was served last: the next one begins."""

    def of(self, waiting: dict[int, Priority]) -> list[int]:
        """The streams in the order in which they are served."""
        if len(waiting) < 2:
            return list(waiting)
        last = self._turn
        return sorted(
            waiting, key=lambda stream: (waiting[stream], waiting[stream].incremental and stream <= last, stream)
        )

    def served(self, stream: int, priority: Priority) -> None:
        """An incremental stream has had its frame."""
        if priority.incremental:
            self._turn = stream
