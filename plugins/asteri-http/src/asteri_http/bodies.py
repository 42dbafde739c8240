"""When bodies that are arriving have to have gone on, as for HTTP/1.1: a pause allowance, refilled at a minimum rate.

While the client may have no window, since the application does not read, its time stands still.
"""

from __future__ import annotations

from .settings import HttpSettings


class Bodies:
    """Of the streams of one connection; a protocol without streams has one."""

    __slots__ = ("_due", "_settings", "_still")

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._due: dict[int, float] = {}
        self._still: float | None = None
        """Since when the time of all of them stands still."""

    def begin(self, stream: int, now: float) -> None:
        """From now on the client has to send."""
        self._due.setdefault(stream, now + self._settings.body_timeout)

    def went_on(self, stream: int, size: int, blocked: bool, now: float) -> None:
        """So many bytes have come; ``blocked``: the client may have no window for more."""
        if blocked:
            self._due.pop(stream, None)
            return
        full = now + self._settings.body_timeout
        before = self._due.get(stream)
        if self._settings.body_min_rate and before is not None:
            full = min(full, before + size / self._settings.body_min_rate)
        self._due[stream] = full

    def stand_still(self, still: bool, now: float) -> None:
        """While ``still``, the client has no window for any body, since others are not read: it is not to blame."""
        if still:
            self._still = now if self._still is None else self._still
        elif self._still is not None:
            passed, self._still = now - self._still, None
            for stream in self._due:
                self._due[stream] += passed

    def end(self, stream: int) -> None:
        self._due.pop(stream, None)

    def deadline(self) -> float | None:
        return min(self._due.values()) if self._due and self._still is None else None

    def late(self, now: float) -> list[int]:
        """The streams whose time is over."""
        return [] if self._still is not None else [stream for stream, due in self._due.items() if now >= due]
