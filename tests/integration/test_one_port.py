"""Clients of every kind on one port at once, while the server is reloaded: every answer is the right one.

A few of them here; ``nox -s soak`` has two hundred, with a thousand requests each, and ten reloads.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import h2.exceptions
import pytest
import trustme
from asteri_core.testing import RunningServer, running_server
from http1_client import Peer as Http1Peer
from http2_client import Leaving, UpgradedPeer
from http2_client import Peer as Http2Peer
from uwsgi_client import ask as ask_uwsgi
from websocket_client import Refused, WebSocket, over_http1, over_http2

APPLICATIONS = Path(__file__).parent / "applications"
CLIENTS = int(os.environ.get("SOAK_CLIENTS", "44"))
"""Of all kinds together, as many of one as of another."""
REQUESTS = int(os.environ.get("SOAK_REQUESTS", "60"))
RELOADS = int(os.environ.get("SOAK_RELOADS", "3"))
TOGETHER = CLIENTS * 3 // 2
"""Threads for what holds one as long as it is connected."""

V1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 5555 443\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H4B4BHH", 12, 192, 0, 2, 8, 192, 0, 2, 1, 6666, 443)

Connect = Callable[[], socket.socket]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def context(authority: trustme.CA, alpn: str) -> ssl.SSLContext:
    made = ssl.create_default_context()
    authority.configure_trust(made)
    made.set_alpn_protocols([alpn] if alpn else [])
    return made


class Http1Client:
    """Keeps its connection as long as the server does."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._peer: Http1Peer | None = None

    def echo(self, body: bytes) -> bytes:
        while True:
            fresh = self._peer is None
            peer = self._peer or Http1Peer(self._connect())
            self._peer = peer
            try:
                answer = peer.post("/echo", body)
            except Exception:
                # An idle connection may be closed just when a request comes. A fresh one may not.
                self.close()
                if fresh:
                    raise
                continue
            if answer.value(b"connection") == b"close":
                self.close()
            assert answer.status == 200
            return bytes(answer.body)

    def close(self) -> None:
        if self._peer is not None:
            self._peer.socket.close()
            self._peer = None


class Http2Client:
    """Leaves its connection when the server says goodbye; what the server has not taken is asked for again."""

    def __init__(self, connect: Connect, begin: Callable[[socket.socket], Http2Peer] = Http2Peer) -> None:
        self._connect = connect
        self._begin = begin
        self._peer: Http2Peer | None = None

    def echo(self, body: bytes) -> bytes:
        while True:
            fresh = self._peer is None
            try:
                peer = self._peer = self._peer or self._begin(self._connect())
                answer = peer.post("/echo", body)
            except Exception as error:
                # The client's library takes nothing more behind the first GOAWAY, although more is to come.
                left = isinstance(error, (Leaving, h2.exceptions.ProtocolError))
                left = left or (self._peer is not None and bool(self._peer.goaways))
                self.close()
                if fresh and not left:
                    raise
                continue
            if peer.goaways or answer.reset == 7:
                self.close()
            if answer.reset == 7:
                continue
            assert answer.status == 200
            return answer.body

    def close(self) -> None:
        if self._peer is not None:
            self._peer.socket.close()
            self._peer = None


