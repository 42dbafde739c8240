"""Many alike in the log: the first of a burst is a line, the others are a number.

What somebody outside can cause as often as he likes would fill the log otherwise. It reads no clock.
"""

from __future__ import annotations

from logging import Logger

BURST = 10.0
"""Seconds in which what is alike is counted after the first one was logged."""


class Burst:
    """``what`` is the plural of it, as in "TLS handshakes have failed"."""

    __slots__ = ("_log", "_more", "_since", "_what")

    def __init__(self, what: str, log: Logger) -> None:
        self._what = what
        self._log = log
        self._since: float | None = None
        self._more = 0

    def add(self, now: float, text: str) -> None:
        """One more; ``text`` says who and why."""
        self.look(now)
        if self._since is None:
            self._since = now
            self._log.info("%s, %s", self._what, text)
        else:
            self._more += 1

    def look(self, now: float) -> None:
        """To be called now and then: ends a burst that is over."""
        if self._since is not None and now >= self._since + BURST:
            if self._more:
                self._log.info("%s %d times more in %.0f seconds", self._what, self._more, now - self._since)
            # One that goes on is counted from here, and has had its first line.
            self._since = now if self._more else None
            self._more = 0
