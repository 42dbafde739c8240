"""The fuzz targets run, find nothing in a second, and find what is broken on purpose."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "fuzz"
TARGETS = sorted(path.name for path in FOLDER.glob("fuzz_*.py"))
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
BROKEN = {"fuzz_operations.py": ONE_BYTE_TOO_MANY, "fuzz_parser.py": FORGETS_BETWEEN_PACKETS}


def fuzz(target: str, prelude: str = "", seconds: str = "1") -> subprocess.CompletedProcess[str]:
    code = f"{prelude}\nimport runpy, sys\nsys.argv = [{target!r}, '--seconds', {seconds!r}, '--seed', '1']\n"
    code += f"runpy.run_path({str(FOLDER / target)!r}, run_name='__main__')"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)


@pytest.mark.parametrize("target", TARGETS)
def test_a_second_of_fuzzing_finds_nothing(target: str) -> None:
    result = fuzz(target)
    assert result.returncode == 0, result.stderr
    assert "nothing wrong" in result.stdout or "no difference" in result.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_fuzzing_finds_what_is_broken(target: str) -> None:
    result = fuzz(target, BROKEN[target], "20")
    assert result.returncode == 1, result.stdout
    assert "seed" in result.stderr
