"""The arithmetic of a comparison, on known figures: medians, spreads, and ratios within a round."""

from __future__ import annotations

import pytest
from comparison.figures import METRICS, Spread, Table, ratios, table


def rounds(**values: tuple[float, ...]) -> list[dict[str, float]]:
    return [dict(zip(values, one, strict=True)) for one in zip(*values.values(), strict=True)]


@pytest.mark.parametrize(
    ("values", "spread"),
    [
        ((3.0,), Spread(3, 3, 3)),
        ((5.0, 1.0, 2.0), Spread(2, 1, 5)),
        ((1.0, 2.0, 3.0, 10.0), Spread(2.5, 1, 10)),
    ],
)
def test_a_spread_is_the_median_the_least_and_the_most(values: tuple[float, ...], spread: Spread) -> None:
    assert Spread.of(values) == spread


def test_ratios_are_taken_within_a_round() -> None:
    # The machine is four times slower in the second round: that is in the rates, and not in the ratios.
    peer = rounds(rate=(50, 12.5, 25), cpu=(40, 40, 60))
    base = rounds(rate=(100, 25, 100), cpu=(20, 20, 20))
    found = table("name", "title", {"asteri": base, "peer": peer}, "asteri").rows[1]
    assert found.figures["rate"] == Spread(25, 12.5, 50)
    assert found.ratios["rate"] == Spread(0.5, 0.25, 0.5)
    assert found.ratios["cpu"] == Spread(2, 2, 3)


def test_the_median_of_ratios_is_not_the_ratio_of_medians() -> None:
    assert ratios(rounds(cpu=(1, 10, 100)), rounds(cpu=(10, 1, 100)))["cpu"] == Spread(1, 0.1, 10)
    assert ratios(rounds(cpu=(1, 9, 8)), rounds(cpu=(10, 10, 2)))["cpu"] == Spread(0.9, 0.1, 4)


def test_the_baseline_is_as_good_as_itself() -> None:
    [row] = table("name", "title", {"asteri": rounds(rate=(3, 4), p99=(1, 2))}, "asteri").rows
    assert row.ratios == {"rate": Spread(1, 1, 1), "p99": Spread(1, 1, 1)}


@pytest.mark.parametrize(("mine", "base"), [((0.0, 1.0), (1.0, 1.0)), ((1.0, 1.0), (1.0, 0.0))])
def test_there_is_no_ratio_of_nothing(mine: tuple[float, ...], base: tuple[float, ...]) -> None:
    assert ratios(rounds(idle_memory=mine), rounds(idle_memory=base)) == {}


def test_there_are_no_ratios_without_a_baseline() -> None:
    [row] = table("name", "title", {"peer": rounds(rate=(1,))}, None).rows
    assert row.ratios == {}


def test_a_table_shows_only_what_was_measured() -> None:
    one = table("name", "title", {"asteri": rounds(rate=(1,), cpu=(1,))}, "asteri")
    assert [metric.key for metric in one.metrics()] == ["rate", "cpu"]


def test_a_table_survives_being_written_and_read() -> None:
    figures = {"asteri": rounds(rate=(1, 2), memory=(3, 4)), "peer": rounds(rate=(5, 6), memory=(7, 8))}
    one = table("name", "title", figures, "asteri", {"asteri": True, "peer": False}, {"other": "not installed"})
    assert Table.from_dict(one.as_dict()) == one


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("rate", 12345.6, "12346"),
        ("cpu", 0.00000875, "8.75"),
        ("p99", 0.0125, "12.50"),
        ("memory", 3.5 * 1024 * 1024, "3.5"),
        ("idle_memory", 1536, "1.50"),
    ],
)
def test_figures_are_shown_in_their_unit(key: str, value: float, shown: str) -> None:
    [metric] = [one for one in METRICS if one.key == key]
    assert metric.show(value) == shown
