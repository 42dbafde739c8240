"""The root conftest.py makes a test that skips, or is expected to fail, a failed test."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# pytest calls it an error when it comes before the test's own code.
CASES = [
    ("def test(): pytest.skip('why')", "1 failed"),
    ("@pytest.mark.skip\ndef test(): pass", "1 error"),
    ("@pytest.mark.skipif(True, reason='why')\ndef test(): pass", "1 error"),
    ("@pytest.fixture\ndef absent(): pytest.skip('why')\ndef test(absent): pass", "1 error"),
    ("@pytest.mark.xfail\ndef test(): assert False", "1 failed"),
    ("@pytest.mark.xfail\ndef test(): pass", "1 failed"),
    ("pytest.importorskip('no_such_module')\ndef test(): pass", "1 error"),
    ("def test(): pass", "1 passed"),
]


def run_pytest(folder: Path, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "conftest.py", folder)
    (folder / "test_case.py").write_text(f"import pytest\n{source}\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=50,
    )


@pytest.mark.parametrize(("source", "closing"), CASES)
def test_what_does_not_run_fails(tmp_path: Path, source: str, closing: str) -> None:
    result = run_pytest(tmp_path, source)
    last = result.stdout.strip().splitlines()[-1]
    assert last.startswith(closing), result.stdout
    assert "skipped" not in last
    assert (result.returncode == 0) == (closing == "1 passed")


def test_it_is_the_same_with_xdist(tmp_path: Path) -> None:
    result = run_pytest(tmp_path, "\n".join(f"def test_{n}(): pytest.skip('why')" for n in range(3)), "-n", "2")
    assert result.stdout.strip().splitlines()[-1].startswith("3 failed"), result.stdout
    assert result.returncode == 1
