"""The fuzz target of the interface runs, finds nothing in a second, and finds what is broken on purpose."""

from __future__ import annotations

import pytest

FORGETS_THE_LENGTH = """
from asteri_wsgi.response import Response
Response._declare = lambda self, length: None
"""
KEEPS_AN_EMPTY_WRITE = """
from asteri_wsgi.response import Response
whole = Response.write
Response.write = lambda self, data: whole(self, data) if data else None
"""
TAKES_ANY_BLOCK = """
from asteri_wsgi import response
response.check_block = lambda block: None
"""
BROKEN = [FORGETS_THE_LENGTH, KEEPS_AN_EMPTY_WRITE, TAKES_ANY_BLOCK]
"""Of twins it is the Python one that can be broken."""


def test_a_second_of_fuzzing_finds_nothing(fuzz):
    result = fuzz("fuzz_wsgi.py")
    assert result.returncode == 0, result.stderr
    assert "nothing wrong" in result.stdout


@pytest.mark.parametrize("prelude", BROKEN)
def test_fuzzing_finds_what_is_broken(fuzz, prelude):
    result = fuzz("fuzz_wsgi.py", prelude, "20")
    assert result.returncode == 1, result.stdout
    assert "seed" in result.stderr
