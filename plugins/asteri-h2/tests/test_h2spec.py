"""The public list of h2spec (https://github.com/summerwind/h2spec), whole: every case of it has to come out as it says.

The cases are written anew, and are named by their section and number in it. Where the list takes an error of the
connection for one of a stream, so does the table.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from h2_outcomes import play
from h2_talk import Talk
from h2spec_generic import GENERIC, HPACK
from h2spec_http2 import CASES as HTTP2

LIST = {
    "generic": {"1": 1, "2": 5, "3.1": 3, "3.2": 3, "3.3": 5, "3.4": 1, "3.5": 1, "3.7": 1, "3.8": 1, "3.9": 2,
                "3.10": 2, "4": 4, "5": 15},
    "http2": {"3.5": 2, "4.1": 3, "4.2": 3, "4.3": 3, "5.1": 13, "5.1.1": 2, "5.1.2": 1, "5.3.1": 2, "5.4.1": 2,
              "5.5": 2, "6.1": 3, "6.2": 4, "6.3": 2, "6.4": 3, "6.5": 3, "6.5.2": 5, "6.5.3": 2, "6.7": 4, "6.8": 1,
              "6.9": 3, "6.9.1": 3, "6.9.2": 3, "6.10": 6, "7": 2, "8.1": 1, "8.1.2": 1, "8.1.2.1": 4, "8.1.2.2": 2,
              "8.1.2.3": 7, "8.1.2.6": 2, "8.2": 1},
    "hpack": {"2.3.3": 2, "4.2": 1, "5.2": 3, "6.1": 1, "6.3": 1},
}  # fmt: skip
"""How many cases each section of the list has."""
TABLES = {"generic": GENERIC, "http2": HTTP2, "hpack": HPACK}
NO_PREFACE = "3.5/2 no preface"
CASES = [
    pytest.param(*case[1:], id=f"{part} {case[0]}")
    for part, table in TABLES.items()
    for case in table
    if case[0] != NO_PREFACE
]


def test_the_table_has_every_case_of_the_list() -> None:
    for part, table in TABLES.items():
        names = [name.partition(" ")[0] for name, _, _ in table]
        assert Counter(name.partition("/")[0] for name in names) == LIST[part]
        assert len(set(names)) == len(names)
    assert sum(map(len, TABLES.values())) == 147


@pytest.mark.parametrize("step", [0, 1], ids=["whole", "by-bytes"])
@pytest.mark.parametrize(("frames", "expected"), CASES)
def test_case_of_h2spec(bare: Talk, frames: Any, expected: Any, step: int) -> None:
    play(bare, frames(bare), expected, step)


@pytest.mark.parametrize("step", [0, 1], ids=["whole", "by-bytes"])
def test_what_is_no_preface_ends_the_connection_of_h2spec(step: int) -> None:
    """http2 3.5/2."""
    made, data = Talk(), b"INVALID CONNECTION PREFACE\r\n\r\n"
    for at in range(0, len(data), step or len(data)):
        if not made.closed:
            made.raw(data[at : at + (step or len(data))])
    assert made.closed
    assert [code for _, code in made.goaways()] == [1]
