"""What many threads answer at once is right, byte for byte.

They share the heads of requests that are alike, and on a build without the GIL nothing else keeps them apart.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from asteri_core.testing import RunningServer, running_server
from http1_client import Peer, request
from worker_models import models

HERE = Path(__file__).parent
CLIENTS = 16
ROUNDS = 60
BATCH = 16
"""Requests sent at once on one connection."""
BODY = bytes(range(256)) * 20
KINDS = {
    "get": request("GET", "/mirror?a=b", "X-Said: one", "Accept: */*"),
    "another get": request("GET", "/mirror", "X-Said: two", "Cookie: a=b", "Cookie: c=d"),
    "head": request("HEAD", "/mirror", "X-Said: three"),
    "post": request("POST", "/mirror", "X-Said: four", f"Content-Length: {len(BODY)}") + BODY,
    "chunks": request("POST", "/mirror", "X-Said: five", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n",
    "stream": request("GET", "/stream", "X-Said: six"),
    "error": request("GET", "/error", "X-Said: seven"),
}
LAST = request("GET", "/mirror", "X-Said: eight", "Connection: close")
THREADED = [pytest.param(model.options, id=model.name) for model in models() if model.name == "gthread"]


def read(peer: Peer, size: int) -> bytes:
    """So many bytes, or all there are until the server closes."""
    data = bytearray()
    while len(data) < size and (piece := peer.socket.recv(1 << 16)):
        data += piece
    return bytes(data)


def alone(server: RunningServer, *said: bytes) -> bytes:
    """The answers on a connection that nobody disturbs. The server closes behind the last one."""
    with Peer(server.connect()) as peer:
        peer.send(*said)
        return read(peer, 1 << 20)


def ask(server: RunningServer, expected: dict[bytes, bytes], last: bytes) -> None:
    """One client: connections one after the other, on each a batch of every kind."""
    for _ in range(ROUNDS):
        with Peer(server.connect()) as peer:
            for said, answer in expected.items():
                peer.send(said * BATCH)
                assert read(peer, len(answer) * BATCH) == answer * BATCH
            peer.send(LAST)
            assert read(peer, len(last) + 1) == last


@pytest.mark.parametrize("options", THREADED)
def test_many_threads_answer_as_one_does(options: tuple[str, ...]) -> None:
    quiet = ("--threads", "8", "--no-date-header", "--log-level", "critical")
    environ = {"ASTERI_IMPL": "native"}
    with running_server("mirror:app", *options, *quiet, cwd=HERE / "served", environ=environ, wait=False) as server:
        last = alone(server, LAST)
        expected = {said: alone(server, said, LAST).removesuffix(last) for said in KINDS.values()}
        assert len(set(expected.values())) == len(KINDS)
        assert [answer.split(b" ")[1] for answer in expected.values()] == [b"200"] * 6 + [b"500"]
        workers = server.workers()
        with ThreadPoolExecutor(CLIENTS) as clients:
            for done in [clients.submit(ask, server, expected, last) for _ in range(CLIENTS)]:
                done.result()
        assert server.workers() == workers
        assert server.stop() == 0


def test_the_worker_runs_without_the_gil_where_the_build_has_none() -> None:
    """No module of ours turns it on."""
    gil = getattr(sys, "_is_gil_enabled", lambda: True)
    environ = {"ASTERI_IMPL": "native"}
    with running_server("mirror:app", cwd=HERE / "served", environ=environ) as server, Peer(server.connect()) as peer:
        assert peer.get("/gil").body == repr(gil()).encode()
