"""Prints the rows of a comparison: aligned for a terminal, as a table of Markdown, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from figures import Row, Spread

TITLES = (
    "server",
    "requests/s",
    "CPU µs/request",
    "p50 ms",
    "p99 ms",
    "asteri is so many times faster by rate",
    "by CPU",
)


def cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        _spread(row.rate, "{:.0f}"),
        _spread(row.cpu, "{:.1f}"),
        _spread(row.p50, "{:.2f}", 1000),
        _spread(row.p99, "{:.2f}", 1000),
        _spread(row.faster, "{:.2f}"),
        _spread(row.leaner, "{:.2f}"),
    )


def _spread(spread: Spread, form: str, unit: float = 1) -> str:
    median, low, high = (form.format(number / unit) for number in (spread.median, spread.low, spread.high))
    return f"{median} ({low} - {high})"


def groups(rows: Sequence[Row]) -> Iterable[tuple[str, list[Row]]]:
    """The rows that may be compared with each other, and what they have in common."""
    for interface, connections in dict.fromkeys((row.interface, row.connections) for row in rows):
        title = f"{interface.upper()}, {connections} connection{'s' if connections != 1 else ''}"
        yield title, [row for row in rows if (row.interface, row.connections) == (interface, connections)]


def text(rows: Sequence[Row]) -> str:
    lines: list[str] = []
    for title, members in groups(rows):
        table = [TITLES, *map(cells, members)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines += ["", title]
        lines += ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in table]
    return "\n".join(lines)


def markdown(rows: Sequence[Row]) -> str:
    lines: list[str] = []
    for title, members in groups(rows):
        lines += [f"### {title}", "", _line(TITLES), _line(["---"] * len(TITLES))]
        lines += [_line(cells(row)) for row in members]
        lines.append("")
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def as_json(facts: dict[str, str], rows: Sequence[Row]) -> str:
    return json.dumps({"facts": facts, "rows": [row.as_dict() for row in rows]}, indent=2, ensure_ascii=False) + "\n"
