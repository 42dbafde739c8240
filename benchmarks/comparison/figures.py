"""What was measured, and what is made of it: medians with their spread, and ratios of what was measured in one round.

The machine changes its speed from minute to minute, so two servers are compared within a round, a minute or so
apart, and the median is taken over the rounds' ratios, never the ratio of two medians.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Metric:
    """One kind of figure."""

    key: str
    title: str
    unit: float
    """What a value is divided by when it is shown."""
    form: str
    """How it is shown then, for `str.format`."""
    brief: bool = False
    """Whether its median is enough, for it is a part of another figure."""

    def show(self, value: float) -> str:
        return self.form.format(value / self.unit)


METRICS = (
    Metric("rate", "requests/s", 1, "{:.0f}"),
    Metric("cpu", "CPU µs/request", 1e-6, "{:.2f}"),
    Metric("user", "user µs", 1e-6, "{:.2f}", brief=True),
    Metric("system", "system µs", 1e-6, "{:.2f}", brief=True),
    Metric("p50", "p50 ms", 1e-3, "{:.2f}"),
    Metric("p99", "p99 ms", 1e-3, "{:.2f}"),
    Metric("memory", "PSS MiB", 1024 * 1024, "{:.1f}"),
    Metric("p99_alone", "p99 ms with none idle", 1e-3, "{:.2f}"),
    Metric("idle_memory", "PSS KiB per idle connection", 1024, "{:.2f}"),
)
"""In the order in which they are shown. Values are seconds, bytes and plain numbers."""

Figure = Mapping[str, float]
"""One server in one round, by the keys of `METRICS`. Not every round has every metric."""


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
    """One server in one scenario, over all rounds."""

    server: str
    rounds: Sequence[Figure]
    figures: Mapping[str, Spread]
    ratios: Mapping[str, Spread]
    """To the baseline's figures of the same rounds, for what neither has zero of. Empty without a baseline."""
    dated: bool = True
    """Whether its answers have a Date."""


@dataclass(frozen=True, slots=True)
class Table:
    """One scenario, over all rounds."""

    name: str
    title: str
    baseline: str | None
    rows: Sequence[Row]
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Who is not among the rows, and why."""

    def metrics(self) -> list[Metric]:
        """What was measured."""
        return [metric for metric in METRICS if any(metric.key in row.figures for row in self.rows)]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> Table:
        """The inverse of `as_dict`. Spreads and ratios are made anew from the rounds."""
        rounds = {row["server"]: row["rounds"] for row in known["rows"]}
        dated = {row["server"]: row["dated"] for row in known["rows"]}
        return table(known["name"], known["title"], rounds, known["baseline"], dated, known["left_out"])


def table(
    name: str,
    title: str,
    rounds: Mapping[str, Sequence[Figure]],
    baseline: str | None,
    dated: Mapping[str, bool] | None = None,
    left_out: Mapping[str, str] | None = None,
) -> Table:
    """Compare the servers of a scenario with one of them, round by round. All have as many rounds."""
    base = rounds[baseline] if baseline is not None else []
    rows = [
        Row(
            server,
            mine,
            {metric.key: Spread.of(one[metric.key] for one in mine) for metric in METRICS if metric.key in mine[0]},
            ratios(mine, base) if base else {},
            (dated or {}).get(server, True),
        )
        for server, mine in rounds.items()
    ]
    return Table(name, title, baseline, rows, left_out or {})


def ratios(mine: Sequence[Figure], base: Sequence[Figure]) -> dict[str, Spread]:
    found = {}
    for metric in METRICS:
        pairs = [(one.get(metric.key, 0), other.get(metric.key, 0)) for one, other in zip(mine, base, strict=True)]
        if all(one > 0 and other > 0 for one, other in pairs):
            found[metric.key] = Spread.of(one / other for one, other in pairs)
    return found
