"""The fuzz target runs, finds nothing in a second, and finds what is broken on purpose."""

from __future__ import annotations

import pytest

TAKES_ANY_LENGTH = """
from asteri_websocket import frames
frames.LONGEST_CONTROL = 126
"""
FORGETS_THE_MASK = """
from asteri_websocket import frames
frames.unmask = lambda data, key: data
"""
TAKES_ANY_TEXT = """
from asteri_websocket.messages import MessageReader
MessageReader._check_text = lambda self, data, end: None
"""


def test_a_second_of_fuzzing_finds_nothing(fuzz):
    result = fuzz("fuzz_messages.py")
    assert result.returncode == 0, result.stderr
    assert "nothing wrong" in result.stdout


@pytest.mark.parametrize("prelude", [TAKES_ANY_LENGTH, FORGETS_THE_MASK, TAKES_ANY_TEXT])
def test_fuzzing_finds_what_is_broken(fuzz, prelude):
    result = fuzz("fuzz_messages.py", prelude, "20")
    assert result.returncode == 1, result.stdout
    assert "seed" in result.stderr
