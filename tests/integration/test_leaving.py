"""The client leaves at every point where an application can wait: it is told, ends once, and nothing is left of it."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from asteri_core.testing import RunningServer, running_server
from http1_client import Peer, request
from worker_models import MODELS

SERVED = Path(__file__).parent / "served"

WSGI_POINTS = {
    "before the head": ["closed 1"],
    "before the input": ["told by Disconnected"],
    "input": ["told by Disconnected"],
    "write": ["told by Disconnected"],
    "yield 0": ["closed 1"],
    "yield 1": ["closed 1"],
    "yield 2": ["closed 1"],
}
"""What the application tells after the client has left."""

GONE = ["received http.disconnect", "told by Disconnected"]

ASGI_POINTS = {
    "receive the body": GONE,
    "receive before the head": GONE,
    "sleep before the head": GONE[1:],
    "receive before the body": GONE,
    "sleep before the body": GONE[1:],
    "receive in the body": GONE,
    "sleep in the body": GONE[1:],
    "send": GONE[1:],
    "sleep after the end": ["receive after the end", "received http.disconnect", "ended well"],
}


def reset(peer: Peer) -> None:
    peer.leave()


def close(peer: Peer) -> None:
    peer.socket.close()


class Watched(NamedTuple):
    """A server whose application tells the test where it is."""

    server: RunningServer
    control: socket.socket

    def told(self) -> tuple[str, socket.socket]:
        """What the application tells next. It waits until the socket is closed, if it waits."""
        sock, _ = self.control.accept()
        sock.settimeout(10)
        return b"".join(iter(lambda: sock.recv(100), b"")).decode(), sock

    def ends_with(self, words: list[str]) -> None:
        """The application tells these next, one after the other."""
        for expected in words:
            word, sock = self.told()
            sock.close()
            assert word == expected

    def descriptors(self) -> int:
        """Descriptors that the worker has open, while it has no connection but the one that asks."""
        with Peer(self.server.connect()) as peer:
            assert peer.get("/").body == b"hello\n"
            (worker,) = self.server.workers()
            folder = f"/proc/{worker}/fd"
            # uvloop keeps one of /dev/null from the first connection on that it opens.
            return len([name for name in os.listdir(folder) if _target(f"{folder}/{name}") != "/dev/null"])


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except FileNotFoundError:  # closed meanwhile
        return "/dev/null"


@pytest.fixture(scope="module")
def watched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, implementation: str
) -> Iterator[Watched]:
    model, app = request.param
    path = str(tmp_path_factory.mktemp("control") / "s")
    with socket.socket(socket.AF_UNIX) as control:
        control.bind(path)
        control.listen()
        control.settimeout(20)
        with running_server(app, *model.options, cwd=SERVED, environ={"CONTROL": path}) as server:
            workers = server.workers()
            yield Watched(server, control)
            assert server.workers() == workers, "\n".join(server.lines)
            # A request that is still counted as running would hold this up.
            assert server.stop() == 0
            assert [line for line in server.lines if "ERROR" in line or "WARNING" in line] == []


def cases(app: str, points: dict[str, list[str]]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Parametrizes a test with every worker model, point and way to leave."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        combinations = [pytest.param((model.values[0], app), id=model.id) for model in MODELS]
        test = pytest.mark.parametrize("watched", combinations, indirect=True, scope="module")(test)
        test = pytest.mark.parametrize("point", points)(test)
        return pytest.mark.parametrize("leave", [reset, close])(test)

    return decorate


def leave_at(watched: Watched, point: str, leave: Callable[[Peer], None], expected: list[str]) -> None:
    before = watched.descriptors()
    with Peer(watched.server.connect()) as peer:
        # A body that waits for 100 (Continue) is not collected before a blocking application runs.
        fields = ["Expect: 100-continue"] if "input" in point else []
        peer.send(request("POST", "/?" + point.replace(" ", "%20"), "Content-Length: 10", *fields))
        if not fields:
            peer.send(b"01234" if point == "receive the body" else b"0123456789")
        word, sock = watched.told()
        assert word == point
        if point == "input":
            assert peer.interim() == 100
            peer.send(b"01234")
        leave(peer)
    sock.close()
    watched.ends_with(expected)
    # The last word comes before the application's call has returned: what it held is free a moment later.
    until = time.monotonic() + 20
    while (after := watched.descriptors()) > before and time.monotonic() < until:
        pass
    assert after <= before


@pytest.mark.parametrize("watched", [(MODELS[0].values[0], "leaving_wsgi:app")], indirect=True, ids=["first"])
def test_a_worker_ignores_sigpipe(watched: Watched) -> None:
    (worker,) = watched.server.workers()
    status = Path(f"/proc/{worker}/status").read_text()
    (ignored,) = (int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigIgn:"))
    assert ignored & 1 << (signal.SIGPIPE - 1)


@cases("leaving_wsgi:app", WSGI_POINTS)
def test_a_wsgi_application_ends_when_its_client_leaves(
    watched: Watched, point: str, leave: Callable[[Peer], None]
) -> None:
    leave_at(watched, point, leave, WSGI_POINTS[point])


@cases("leaving_asgi:app", ASGI_POINTS)
def test_an_asgi_application_is_told_when_its_client_leaves(
    watched: Watched, point: str, leave: Callable[[Peer], None]
) -> None:
    leave_at(watched, point, leave, ASGI_POINTS[point])
