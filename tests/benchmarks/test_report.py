"""Tables are shown: as text, Markdown, JSON that can be read again, and a picture."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from comparison import plot, report
from comparison.figures import Figure, Table, table

RUN = Path(__file__).parents[2] / "benchmarks" / "run.py"
FACTS = {"python": "CPython", "measured": "2 rounds of 1 s"}


@pytest.fixture
def one() -> Table:
    def figure(rate: float, cpu: float) -> Figure:
        return {"rate": rate, "cpu": cpu * 1e-6, "user": cpu * 0.4e-6, "system": cpu * 0.6e-6}

    rounds = {
        "asteri sync": [figure(1000, 10), figure(1100, 10), figure(900, 20)],
        "peer <&> |": [figure(500, 20), figure(550, 30), figure(450, 40)],
    }
    left_out = {"other": "not installed: other"}
    return table("wsgi", "WSGI, 40 connections", rounds, "asteri sync", {"peer <&> |": False}, left_out)


def test_text_has_medians_spreads_and_ratios(one: Table) -> None:
    lines = report.text(one).splitlines()
    assert re.split(r"  +", lines[1]) == ["server", "requests/s", "CPU µs/request", "user µs", "system µs"]
    assert re.split(r"  +", lines[3]) == [
        *("peer <&> | (no Date)", "500 (450 - 550) x0.50", "30.00 (20.00 - 40.00) x2.00", "12.00", "18.00")
    ]
    assert lines[4:] == ["x is the ratio to asteri sync in the same rounds", "left out: other: not installed: other"]


def test_markdown_has_a_table_for_each_scenario(one: Table) -> None:
    page = report.markdown(FACTS, [one, one], "plot.svg").splitlines()
    assert page[:4] == [
        "- python: CPython",
        "- measured: 2 rounds of 1 s",
        "",
        "![Processor time per request](plot.svg)",
    ]
    assert page.count("### WSGI, 40 connections") == 2
    rows = [line for line in page if line.startswith("|")]
    assert len(rows) == 2 * 4
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}


def test_what_was_written_as_json_can_be_read(one: Table) -> None:
    assert report.from_json(report.as_json(FACTS, [one])) == (FACTS, [one])


def test_the_picture_has_a_bar_for_each_server_in_scale(one: Table) -> None:
    picture = ElementTree.fromstring(plot.svg([one]))
    space = "{http://www.w3.org/2000/svg}"
    bars = [float(bar.attrib["width"]) for bar in picture.iter(f"{space}rect")][1:]
    # Of 40, the largest figure of all: a median of 10 and one of 30.
    assert bars == [pytest.approx(plot.BARS / 4), pytest.approx(plot.BARS * 3 / 4)]
    words = [element.text for element in picture.iter(f"{space}text")]
    assert words == ["WSGI, 40 connections: CPU µs/request", "asteri sync", "10.00", "peer <&> |", "30.00 (x2.00)"]


def test_a_picture_of_what_nobody_has_is_empty(one: Table) -> None:
    assert ElementTree.fromstring(plot.svg([one], "idle_memory")).attrib["height"] == "0"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run((sys.executable, str(RUN), *arguments), capture_output=True, text=True, check=False)


def test_scenarios_and_who_takes_part_are_listed() -> None:
    result = run("--list", "--scenario", "wsgi-threads", "asgi-1m*")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("wsgi-threads: WSGI, 500 B, 4 threads\n    asteri gthread, 4 threads")
    assert [line for line in result.stdout.splitlines() if line.startswith("asgi")] == [
        "asgi-1ms: ASGI, 500 B after an await of 1 ms"
    ]
    assert "hypercorn, uvloop" in result.stdout


def test_a_scenario_that_is_not_there_is_told_with_those_that_are() -> None:
    result = run("--list", "--scenario", "nothing")
    assert result.returncode == 1
    assert "wsgi-500b-40" in result.stderr


def test_several_files_are_shown_as_one(one: Table, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).write_text(report.as_json({"python": name}, [one]), "utf-8")
    files = [str(tmp_path / name) for name in ("first", "second")]
    result = run("--read", *files, "--json", str(tmp_path / "both"), "--markdown", str(tmp_path / "page.md"),
                 "--plot", str(tmp_path / "plot.svg"))  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert report.from_json((tmp_path / "both").read_text("utf-8")) == ({"python": "first"}, [one, one])
    assert "](plot.svg)" in (tmp_path / "page.md").read_text("utf-8")
    ElementTree.parse(tmp_path / "plot.svg")
