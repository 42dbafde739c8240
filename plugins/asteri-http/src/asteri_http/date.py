"""The Date field (RFC 9110 section 6.6.1): formatted once a second, whatever the number of responses.

Protocols read no clock. They pass the monotonic time they were given, which only tells when a second is
over; the date itself comes from ``wall``, which the plugin hands over when it binds. So a step of the wall
clock shows after one second at most.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate


class DateCache:
    """The current Date value."""

    __slots__ = ("_expires", "_value", "_wall")

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._expires = float("-inf")
        self._value = b""

    def value(self, now: float) -> bytes:
        """The date in IMF-fixdate form, at most one second old. ``now`` is monotonic, in seconds."""
        if now >= self._expires:
            wall = self._wall()
            self._value = formatdate(wall, usegmt=True).encode()
            self._expires = now + 1.0 - wall % 1.0
        return self._value
