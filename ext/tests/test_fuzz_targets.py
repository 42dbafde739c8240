"""The fuzz target of the reactor runs, finds nothing in some seconds, and finds what is broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

RESETS_NOBODY = """
from asteri_core.reactor.stream import Stream
Stream._reset = Stream._close
"""
FORGETS_THE_REST = """
from asteri_core.reactor.stream import Stream
whole = Stream._send_pieces
def send_pieces(self):
    return whole(self) or bool(self._unsent.popleft())
Stream._send_pieces = send_pieces
"""
CALLS_WHAT_IS_CANCELLED = """
from asteri_core.reactor.timers import Timer
Timer.cancel = lambda self: None
"""
KEEPS_DESCRIPTORS = """
import os
from asteri_core.reactor.stream import Stream
whole = Stream._drop
def drop(self):
    os.open("/dev/null", os.O_RDONLY)
    whole(self)
Stream._drop = drop
"""
LOSES_POSTS = """
from asteri_core.reactor.loop import Reactor
Reactor._woken = lambda self, mask: self._wake_in.recv(4096) and self._posted and self._posted.popleft()
"""


def test_some_seconds_of_fuzzing_find_nothing(fuzz: Callable[..., Any]) -> None:
    result = fuzz("fuzz_reactor.py", seconds="5")
    assert result.returncode == 0, result.stderr
    assert "nothing wrong" in result.stdout


@pytest.mark.parametrize(
    "prelude", [RESETS_NOBODY, FORGETS_THE_REST, CALLS_WHAT_IS_CANCELLED, KEEPS_DESCRIPTORS, LOSES_POSTS]
)
def test_fuzzing_finds_what_is_broken(fuzz: Callable[..., Any], prelude: str) -> None:
    result = fuzz("fuzz_reactor.py", prelude, "30")
    assert result.returncode == 1, result.stdout
    assert "seed" in result.stderr
