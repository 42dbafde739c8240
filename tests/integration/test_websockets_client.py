"""WebSocket with the client that people use, the library websockets, on every worker model, with and without TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
import websockets
from asteri_core.testing import RunningServer, running_server
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from worker_models import MODELS, Model

APPLICATIONS = Path(__file__).parent / "applications"
AT_ONCE = 50


class Served(NamedTuple):
    server: RunningServer
    context: ssl.SSLContext
    at_once: int
    """How many conversations there may be at the same time."""


@pytest.fixture(scope="module", params=MODELS)
def served(
    request: pytest.FixtureRequest, interface: str, tmp_path_factory: pytest.TempPathFactory, implementation: str
) -> Iterator[Served]:
    model: Model = request.param
    certificate, authority = tmp_path_factory.mktemp("certificates") / "server.pem", trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    # This client reads in one thread and writes in another. OpenSSL takes no two at once: the tickets of TLS 1.3
    # come just when the client asks, and one request in a thousand was lost, also with other servers.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    # A blocking application holds a thread for each, and a sync worker has no other one.
    at_once = 1 if (interface, model.worker) == ("wsgi", "sync") else AT_ONCE
    options = ("--interface", interface, *model.options, "--threads", str(AT_ONCE), "--certfile", str(certificate))
    with running_server(f"{interface}:app", *options, cwd=APPLICATIONS) as server:
        workers = server.workers()
        yield Served(server, context, at_once)
        assert server.workers() == workers
        assert server.stop() == 0


@pytest.fixture(params=["ws", "wss"])
def scheme(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def opened(served: Served, scheme: str, path: str, **options: Any) -> ClientConnection:
    tls = {"ssl": served.context} if scheme == "wss" else {}
    return connect(f"{scheme}://localhost:{served.server.port}{path}", max_size=None, **tls, **options)


@pytest.mark.parametrize("compression", ["deflate", None])
def test_messages_of_every_size_come_back(served: Served, scheme: str, compression: str | None) -> None:
    with opened(served, scheme, "/ws/echo", compression=compression) as peer:
        assert bool(peer.protocol.extensions) is bool(compression)
        for message in ("", "text €", b"", b"bytes", "x" * 125, b"x" * 126, "é" * 40_000, bytes(range(256)) * 8000):
            peer.send(message)
            assert peer.recv() == message
        assert peer.ping().wait(10)
        peer.send(iter(["frag", "ment", "s"]))
        assert peer.recv() == "fragments"
    assert peer.close_code == 1000


def test_what_the_application_says_of_the_handshake_and_of_the_end_arrives(served: Served, scheme: str) -> None:
    with opened(served, scheme, "/ws/second", subprotocols=["one", "two"]) as peer:
        assert peer.subprotocol == "two"
    with opened(served, scheme, "/ws/close") as peer:
        assert peer.recv() == "last"
        with pytest.raises(ConnectionClosed) as closed:
            peer.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4321, "enough")
    with pytest.raises(InvalidStatus) as refused:
        opened(served, scheme, "/ws/elsewhere")
    assert (refused.value.response.status_code, refused.value.response.body) == (403, b"refused\n")


def test_many_at_once_get_their_own_answers(served: Served, scheme: str) -> None:
    tls = {"ssl": served.context} if scheme == "wss" else {}

    async def talk(number: int) -> None:
        async with websockets.connect(f"{scheme}://localhost:{served.server.port}/ws/echo", **tls) as peer:
            for count in range(20):
                await peer.send(f"{number} {count}")
                assert await peer.recv() == f"{number} {count}"

    async def all_of_them() -> None:
        await asyncio.gather(*(talk(number) for number in range(served.at_once)))

    asyncio.run(all_of_them())


def test_a_stop_says_goodbye(interface: str, implementation: str) -> None:
    with running_server(f"{interface}:app", "--interface", interface, "--threads", "4", cwd=APPLICATIONS) as server:
        with connect(f"ws://localhost:{server.port}/ws/echo") as peer:
            peer.send("a")
            assert peer.recv() == "a"
            server.process.terminate()
            with pytest.raises(ConnectionClosed) as closed:
                peer.recv(timeout=20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        assert server.stop() == 0
