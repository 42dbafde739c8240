"""The fuzz target runs, finds nothing in a second, and finds what is broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

TARGET = "fuzz_requests.py"
KEEPS_EVERY_FIELD = """
from asteri_uwsgi import request
request.DROPPED = frozenset()
"""
TAKES_NAMES_WITH_A_DIGIT_FIRST = """
import re
from asteri_uwsgi import packet
packet._NAME = re.compile(rb"[A-Za-z0-9_]+")
"""
TAKES_PORTS_OF_SIX_DIGITS = """
from asteri_uwsgi import request
request._port = lambda value: int(value or 0)
"""
BROKEN = [KEEPS_EVERY_FIELD, TAKES_NAMES_WITH_A_DIGIT_FIRST, TAKES_PORTS_OF_SIX_DIGITS]
"""What one of the things it watches is replaced by, which can only be the Python one."""


def test_a_second_of_fuzzing_finds_nothing(fuzz: Callable[..., Any]) -> None:
    result = fuzz(TARGET)
    assert result.returncode == 0, result.stderr
    assert "nothing wrong" in result.stdout


@pytest.mark.parametrize("prelude", BROKEN)
def test_fuzzing_finds_what_is_broken(fuzz: Callable[..., Any], prelude: str) -> None:
    result = fuzz(TARGET, prelude, "20")
    assert result.returncode == 1, result.stdout
    assert "seed" in result.stderr