class UwsgiClient:
    """A connection for each request."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def echo(self, body: bytes) -> bytes:
        with self._connect() as peer:
            answer = ask_uwsgi(peer, "POST", "/echo", body)
        assert answer.status == 200
        return answer.body

    def close(self) -> None:
        """There is nothing to close."""


class WebSocketClient:
    """Leaves its WebSocket when the server goes away (1001); a message that was not answered by then is sent again."""

    def __init__(self, connect: Callable[[], WebSocket]) -> None:
        self._connect = connect
        self._peer: WebSocket | None = None

    def echo(self, body: bytes) -> bytes:
        while True:
            fresh = self._peer is None
            try:
                self._peer = self._peer or self._connect()
                self._peer.send(body)
                answer = self._peer.receive()
            except Exception as error:
                # Only HTTP/2 says goodbye to a fresh connection, which takes no stream then.
                self.close()
                if fresh and not isinstance(error, (Refused, h2.exceptions.ProtocolError)):
                    raise
                continue
            if isinstance(answer, bytes):
                return answer
            assert answer == 1001, answer
            self.close()

    def close(self) -> None:
        if self._peer is not None:
            self._peer.stream.close()
            self._peer = None


def kinds(server: RunningServer, authority: trustme.CA) -> dict[str, Callable[[], Any]]:
    def plain(before: bytes = b"") -> Connect:
        def connect() -> socket.socket:
            peer = server.connect()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.sendall(before)
            return peer

        return connect

    def tls(alpn: str, before: bytes = b"") -> Connect:
        made = context(authority, alpn)
        return lambda: made.wrap_socket(plain(before)(), server_hostname="localhost")

    return {
        "h1": lambda: Http1Client(plain()),
        "h1 over TLS": lambda: Http1Client(tls("http/1.1")),
        "h1 behind PROXY v1": lambda: Http1Client(plain(V1)),
        "h2": lambda: Http2Client(plain()),
        "h2 by Upgrade": lambda: Http2Client(plain(), UpgradedPeer),
        "h2 over TLS": lambda: Http2Client(tls("h2")),
        "h2 over TLS behind PROXY v2": lambda: Http2Client(tls("h2", V2)),
        "uwsgi": lambda: UwsgiClient(plain()),
        "uwsgi behind PROXY v1": lambda: UwsgiClient(plain(V1)),
        "uwsgi over TLS": lambda: UwsgiClient(tls("")),
        "WebSocket": lambda: WebSocketClient(lambda: over_http1(lambda alpn: plain()(), "/ws/echo")),
        "WebSocket over TLS": lambda: WebSocketClient(lambda: over_http1(lambda alpn: tls(alpn)(), "/ws/echo")),
        "WebSocket by h2 over TLS": lambda: WebSocketClient(lambda: over_http2(lambda alpn: tls(alpn)(), "/ws/echo")),
    }


@contextlib.contextmanager
def crowd(makers: dict[str, Callable[[], Any]], clients: int, requests: int) -> Iterator[list[str]]:
    """Runs the clients during the block; what was wrong is in the list at its end."""
    wrong: list[str] = []

    def run(kind: str, number: int) -> None:
        client = makers[kind]()
        try:
            for count in range(requests):
                body = f"{kind} {number} {count} ".encode() * (1 + count % 40)
                if client.echo(body) != body:
                    wrong.append(f"{kind}: another answer")
        except Exception as error:
            wrong.append(f"{kind}: {type(error).__name__}: {error}")
        finally:
            client.close()

    threads = [threading.Thread(target=run, args=one) for one in zip(cycle(makers), range(clients))]
    for thread in threads:
        thread.start()
    yield wrong
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    ("interface", "options"),
    [("wsgi", ()), ("wsgi", ("--threads", str(TOGETHER))), ("asgi", ()), ("asgi", ("-k", "sync"))],
    ids=["sync", "gthread", "asgi", "asgi-on-sync"],
)
def test_clients_of_every_kind_get_their_own_answers_through_reloads(
    tmp_path: Path, authority: trustme.CA, implementation: str, interface: str, options: tuple[str, ...]
) -> None:
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    tls = ("--certfile", str(tmp_path / "server.pem"), "--proxy-protocol", "auto")
    tls = (*tls, "--uwsgi-allow-ips", "127.0.0.1,192.0.2.7")
    with running_server(f"{interface}:app", "--workers", "2", *tls, *options, cwd=APPLICATIONS) as server:
        server.wait_for_log("worker ready", 2)
        # An open WebSocket of a blocking application is a call that lasts: `sync` would have no other one meanwhile.
        alone = interface == "wsgi" and not options
        makers = {kind: make for kind, make in kinds(server, authority).items() if not (alone and "WebSocket" in kind)}
        with crowd(makers, CLIENTS, REQUESTS) as wrong:
            for reload in range(1, RELOADS + 1):
                server.signal(signal.SIGHUP)
                server.wait_for_log("worker ready", 2 * (reload + 1))
        assert not wrong, wrong[:5]
        lines = server.lines
        trouble = next((at for at, line in enumerate(lines) if "ERROR" in line or "Traceback" in line), len(lines))
        assert not lines[trouble:], "\n".join(lines[trouble : trouble + 40])
        assert server.stop() == 0
