"""Who may import whom: the contracts of import-linter in pyproject.toml hold, and each of them can be broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

VIOLATIONS = [
    ("distributions depend downwards, and neighbours not on each other", "asteri_wsgi", "import asteri_http1"),
    ("worker models and the native kernel know nothing of HTTP", "asteri_workers", "import asteri_http"),
    ("the kernel depends downwards", "asteri_core/sansio", "import asteri_core.hooks"),
    ("protocols and the plugins' door reach no socket, thread, loop or clock", "asteri_http1", "import socket"),
]
"""A contract, the package to which a line is added, and the line that breaks it."""


def lint_imports(directory: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(path)} if path else None
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
    )


def test_every_contract_of_the_repository_is_kept() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def broken_output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says of a copy of the sources with every violation in it."""
    copy = tmp_path_factory.mktemp("broken")
    for source in [ROOT / "src", ROOT / "asteri_core" / "src", ROOT / "ext" / "src", *ROOT.glob("plugins/*/src")]:
        shutil.copytree(source, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for _, package, line in VIOLATIONS:
        module = copy / package / "__init__.py"
        module.write_text(f"{module.read_text()}\n{line}\n")
    result = lint_imports(copy, copy)
    assert result.returncode == 1, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("contract", [contract for contract, _, _ in VIOLATIONS])
def test_a_violation_breaks_its_contract(broken_output: str, contract: str) -> None:
    assert f"{contract} BROKEN" in " ".join(broken_output.split())


def test_every_contract_has_a_violation_here() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert [contract["name"] for contract in contracts] == [contract for contract, _, _ in VIOLATIONS]
