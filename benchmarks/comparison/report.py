"""Shows tables of a comparison: aligned for a terminal, as Markdown, and as JSON, which can be read again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from .figures import Metric, Row, Spread, Table


def cell(row: Row, metric: Metric) -> str:
    """Median, smallest and largest of a figure, and its ratio to the baseline's."""
    spread, ratio = row.figures.get(metric.key), row.ratios.get(metric.key)
    if spread is None:
        return ""
    if metric.brief:
        return metric.show(spread.median)
    shown = f"{metric.show(spread.median)} ({metric.show(spread.low)} - {metric.show(spread.high)})"
    return shown if ratio is None else f"{shown} x{ratio_text(ratio)}"


def ratio_text(ratio: Spread) -> str:
    return f"{ratio.median:.2f}"


def lines(table: Table) -> list[list[str]]:
    """The cells of a table, with a head."""
    metrics = table.metrics()
    body = [
        [row.server + ("" if row.dated else " (no Date)"), *(cell(row, one) for one in metrics)] for row in table.rows
    ]
    return [["server", *(metric.title for metric in metrics)], *body]


def notes(table: Table) -> list[str]:
    """What has to be said below a table."""
    compared = [f"x is the ratio to {table.baseline} in the same rounds"] if table.baseline is not None else []
    return compared + [f"left out: {server}: {reason}" for server, reason in table.left_out.items()]


def text(table: Table) -> str:
    cells = lines(table)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    aligned = ["  ".join(one.ljust(width) for one, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([table.title, *aligned, *notes(table), ""])


def markdown(facts: Mapping[str, str], tables: Sequence[Table], plot: str | None = None) -> str:
    """A page without a title. ``plot`` is the address of a picture of the same figures."""
    page = [f"- {name}: {value}" for name, value in facts.items()] + [""]
    if plot is not None:
        page += [f"![Processor time per request]({plot})", ""]
    for table in tables:
        head, *body = lines(table)
        page += [f"### {table.title}", "", _line(head), _line(["---"] * len(head)), *map(_line, body), ""]
        page += [f"- {note}" for note in notes(table)] + [""]
    return "\n".join(page)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(one.replace('|', chr(92) + '|') for one in cells)} |"


def as_json(facts: Mapping[str, str], tables: Sequence[Table]) -> str:
    known = {"facts": dict(facts), "tables": [table.as_dict() for table in tables]}
    return json.dumps(known, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> tuple[dict[str, str], list[Table]]:
    """The inverse of `as_json`."""
    known = json.loads(text)
    return known["facts"], [Table.from_dict(table) for table in known["tables"]]
