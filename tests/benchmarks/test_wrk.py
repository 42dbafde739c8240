"""What wrk prints is read, and refused when an answer was bad or the bytes do not fit the answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from comparison.client import BadAnswer
from comparison.loads import Load
from comparison.scenarios import Scenario
from comparison.wrk import check_bytes, command, read

PRINTED = """\
Running 3s test @ http://127.0.0.1:8000/
  117000 requests in 3.00s, 70.00MB read

figures requests=117000 bytes=70200000 duration=3000500 p50=950 p99=2100 connect=0 read=0 write=0 timeout=0 \
status=0 wrong=0
"""


def scenario(**changes: object) -> Scenario:
    return Scenario(name="one", title="One", interface="wsgi", application="plain_wsgi:small", **changes)  # type: ignore[arg-type]


def test_the_figures_are_read() -> None:
    assert read(PRINTED) == Load(117000, 70200000, 3.0005, 950, 2100)


@pytest.mark.parametrize("trouble", ["connect", "read", "write", "timeout", "status", "wrong"])
def test_a_load_with_bad_answers_is_refused(trouble: str) -> None:
    with pytest.raises(BadAnswer, match=f"answered well: 5 {trouble}"):
        read(PRINTED.replace(f"{trouble}=0", f"{trouble}=5"))


def test_a_load_without_answers_is_refused() -> None:
    with pytest.raises(BadAnswer, match="no request was answered"):
        read(PRINTED.replace("requests=117000", "requests=0"))


def test_what_wrk_complains_of_is_shown() -> None:
    with pytest.raises(BadAnswer, match="unable to connect"):
        read("unable to connect to 127.0.0.1:8000 Connection refused\n")


@pytest.mark.parametrize("count", [6000, 6100, 6000 + 40 * 16 * 60])
def test_bytes_of_whole_answers_and_of_some_under_way_fit(count: int) -> None:
    check_bytes(Load(100, count, 1, 1, 1), scenario(pipeline=16), 60)


@pytest.mark.parametrize("count", [5999, 6001 + 40 * 16 * 60])
def test_bytes_that_do_not_fit_the_answers_are_refused(count: int) -> None:
    with pytest.raises(BadAnswer, match=f"found {count}"):
        check_bytes(Load(100, count, 1, 1, 1), scenario(pipeline=16), 60)


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({}, []),
        ({"close": True}, ["close=1"]),
        ({"body": 1024}, ["body=1024"]),
        ({"pipeline": 16}, ["pipeline=16"]),
    ],
)
def test_the_script_is_told_of_the_scenario(changes: dict[str, object], options: list[str]) -> None:
    words = command(8000, scenario(connections=7, **changes), 3)
    assert words[words.index("--") + 1 :] == options
    assert {"--connections=7", "--duration=3s", "http://127.0.0.1:8000/"} <= set(words)


def test_the_script_is_told_what_to_expect() -> None:
    assert command(8000, scenario(), 1, Path("/tmp/expected"))[-1] == "expect=/tmp/expected"
