"""Real servers under real load: the application they serve, the worker models, and how many rounds there are.

``SOAK_HUPS`` and ``SOAK_KILLS`` in the environment are the rounds of the longest tests; ``nox -s soak`` sets them.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import select
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from asteri_core.testing import RunningServer, running_server

APP = '''
"""Answers who it is, the mark of the request and the length of its body. It may be told to pause, and to tell so.

A pause is of so many seconds, or until a file is there.
"""

import asyncio
import os
import sys
import time


def tell(mark):
    print(f"running {mark}", file=sys.stderr, flush=True)


def answer(mark, length):
    return b"%d %b %d" % (os.getpid(), mark, length)


def wsgi(environ, start_response):
    length = len(environ["wsgi.input"].read())
    if "HTTP_X_TELL" in environ:
        tell(environ["HTTP_X_TELL"])
    time.sleep(float(environ.get("HTTP_X_PAUSE", 0)))
    while "HTTP_X_UNTIL" in environ and not os.path.exists(environ["HTTP_X_UNTIL"]):
        time.sleep(0.01)
    content = answer(environ.get("HTTP_X_MARK", "-").encode(), length)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(content)))])
    return [content]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    headers = dict(scope["headers"])
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    if b"x-tell" in headers:
        tell(headers[b"x-tell"].decode())
    await asyncio.sleep(float(headers.get(b"x-pause", 0)))
    content = answer(headers.get(b"x-mark", b"-"), length)
    fields = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": content})
'''


@dataclass(frozen=True)
class Model:
    """A worker model, and the application that is served on it."""

    name: str
    app: str
    options: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


MODELS = (
    Model("sync", "app:wsgi", ("-k", "sync")),
    Model("gthread", "app:wsgi", ("-k", "gthread", "--threads", "4")),
    Model("asgi", "app:asgi", ("-k", "asgi")),
)


@pytest.fixture(params=MODELS, ids=str)
def model(request: pytest.FixtureRequest) -> Model:
    """Each worker model in turn."""
    chosen: Model = request.param
    return chosen


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the application."""
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.fixture
def serve(folder: Path) -> Callable[..., AbstractContextManager[RunningServer]]:
    """Serves an application of the folder: ``with serve("app:wsgi", "-w", "2") as server``."""

    def start(app: str, *options: str, **others: Any) -> AbstractContextManager[RunningServer]:
        return running_server(app, *options, cwd=folder, **others)

    return start


def _module(name: str) -> ModuleType:
    """A module beside this file: test folders are not on the path of imports."""
    spec = importlib.util.spec_from_file_location(f"lifecycle_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def load() -> Any:
    """The load generator: ``with load(server.port, clients=8) as running``."""
    return _module("load").Load


@pytest.fixture(scope="session")
def hups() -> int:
    """How many reloads the long test does."""
    return int(os.environ.get("SOAK_HUPS", "6"))


@pytest.fixture(scope="session")
def kills() -> int:
    """How many workers the long test kills."""
    return int(os.environ.get("SOAK_KILLS", "2"))


@pytest.fixture(scope="session")
def ask() -> Callable[..., bytes]:
    """One request on a connection of its own, and all that comes back: ``ask(server, "X-Pause: 1")``."""

    def exchange(server: RunningServer, *fields: str, target: str = "/") -> bytes:
        lines = [f"GET {target} HTTP/1.1", "Host: test", "Connection: close", *fields, "", ""]
        with server.connect() as peer:
            with contextlib.suppress(ConnectionError):  # who stops lets go those whom nobody has accepted
                peer.sendall("\r\n".join(lines).encode())
            return received(peer)

    return exchange


def received(peer: socket.socket) -> bytes:
    """What comes until the peer closes; a connection that is cut ends as one that is closed."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := peer.recv(65536):
            data += piece
    return data


class Watched:
    """Processes that somebody waits for, each meant by a descriptor: a number may be given again."""

    def __init__(self) -> None:
        self._descriptors: list[int] = []

    def __call__(self, *pids: int) -> Callable[[float], None]:
        """Begin to watch; the function that is returned waits until all have ended, or raises AssertionError."""
        watched = {}
        for pid in pids:
            try:
                watched[os.pidfd_open(pid)] = pid
            except ProcessLookupError:
                continue
        self._descriptors += watched

        def wait(timeout: float = 20.0) -> None:
            for descriptor, pid in watched.items():
                ended, _, _ = select.select([descriptor], [], [], timeout)
                assert ended, f"process {pid} still runs after {timeout} seconds"

        return wait

    def close(self) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)


@pytest.fixture
def ends() -> Iterator[Watched]:
    """``wait = ends(pid, ...)``, then something that ends them, then ``wait()``."""
    watched = Watched()
    yield watched
    watched.close()
