"""Memory stays flat over many requests of every kind: nothing holds on to what is over.

``LEAK_REQUESTS`` in the environment is how many there are; ``nox -s leaks`` sets a million.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

import pytest
from asteri_core.testing import RunningServer, running_server
from http1_client import Peer
from worker_models import Model, models

HERE = Path(__file__).parent
REQUESTS = int(os.environ.get("LEAK_REQUESTS", "12000"))
WARM_UP = 2000
BATCH = 16
"""Requests sent at once on one connection."""
FLAT = 4 << 20
"""Bytes by which a worker may grow: some of it is garbage of cycles. Of a million requests it is four bytes each."""

HOST = b"Host: example.org\r\n"
KINDS: dict[str, tuple[bytes, int]] = {
    "get": (b"GET /hello HTTP/1.1\r\n" + HOST + b"\r\n", 200),
    "other heads": (b"GET /hello?%d HTTP/1.1\r\n" + HOST + b"X-Number: %d\r\n\r\n", 200),
    "head": (b"HEAD /hello HTTP/1.1\r\n" + HOST + b"\r\n", 200),
    "length": (b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello", 200),
    "chunks": (
        b"POST /trailers HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-A: b\r\n\r\n",
        200,
    ),
    "error": (b"GET /error HTTP/1.1\r\n" + HOST + b"\r\n", 500),
    "cookies": (b"GET /cookies HTTP/1.1\r\n" + HOST + b"Cookie: a=1; b=2\r\nAccept: */*\r\n\r\n", 200),
}
ONE_EACH = {
    "refused": (b"GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", b"HTTP/1.1 400 "),
    "cut in the head": (b"GET /hello HTTP/1.1\r\nHo", b""),
    "cut in the body": (b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhe", b""),
    "close": (b"GET /hello HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", b"HTTP/1.1 200 "),
}
"""What ends its connection: the bytes, and how the answer begins, if there is one that counts."""


def resident(pid: int) -> int:
    """Bytes of the process in memory that are its own."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss_Anon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no Pss_Anon of {pid}")


def ask_many(server: RunningServer, request: bytes, status: int, count: int) -> None:
    """Send so many requests on one connection, a batch at a time, and see each answered."""
    line = b"HTTP/1.1 %d " % status
    numbers = iter(range(count * 2))
    with server.connect() as peer:
        for begin in range(0, count, BATCH):
            batch = min(BATCH, count - begin)
            if b"%d" in request:
                data = b"".join(request % (next(numbers), next(numbers)) for _ in range(batch))
            else:
                data = request * batch
            peer.sendall(data)
            answers = b""
            # The next batch is sent when all of this one is answered, so that a count is enough.
            while answers.count(line) < batch or not complete(answers, batch):
                piece = peer.recv(1 << 16)
                assert piece, answers[-2000:]
                answers += piece


def complete(answers: bytes, batch: int) -> bool:
    """Whether so many heads are whole; what follows the last of them is small and comes along."""
    return answers.count(b"\r\n\r\n") >= batch


def end_many(server: RunningServer, request: bytes, beginning: bytes, count: int) -> None:
    for _ in range(count):
        with server.connect() as peer:
            peer.sendall(request)
            if beginning:
                peer.shutdown(socket.SHUT_WR)
                answer = b"".join(iter(lambda: peer.recv(65536), b""))
                assert answer.startswith(beginning)


COMBINATIONS = [
    pytest.param((model, interface), id=f"{model.name}-{interface}")
    for model in models()
    for interface in ("wsgi", "asgi")
]


@pytest.fixture
def server(request: pytest.FixtureRequest, implementation: str) -> Iterator[RunningServer]:
    model: Model
    model, interface = request.param
    folder = HERE / "applications"
    quiet = ("--log-level", "critical")
    with running_server(f"{interface}:app", *model.options, *quiet, cwd=folder, wait=False) as server:
        ask_many(server, *KINDS["get"], 1)  # it does not say when it is ready
        yield server
        assert server.stop() == 0


def grown(server: RunningServer, repeat: Callable[[int], None], count: int) -> int:
    """Bytes that the worker has grown by over ``count`` repetitions, after some to warm up."""
    (pid,) = server.workers()
    repeat(WARM_UP)
    before = resident(pid)
    repeat(count)
    return resident(pid) - before


@pytest.mark.timeout(60 + REQUESTS // 500)
@pytest.mark.parametrize("server", COMBINATIONS, indirect=True)
def test_a_worker_does_not_grow_with_the_requests_it_has_answered(server: RunningServer) -> None:
    def mixed(count: int) -> None:
        for request, status in KINDS.values():
            ask_many(server, request, status, count // len(KINDS))

    assert grown(server, mixed, REQUESTS) < FLAT


@pytest.mark.timeout(60 + REQUESTS // 500)
@pytest.mark.parametrize("server", COMBINATIONS, indirect=True)
def test_a_worker_does_not_grow_with_the_connections_that_have_ended(server: RunningServer) -> None:
    def mixed(count: int) -> None:
        for request, beginning in islice(cycle(ONE_EACH.values()), count):
            end_many(server, request, beginning, 1)

    assert grown(server, mixed, REQUESTS // 6) < FLAT


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["loaded by the worker", "preloaded"])
def test_no_collection_looks_through_what_an_application_is_made_of(preload: tuple[str, ...]) -> None:
    with running_server("frozen:app", *preload, cwd=HERE / "served") as server, Peer(server.connect()) as peer:
        frozen, seen = peer.get("/").body.split()
    assert int(frozen) > 10_000
    assert seen == b"0"
