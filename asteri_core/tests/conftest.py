"""What the tests of the reactor share: its twins, ``py`` and ``c``, and one that serves a protocol of lines."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from asteri_core.api import Exchange, Peer
from asteri_core.testing.lines import LineConnection

TURNS = 2000
TWINS = {"py": "asteri_core.kernel", "c": "asteri_native._reactor"}


class Served:
    """A reactor that listens for a line protocol, turned by the test."""

    def __init__(self, make: Callable[..., Any], **options: Any) -> None:
        self.started: list[Exchange] = []
        self.finished: list[Exchange] = []
        self.reactor = make(started=self.started.append, finished=self.finished.append, **options)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.factory: Callable[[Peer, float], Any] = lambda peer, now: LineConnection(peer)
        self.reactor.listen(self.listener, lambda peer, now: self.factory(peer, now))

    def connect(self) -> socket.socket:
        client = socket.create_connection(self.listener.getsockname(), 5)
        count = self.reactor.accepted
        self.until(lambda: self.reactor.accepted > count)
        return client

    def attach(self, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """One end of a pair of unix sockets, whose other end the reactor drives."""
        client, other = socket.socketpair(socket.AF_UNIX, kind)
        with self.reactor.lock:
            self.reactor.attach(other, Peer("", ""), self.factory)
        return client

    def until(self, condition: Callable[[], bool]) -> None:
        """Turn until the condition holds."""
        for _ in range(TURNS):
            if condition():
                return
            self.reactor.poll(0.01)
        raise AssertionError("the condition never came true")

    def receive(self, client: socket.socket, end: bytes = b"\n") -> bytes:
        """Turn until the client has a line (or the end of the connection)."""
        client.setblocking(False)
        data = b""
        for _ in range(TURNS):
            self.reactor.poll(0.001)
            with contextlib.suppress(BlockingIOError):
                while piece := client.recv(1 << 20):
                    data += piece
                    if end and data.endswith(end):
                        return data
                return data
        raise AssertionError(f"no answer, only {data!r}")

    def answer(self, exchange: Exchange, data: bytes = b"ok\n") -> None:
        exchange.respond(200, ())
        exchange.send(data, True)

    def close(self) -> None:
        self.reactor.close()
        self.listener.close()


@pytest.fixture(params=TWINS)
def twin(request: pytest.FixtureRequest) -> Any:
    """A module with `Reactor`, `ReactorSelector` and `Router`. Without the C module its tests fail."""
    return import_module(TWINS[request.param])


@pytest.fixture
def serve(twin: Any) -> Iterator[Callable[..., Served]]:
    """Makes a `Served` with options for its reactor."""
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> Served:
            served = Served(twin.Reactor, **options)
            stack.callback(served.close)
            return served

        yield make


@pytest.fixture
def served(serve: Callable[..., Served]) -> Served:
    return serve()
