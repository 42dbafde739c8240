"""A folder of real plugins: modules with the metadata that pip would have written, found through their entry points."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

ECHO = """
from dataclasses import dataclass
from asteri_core.api import ProtocolSpec, Sniff, hookimpl, setting

@dataclass(frozen=True, slots=True)
class EchoSettings:
    '''Echo.'''
    echo_limit: int = setting(1024, "longest line echoed, in bytes", metavar="BYTES", minimum=1)
    echo_secret: str = setting("", "a word nobody may see", secret=True)

@hookimpl
def asteri_settings():
    return [EchoSettings]

@hookimpl
def asteri_protocols():
    return [ProtocolSpec("echo", "lines, sent back", "echo", 10, lambda data: Sniff.NO, lambda config: None)]
"""

CALLER = """
from asteri_core.api import Colour, InterfaceSpec, WorkerSpec, hookimpl

@hookimpl
def asteri_interfaces():
    def recognises(application):
        return hasattr(application, "for_caller")
    return [InterfaceSpec("caller", "calls", Colour.BLOCKING, recognises, lambda *parts: None, 0)]

@hookimpl
def asteri_workers():
    return [WorkerSpec("hand", "works", Colour.BLOCKING, print)]
"""

numbers = itertools.count()


class Plugins:
    """Writes plugins into a folder that is on the path of this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(
        self,
        name: str,
        source: str | None,
        *,
        distribution: str = "",
        version: str = "1.2.3",
        requires: Sequence[str] = (),
    ) -> str:
        """Install a plugin of this source (None: its module is missing). Returns its module's name, used only once."""
        module = f"{name}_plugin_{next(numbers)}"
        distribution = distribution or f"third-{name}"
        if source is not None:
            (self.folder / f"{module}.py").write_text(textwrap.dedent(source))
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (info / "METADATA").write_text("\n".join(lines) + "\n\n")
        (info / "entry_points.txt").write_text(f"[asteri]\n{name} = {module}\n")
        return module


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plugins:
    folder = tmp_path / "plugins"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return Plugins(folder)


@pytest.fixture
def echo(plugins: Plugins) -> Plugins:
    """One working plugin, with a protocol and settings."""
    plugins.add("echo", ECHO)
    return plugins


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, and no environment that configures anything."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in list(os.environ):
        if name.startswith("ASTERI_") or name == "WEB_CONCURRENCY":
            monkeypatch.delenv(name)
    return folder


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def asteri(echo: Plugins, here: Path) -> Run:
    """Runs the command in a process of its own, in an empty directory, with plugins that need no others.

    They are the echo plugin, and one with an interface ``caller`` and a worker model ``hand``.
    """
    echo.add("caller", CALLER)

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "asteri_core.cli", *arguments],
            capture_output=True,
            text=True,
            cwd=here,
            env={**os.environ, "PYTHONPATH": str(echo.folder), **environment},
            timeout=30,
        )

    return run
