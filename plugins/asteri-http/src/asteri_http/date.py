"""The Date field (RFC 9110 section 6.6.1): formatted once a second, whatever the number of responses.

Protocols read no clock. The wall clock is handed over by the plugin that binds, and only this module asks
it: the monotonic time a
connection is given may be as old as the request, which a slow application makes many seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate


class DateCache:
    """The current Date value."""

    __slots__ = ("_second", "_value", "_wall")

    def __init__(self, wall: Callable[[], float]) -> None:
        """``wall`` gives seconds since 1970."""
        self._wall = wall
        self._second = -1
        self._value = b""

    def value(self) -> bytes:
        """The date in IMF-fixdate form. The same object as long as it is the same second."""
        second = int(self._wall())
        if second != self._second:
            self._second = second
            self._value = formatdate(second, usegmt=True).encode()
        return self._value
