"""What a load generator saw, whichever it was."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """Whole answers, all bytes, the seconds that it took, and latencies in microseconds, 0 where they are not known."""

    requests: int
    bytes: int
    seconds: float
    p50: float = 0.0
    p99: float = 0.0
