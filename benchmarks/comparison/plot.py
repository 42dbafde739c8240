"""Draws one metric of several tables as an SVG: a panel for each scenario, a bar with its spread for each server.

Each panel has a scale of its own, from zero to the largest figure in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .figures import METRICS, Metric, Row, Table

WIDTH = 860
LABELS = 230
"""Where bars begin."""
BARS = 500
"""The width of the longest bar, its spread included."""
LINE = 20
TITLE = 34
OURS, THEIRS, LIMIT = "#2f6f4f", "#9aa5b1", "#d9b44a"


def svg(tables: Sequence[Table], key: str = "cpu") -> str:
    """The picture of one metric, by its key."""
    [metric] = [one for one in METRICS if one.key == key]
    drawn = [table for table in tables if any(key in row.figures for row in table.rows)]
    parts, y = [], 0
    for table in drawn:
        parts.append(panel(table, metric, y))
        y += TITLE + LINE * len(table.rows) + LINE // 2
    style = "text{font:12px sans-serif;fill:#222}.title{font-weight:bold}.value{fill:#555}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}">\n'
        f'<style>{style}</style>\n<rect width="{WIDTH}" height="{y}" fill="#fff"/>\n' + "".join(parts) + "</svg>\n"
    )


def panel(table: Table, metric: Metric, top: int) -> str:
    rows = [row for row in table.rows if metric.key in row.figures]
    longest = max(row.figures[metric.key].high for row in rows) or 1.0
    bars = "".join(
        bar(row, metric, BARS / longest, top + TITLE + LINE * number, row.server == table.baseline)
        for number, row in enumerate(rows)
    )
    return f'<text class="title" x="8" y="{top + 24}">{escape(table.title)}: {escape(metric.title)}</text>\n{bars}'


def bar(row: Row, metric: Metric, scale: float, top: int, baseline: bool) -> str:
    spread = row.figures[metric.key]
    middle, low, high = (LABELS + value * scale for value in (spread.median, spread.low, spread.high))
    colour = OURS if row.server.startswith("asteri") else LIMIT if row.server.startswith("bare C") else THEIRS
    line, centre = top + LINE / 2, f"{top + LINE / 2:.1f}"
    label = escape(row.server)
    value = metric.show(spread.median)
    if not baseline and metric.key in row.ratios:
        value += f" (x{row.ratios[metric.key].median:.2f})"
    whisker = f"M{low:.1f} {centre}H{high:.1f}M{low:.1f} {line - 4:.1f}v8M{high:.1f} {line - 4:.1f}v8"
    return (
        f'<text x="{LABELS - 8}" y="{line + 4:.1f}" text-anchor="end">{label}</text>\n'
        f'<rect x="{LABELS}" y="{top + 3}" width="{middle - LABELS:.1f}" height="{LINE - 6}" fill="{colour}"/>\n'
        f'<path d="{whisker}" stroke="#222"/>\n'
        f'<text class="value" x="{high + 6:.1f}" y="{line + 4:.1f}">{value}</text>\n'
    )
