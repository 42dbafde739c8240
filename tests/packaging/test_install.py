"""What a user installs is whole: pip gives a server in a fresh environment, also where nothing can be compiled."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import urllib.request
from importlib.metadata import entry_points, requires, version
from pathlib import Path
from typing import Any

import pytest
from asteri_core.testing import running_server

ROOT = Path(__file__).parents[2]
NATIVE = 7
"""The parts that have a C twin: the kernel, HTTP/1.1, WSGI and the two of ASGI."""
APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "6")])
    return [b"served"]
"""
NOT_SOURCES = shutil.ignore_patterns(
    *(".git", ".nox", "build", "dist", "*.so", "vendor", "*.egg-info", "__pycache__", ".*_cache", "tests"),
    ".hypothesis",  # a test that runs beside this one may write there: what is listed would be gone when it is copied
)


def projects() -> list[dict[str, Any]]:
    """The ``[project]`` tables of all distributions."""
    core = [ROOT / name / "pyproject.toml" for name in (".", "asteri_core", "ext")]
    files = [*core, *ROOT.glob("plugins/*/pyproject.toml")]
    return [tomllib.loads(file.read_text())["project"] for file in files]


DECLARED = [
    (name, module) for table in projects() for name, module in table.get("entry-points", {}).get("asteri", {}).items()
]


def run(*command: str | Path, cwd: Path, **environ: str) -> str:
    environment = {**os.environ, **environ}
    result = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=240, env=environment)
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


def install(folder: Path, **environ: str) -> tuple[Path, Path]:
    """A copy of the checkout, and a fresh environment into which all of it was installed."""
    checkout, environment = folder / "checkout", folder / "environment"
    shutil.copytree(ROOT, checkout, ignore=NOT_SOURCES)
    run(sys.executable, "-m", "venv", environment, cwd=folder)
    pip = (environment / "bin" / "python", "-m", "pip")
    run(*pip, "install", "--quiet", *distributions(checkout), checkout, cwd=folder, **environ)
    return checkout, environment


def distributions(checkout: Path) -> list[Path]:
    """All but the facade."""
    plugins = sorted(path.parent for path in checkout.glob("plugins/*/pyproject.toml"))
    return [checkout / "asteri_core", checkout / "ext", *plugins]


@pytest.mark.timeout(300)
def test_everything_installs_in_a_fresh_environment(tmp_path: Path) -> None:
    checkout, environment = install(tmp_path)
    pip = (environment / "bin" / "python", "-m", "pip")
    run(*pip, "check", cwd=tmp_path)
    asteri = environment / "bin" / "asteri"
    assert projects()[0]["version"] in run(asteri, "--version", cwd=tmp_path)
    listed = run(asteri, "--plugin", "list", cwd=tmp_path)
    assert [name for name, _ in DECLARED if name not in listed.split()] == []
    assert listed.count("; in C") == NATIVE, listed
    with_extras = [*distributions(checkout), f"{checkout}[all]"]
    report = run(*pip, "install", "--quiet", "--dry-run", "--report", "-", *with_extras, cwd=tmp_path)
    assert "uvloop" in {item["metadata"]["name"] for item in json.loads(report)["install"]}


@pytest.mark.timeout(300)
def test_without_a_compiler_everything_installs_serves_and_says_what_is_missing(tmp_path: Path) -> None:
    _, environment = install(tmp_path, CC="false")
    asteri = environment / "bin" / "asteri"
    listed = run(asteri, "--plugin", "list", cwd=tmp_path)
    assert listed.count("; in Python, because asteri_") == NATIVE, listed
    assert "asteri_http1._native was not built: install a C compiler" in listed
    (tmp_path / "app.py").write_text(APP)
    with running_server("app:app", cwd=tmp_path, command=[str(asteri)], environ={"ASTERI_IMPL": ""}) as server:
        assert urllib.request.urlopen(server.url).read() == b"served"
    refused = subprocess.run(
        [asteri, "app:app"],
        cwd=tmp_path,
        env={**os.environ, "ASTERI_IMPL": "native"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (refused.returncode, "ASTERI_IMPL is native, but" in refused.stderr) == (2, True), refused.stderr
