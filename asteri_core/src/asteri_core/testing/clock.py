"""Time for a test: it goes on only when told to."""

from __future__ import annotations


class FakeClock:
    """Called, it is the time in seconds."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> float:
        """Let ``seconds`` pass; the new time."""
        self.now += seconds
        return self.now
