"""The fuzz targets run, find nothing in a second, and find what is broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TARGETS = sorted(path.name for path in (Path(__file__).parents[1] / "fuzz").glob("fuzz_*.py"))
ONE_BYTE_TOO_MANY = """
from asteri_http1.exchange import Http1Exchange
whole = Http1Exchange.finish
def finish(self, trailers=()):
    whole(self, trailers)
    self._connection.put(b"x", 1)
Http1Exchange.finish = finish
"""
FORGETS_BETWEEN_PACKETS = """
from asteri_http1.chunked import ChunkDecoder
whole = ChunkDecoder.decode
def decode(self, data):
    found = whole(self, data)
    self._digits = self._size = 0
    return found
ChunkDecoder.decode = decode
"""
KEEPS_EVERY_FIELD = """
from asteri_http1 import parser
parser.keeps_field = lambda name: True
"""
TAKES_ONE_MORE_FIELD = """
from asteri_http1.parser import Scanner
whole = Scanner._next_line
def next_line(self, position):
    self._fields -= self._fields == 4
    whole(self, position)
Scanner._next_line = next_line
"""
BROKEN = [
    ("fuzz_operations.py", ONE_BYTE_TOO_MANY),
    ("fuzz_parser.py", FORGETS_BETWEEN_PACKETS),
    ("fuzz_twins.py", FORGETS_BETWEEN_PACKETS),
    ("fuzz_twins.py", KEEPS_EVERY_FIELD),
    ("fuzz_twins.py", TAKES_ONE_MORE_FIELD),
]
"""Targets, and what one of the things they watch is replaced by. Of twins it is the Python one that can be."""


@pytest.mark.parametrize("target", TARGETS)
def test_a_second_of_fuzzing_finds_nothing(fuzz: Callable[..., Any], target: str) -> None:
    result = fuzz(target)
    assert result.returncode == 0, result.stderr
    assert "nothing wrong" in result.stdout


@pytest.mark.parametrize(("target", "prelude"), BROKEN)
def test_fuzzing_finds_what_is_broken(fuzz: Callable[..., Any], target: str, prelude: str) -> None:
    result = fuzz(target, prelude, "20")
    assert result.returncode == 1, result.stdout
    assert "seed" in result.stderr


def test_every_target_has_something_to_find() -> None:
    assert {target for target, _ in BROKEN} == set(TARGETS)
