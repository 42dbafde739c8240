"""What was measured, and what is made of it: medians with their spread, and ratios of what was measured in one round.

The machine changes its speed from minute to minute, so two servers are compared within a round, a minute or so
apart, and the median is taken over the rounds' ratios, never the ratio of two medians.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One server under one load in one round."""

    rate: float
    """Requests a second."""
    cpu: float
    """Microseconds of processor time per request."""
    p50: float
    p99: float
    """Latency in microseconds."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of several figures, and the smallest and largest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        numbers = list(values)
        return cls(statistics.median(numbers), min(numbers), max(numbers))


@dataclass(frozen=True, slots=True)
class Row:
    """One server under one load, over all rounds."""

    name: str
    interface: str
    connections: int
    rate: Spread
    cpu: Spread
    p50: Spread
    p99: Spread
    faster: Spread
    """The baseline's requests a second, divided by this server's of the same round."""
    leaner: Spread
    """This server's processor time per request, divided by the baseline's of the same round."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def row(name: str, interface: str, connections: int, mine: list[Figure], baseline: list[Figure]) -> Row:
    """Compare the figures of one server with the baseline's, round by round."""
    pairs = list(zip(mine, baseline, strict=True))
    return Row(
        name,
        interface,
        connections,
        rate=Spread.of(one.rate for one in mine),
        cpu=Spread.of(one.cpu for one in mine),
        p50=Spread.of(one.p50 for one in mine),
        p99=Spread.of(one.p99 for one in mine),
        faster=Spread.of(base.rate / one.rate for one, base in pairs),
        leaner=Spread.of(one.cpu / base.cpu for one, base in pairs),
    )
