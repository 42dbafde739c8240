"""The fuzz target of the interface runs, finds nothing in a second, and finds what is broken on purpose."""

from __future__ import annotations

import pytest

ALWAYS_EXPECTS_MORE = """
from asteri_asgi.http import Cycle
Cycle._more_follows = lambda self, piece: True
"""
FORGETS_THAT_THE_PEER_HAS_LEFT = """
from asteri_asgi.http import Cycle
from asteri_core.api import Disconnected
whole = Cycle.send
async def send(self, message):
    try:
        await whole(self, message)
    except Disconnected:
        pass
Cycle.send = send
"""
ENDS_A_CANCELLED_WAIT = """
import asyncio
from asteri_asgi.http import Cycle
whole = Cycle._turn
async def turn(self, want):
    try:
        return await whole(self, want)
    except asyncio.CancelledError:
        return True
Cycle._turn = turn
"""
BROKEN = [ALWAYS_EXPECTS_MORE, FORGETS_THAT_THE_PEER_HAS_LEFT, ENDS_A_CANCELLED_WAIT]
"""Of twins it is the Python one that can be broken."""


def test_a_second_of_fuzzing_finds_nothing(fuzz):
    result = fuzz("fuzz_asgi.py")
    assert result.returncode == 0, result.stderr
    assert "nothing wrong" in result.stdout


@pytest.mark.parametrize("prelude", BROKEN)
def test_fuzzing_finds_what_is_broken(fuzz, prelude):
    result = fuzz("fuzz_asgi.py", prelude, "20")
    assert result.returncode == 1, result.stdout
    assert "seed" in result.stderr
