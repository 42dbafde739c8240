"""The real applications of examples/ on every worker model: what their users do, and what it costs in memory.

Each test of memory records what the worker grew by at its peak (``--junitxml`` shows it), and fails over `FLAT`.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from asteri_core.testing import RunningServer, running_server
from worker_models import MODELS, ROOT, Model

MEGABYTE = 1_000_000
UPLOAD = 10 * MEGABYTE
DOWNLOAD = 100 * MEGABYTE
FLAT = 20.0
"""Megabytes by which a worker may grow while it streams `DOWNLOAD`."""

BLOCK = 1 << 20
SLOW = 4096
PATTERN = bytes(range(256)) * (UPLOAD // 256 + 1)


class Example(NamedTuple):
    """An application of examples/, and the framework's name in its greeting."""

    framework: str
    folder: str
    app: str


EXAMPLES = {
    "flask": Example("Flask", "flask_app", "app:app"),
    "django-wsgi": Example("Django", "django_app", "project.wsgi:application"),
    "django-asgi": Example("Django", "django_app", "project.asgi:application"),
    "fastapi": Example("FastAPI", "fastapi_app", "app:app"),
    "starlette": Example("Starlette", "starlette_app", "app:app"),
    "quart": Example("Quart", "quart_app", "app:app"),
    "litestar": Example("Litestar", "litestar_app", "app:app"),
}

COMBINATIONS = [
    pytest.param((example, model.values[0]), id=f"{name}-{model.id}")
    for name, example in EXAMPLES.items()
    for model in MODELS
]
on_every_worker_model = pytest.mark.parametrize("served", COMBINATIONS, indirect=True, scope="module")


class Served(NamedTuple):
    """An example that is being served."""

    example: Example
    server: RunningServer

    def get(self, target: str) -> tuple[http.client.HTTPResponse, bytes]:
        """One GET on a connection of its own, and the whole answer."""
        connection = self.connect()
        try:
            connection.request("GET", target)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)

    @property
    def worker(self) -> int:
        (pid,) = self.server.workers()
        return pid


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment that names a migrated SQLite database of its own."""
    environ = {"DJANGO_DATABASE": str(tmp_path_factory.mktemp("django") / "example.sqlite3")}
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT / "examples" / "django_app", env=environ, check=True)
    return environ


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest, database: dict[str, str], implementation: str) -> Iterator[Served]:
    example: Example
    model: Model
    example, model = request.param
    folder = ROOT / "examples" / example.folder
    with running_server(example.app, *model.options, cwd=folder, environ=database) as server:
        workers = server.workers()
        yield Served(example, server)
        assert server.workers() == workers, "\n".join(server.lines)
        assert server.stop() == 0


@on_every_worker_model
def test_it_answers(served: Served) -> None:
    response, body = served.get("/")
    assert response.status == 200
    assert body == f"Hello from {served.example.framework}\n".encode()


# Before the upload, which makes the worker larger: it would hide what a download adds.
@on_every_worker_model
@pytest.mark.parametrize("slow_reads", [0, 160], ids=["quick", "slow"])
def test_a_large_download_is_streamed(
    served: Served, slow_reads: int, record_property: Callable[[str, object], None]
) -> None:
    served.get(f"/download?size={MEGABYTE}")
    before = _memory(served.worker, "VmRSS")
    Path(f"/proc/{served.worker}/clear_refs").write_text("5")  # the peak begins anew
    began = time.monotonic()
    connection = served.connect()
    try:
        # Little room on this side, so that with a slow reader it is the server that has to wait.
        connection.sock = _connected(served.server.port, 65536 if slow_reads else 1 << 20)
        connection.request("GET", f"/download?size={DOWNLOAD}")
        response = connection.getresponse()
        assert response.status == 200
        assert _received(response, slow_reads) == DOWNLOAD
    finally:
        connection.close()
    grown = _memory(served.worker, "VmHWM") - before
    record_property("megabytes", f"{before:.1f}")
    record_property("grown", f"{grown:.1f}")
    record_property("seconds", f"{time.monotonic() - began:.2f}")
    assert grown < FLAT


def _connected(port: int, room: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    sock.settimeout(30)
    sock.connect(("127.0.0.1", port))
    return sock


def _received(response: http.client.HTTPResponse, slow_reads: int) -> int:
    """Read to the end, the first pieces slowly. Each begins at a multiple of 256, so it is the bytes 0 to 255 again."""
    received = 0
    while piece := response.read(SLOW if slow_reads else BLOCK):
        assert piece == PATTERN[: len(piece)], f"wrong content, {received} bytes from the start"
        received += len(piece)
        if slow_reads:
            slow_reads -= 1
            time.sleep(0.005)  # this is how slow it is
    return received


def _memory(pid: int, key: str) -> float:
    """A line of the process's status, in megabytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024 / MEGABYTE
    raise AssertionError(f"no {key} of {pid}")


@on_every_worker_model
def test_a_large_upload_arrives(served: Served) -> None:
    body = PATTERN[:UPLOAD]
    connection = served.connect()
    try:
        connection.request("POST", "/upload", body)
        response = connection.getresponse()
        told = json.loads(response.read())
        assert (response.status, told) == (200, {"bytes": UPLOAD, "sha256": hashlib.sha256(body).hexdigest()})
        # The connection goes on after it.
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
    finally:
        connection.close()


@on_every_worker_model
def test_it_sees_the_request(served: Served) -> None:
    connection = served.connect()
    try:
        connection.request("GET", "/headers", headers={"X-Example": "seen", "User-Agent": "a test"})
        told = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    host = f"127.0.0.1:{served.server.port}"
    assert told == {"host": host, "user_agent": "a test", "x_example": "seen", "client": "127.0.0.1"}


@on_every_worker_model
def test_it_redirects(served: Served) -> None:
    response, _ = served.get("/redirect")
    assert (response.status, response.headers.get_all("Location")) == (302, ["/"])


@on_every_worker_model
def test_it_sets_two_cookies(served: Served) -> None:
    response, body = served.get("/cookies")
    cookies = response.headers.get_all("Set-Cookie") or []
    assert [cookie.partition(";")[0] for cookie in cookies] == ["a=1", "b=2"]
    assert body == b"two cookies\n"


@on_every_worker_model
def test_an_error_is_answered_and_the_next_request_too(served: Served) -> None:
    response, body = served.get("/error")
    assert response.status == 500
    assert b"on purpose" not in body
    assert served.get("/sleep?ms=1")[0].status == 200


@pytest.mark.parametrize(
    "served",
    [parameter for parameter in COMBINATIONS if parameter.values[0][0].framework == "Django"],
    indirect=True,
    scope="module",
)
def test_django_keeps_entries_and_sessions_in_its_database(served: Served) -> None:
    connection = served.connect()
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        token = secrets.token_hex(8)  # others use the database too, and a port may come again
        texts = [f"entry {number} of {token}" for number in range(3)]
        for number, text in enumerate(texts, 1):
            connection.request("POST", "/entries", "text=" + text.replace(" ", "+"), headers)
            response = connection.getresponse()
            told = json.loads(response.read())
            assert told["written_by_you"] == number
            headers["Cookie"] = (response.headers["Set-Cookie"] or headers["Cookie"]).partition(";")[0]
        assert [entry for entry in told["entries"] if entry in texts] == texts
    finally:
        connection.close()
