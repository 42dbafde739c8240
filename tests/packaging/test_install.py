"""What a user installs is whole: `pip install ./asteri_core ./plugins/*/ .` in a fresh environment gives a server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, requires, version
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOT_SOURCES = shutil.ignore_patterns(".git", ".nox", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", "tests")


def projects() -> list[dict[str, Any]]:
    """The ``[project]`` tables of all distributions."""
    files = [ROOT / "pyproject.toml", ROOT / "asteri_core" / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")]
    return [tomllib.loads(file.read_text())["project"] for file in files]


DECLARED = [
    (name, module) for table in projects() for name, module in table.get("entry-points", {}).get("asteri", {}).items()
]


def run(*command: str | Path, cwd: Path) -> str:
    result = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.mark.parametrize("table", projects(), ids=lambda table: table["name"])
def test_an_installed_distribution_is_of_the_version_declared(table: dict[str, Any]) -> None:
    assert version(table["name"]) == table["version"]


@pytest.mark.parametrize(("name", "module"), DECLARED)
def test_a_declared_plugin_is_an_entry_point_that_loads(name: str, module: str) -> None:
    (found,) = entry_points(group="asteri", name=name)
    assert found.load().__name__ == module


def test_the_kernel_depends_on_pluggy_and_the_command_line_library_only() -> None:
    names = {requirement.split(">")[0] for requirement in requires("asteri-core") or []}
    assert names == {"pluggy", "click"}


@pytest.mark.timeout(300)
def test_everything_installs_in_a_fresh_environment(tmp_path: Path) -> None:
    checkout, environment = tmp_path / "checkout", tmp_path / "environment"
    shutil.copytree(ROOT, checkout, ignore=NOT_SOURCES)
    run(sys.executable, "-m", "venv", environment, cwd=tmp_path)
    plugins = sorted(path.parent for path in checkout.glob("plugins/*/pyproject.toml"))
    pip = (environment / "bin" / "python", "-m", "pip")

    run(*pip, "install", "--quiet", checkout / "asteri_core", *plugins, checkout, cwd=tmp_path)

    run(*pip, "check", cwd=tmp_path)
    asteri = environment / "bin" / "asteri"
    assert projects()[0]["version"] in run(asteri, "--version", cwd=tmp_path)
    listed = run(asteri, "--plugin", "list", cwd=tmp_path)
    assert [name for name, _ in DECLARED if name not in listed.split()] == []
    with_extras = [checkout / "asteri_core", *plugins, f"{checkout}[all]"]
    report = run(*pip, "install", "--quiet", "--dry-run", "--report", "-", *with_extras, cwd=tmp_path)
    assert "uvloop" in {item["metadata"]["name"] for item in json.loads(report)["install"]}
