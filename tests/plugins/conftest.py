"""An environment with a plugin that no one here has seen: written in a temporary folder and installed with pip."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

PYPROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "asteri-lines"
version = "1.0"
dependencies = ["asteri-core"]

[project.entry-points.asteri]
lines = "asteri_lines.plugin"
"""

PROTOCOL = '''
"""Echoes lines. The stream begins with the line LINES."""

from collections.abc import Sequence

from asteri_core.api import Config, Connection, Event, Peer, Sendable, Sniff

from .settings import LinesSettings

PREFACE = b"LINES\\n"


def sniff(data: bytes) -> Sniff:
    if data.startswith(PREFACE):
        return Sniff.YES
    return Sniff.MORE if PREFACE.startswith(data) else Sniff.NO


class LineEcho:
    wants_data = True

    def __init__(self, mark: str, greeted: bool = False) -> None:
        self.wake = lambda: None
        self._mark = mark.encode()
        self._rest = b""
        self._greeted = greeted
        self._out: list[bytes] = []

    def receive_data(self, data: bytes, now: float) -> None:
        *lines, self._rest = (self._rest + data).split(b"\\n")
        if lines and not self._greeted:
            self._greeted = True
            del lines[0]
        self._out += [self._mark + line + b"\\n" for line in lines]

    def receive_eof(self, now: float) -> None:
        self._out.append(b"")

    def lost(self, now: float) -> None:
        self._out = []

    def events(self) -> Sequence[Event]:
        return ()

    def data_to_send(self, now: float) -> Sequence[Sendable]:
        out, self._out = self._out, []
        return out

    def deadline(self) -> float | None:
        return None

    def expire(self, now: float) -> None:
        pass

    def drain(self, until: float, now: float) -> None:
        self._out.append(b"")


def bind(config: Config):
    mark = config[LinesSettings].lines_mark

    def connect(peer: Peer, now: float) -> Connection:
        return LineEcho(mark)

    return connect
'''

SETTINGS = '''
"""How lines are echoed."""

from dataclasses import dataclass

from asteri_core.api import setting


@dataclass(frozen=True, slots=True)
class LinesSettings:
    lines_mark: str = setting("> ", "what an echoed line begins with", metavar="TEXT")
'''

WORKER = '''
"""A worker model that runs the application in the reactor's thread, which it names."""

import threading

from asteri_core.worker_api import Host, InlineExecutor


class NamedModel:
    def __init__(self, host: Host) -> None:
        self._host = host
        self._executor: InlineExecutor | None = None
        self._stopping = False

    def executor(self, handler) -> InlineExecutor:
        self._executor = InlineExecutor(handler, self._host.reactor, self._host.request_timeout)
        return self._executor

    def run(self) -> None:
        threading.current_thread().name = "a-third-party-worker"
        while not self._stopping:
            if self._executor is not None and self._executor.waiting:
                self._host.reactor.poll(0)
                self._executor.run_line()
            else:
                self._host.reactor.poll()

    def stop(self) -> None:
        self._stopping = True

    def close(self) -> None:
        pass
'''

INTERFACES = '''
"""Two interfaces, one of each colour: whoever asks for an upgrade to lines gets it, others are told of it."""

from asteri_core.api import Colour, InterfaceSpec

from .protocol import LineEcho
from .settings import LinesSettings


def answer(exchange, mark):
    if (b"upgrade", b"lines") in exchange.headers:
        exchange.upgrade(LineEcho(mark, greeted=True), [(b"upgrade", b"lines")])
    else:
        exchange.respond(426, [(b"upgrade", b"lines"), (b"connection", b"upgrade")])
        exchange.finish()


class Blocking:
    def __init__(self, application, config, context):
        self._mark = config[LinesSettings].lines_mark

    def startup(self):
        pass

    def shutdown(self):
        pass

    def __call__(self, exchange, wait):
        answer(exchange, self._mark)


class Async(Blocking):
    async def startup(self):
        pass

    async def shutdown(self):
        pass

    async def __call__(self, exchange, wait):
        answer(exchange, self._mark)


SPECS = [
    InterfaceSpec(
        name=f"lines-{colour.name.lower()}", provides="upgrades to lines", colour=colour,
        recognises=lambda application: False, bind=handler,
    )
    for colour, handler in ((Colour.BLOCKING, Blocking), (Colour.ASYNC, Async))
]
'''

PLUGIN = '''
"""A line-echo protocol, a worker model, and interfaces that upgrade to the protocol."""

from asteri_core.api import Colour, ProtocolSpec, WorkerSpec, hookimpl

from . import interfaces, protocol, settings, worker

asteri_api = 1


@hookimpl
def asteri_settings():
    return [settings.LinesSettings]


@hookimpl
def asteri_protocols():
    return [
        ProtocolSpec(
            name="lines", provides="an echo of lines", token="lines", order=10, sniff=protocol.sniff, bind=protocol.bind
        )
    ]


@hookimpl
def asteri_interfaces():
    return interfaces.SPECS


@hookimpl
def asteri_workers():
    return [
        WorkerSpec(
            name="named", provides="one request at a time, elsewhere", colour=Colour.BLOCKING, factory=worker.NamedModel
        )
    ]
'''

SOURCES = {
    "plugin": PLUGIN,
    "protocol": PROTOCOL,
    "settings": SETTINGS,
    "interfaces": INTERFACES,
    "worker": WORKER,
    "__init__": "",
}


@pytest.fixture(scope="module")
def third_party_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment: the packages under test, and the plugin installed with pip."""
    folder = tmp_path_factory.mktemp("third-party")
    package = folder / "source" / "src" / "asteri_lines"
    package.mkdir(parents=True)
    (folder / "source" / "pyproject.toml").write_text(PYPROJECT)
    for name, source in SOURCES.items():
        (package / f"{name}.py").write_text(source)

    subprocess.run([sys.executable, "-m", "venv", str(folder / "environment")], check=True)
    python = folder / "environment" / "bin" / "python"
    # What is installed where this test runs is seen by the fresh environment, so that it is not built a second time.
    purelib = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    Path(purelib, "under_test.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(folder / "source")], check=True)
    return python
