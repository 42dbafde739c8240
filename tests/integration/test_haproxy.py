"""HAProxy in front, with a PROXY header of either version before TCP and before HTTP, on every worker model.

The client speaks TLS with HAProxy, which says so in its header, or through it with the server. What a server does that
does not believe the header, or misses it, is seen here too.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import h11
import pytest
import trustme
from asteri_core.testing import RunningServer, running_server
from http1_client import Peer
from http2_client import Peer as Http2Peer
from proxies import free_ports, haproxy
from worker_models import MODELS, Model

APPLICATIONS = Path(__file__).parent / "applications"
SPOKEN: dict[str, Callable[[socket.socket], Peer | Http2Peer]] = {"http/1.1": Peer, "h2": Http2Peer}
SECTION = """
listen {number}
    bind 127.0.0.1:{port}{tls}
    mode {mode}
    server asteri 127.0.0.1:{to} {option}
"""


class Header(NamedTuple):
    """What HAProxy sends first."""

    version: str
    option: str
    scheme: str = "http"
    """What its clients speak with it, which only a header with a record of it can say."""


HEADERS = (
    Header("v1", "send-proxy"),
    Header("v2", "send-proxy-v2"),
    Header("v2", "send-proxy-v2-ssl", "https"),
    Header("v2", "send-proxy-v2-ssl-cn", "https"),
)


class Front(NamedTuple):
    """Where HAProxy listens."""

    port: int
    mode: str
    header: Header
    context: ssl.SSLContext

    def connect(self) -> socket.socket:
        peer = socket.create_connection(("127.0.0.1", self.port), 20)
        return peer if self.header.scheme == "http" else self.context.wrap_socket(peer, server_hostname="localhost")

    def through(self, alpn: str) -> ssl.SSLSocket:
        """TLS that HAProxy passes on without a look into it."""
        self.context.set_alpn_protocols([alpn])
        peer = socket.create_connection(("127.0.0.1", self.port), 20)
        return self.context.wrap_socket(peer, server_hostname="localhost")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Path:
    path = tmp_path_factory.mktemp("certificates") / "server.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="module", params=["v1", "v2", "auto"])
def expected(request: pytest.FixtureRequest) -> str:
    """``--proxy-protocol``."""
    name: str = request.param
    return name


@pytest.fixture(scope="module", params=MODELS)
def fronts(
    request: pytest.FixtureRequest, expected: str, interface: str, tmp_path_factory: pytest.TempPathFactory,
    authority: trustme.CA, certificate: Path, implementation: str,
) -> Iterator[list[Front]]:  # fmt: skip
    """HAProxy in every mode and with every header that the server takes."""
    model: Model = request.param
    options = ("--interface", interface, "--proxy-protocol", expected, "--certfile", str(certificate), *model.options)
    with running_server(f"{interface}:app", *options, cwd=APPLICATIONS) as server:
        headers = [header for header in HEADERS if expected in (header.version, "auto")]
        workers = server.workers()
        with placed(authority, headers) as found:
            sections = written(found, server.port, certificate)
            with haproxy(tmp_path_factory.mktemp("haproxy"), sections, [front.port for front in found]):
                yield found
        assert server.workers() == workers
        assert_nothing_failed(server)


@contextlib.contextmanager
def placed(authority: trustme.CA, headers: list[Header]) -> Iterator[list[Front]]:
    """A place to listen for each of the headers in each mode."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    keys = [(mode, header) for mode in ("tcp", "http") for header in headers]
    with free_ports(len(keys)) as ports:
        yield [Front(port, *key, context) for port, key in zip(ports, keys, strict=True)]


def written(fronts: list[Front], to: int, certificate: Path) -> str:
    """HAProxy's configuration."""
    return "".join(
        SECTION.format(
            number=f"front-{front.port}", port=front.port, mode=front.mode, to=to, option=front.header.option,
            tls=f" ssl crt {certificate}" if front.header.scheme == "https" else "",
        )
        for front in fronts
    )  # fmt: skip


def assert_nothing_failed(server: RunningServer) -> None:
    assert not [line for line in server.lines if "ERROR" in line or "Traceback" in line], server.lines[-20:]


def test_the_application_sees_the_client_and_not_the_proxy(fronts: list[Front]) -> None:
    for front in fronts:
        with Peer(front.connect()) as peer:
            own = peer.socket.getsockname()[1]
            for _ in range(3):
                assert peer.get("/whoami").body == f"127.0.0.1 {own} {front.header.scheme} localhost".encode()


def test_clients_that_come_by_one_proxy_are_told_apart(fronts: list[Front]) -> None:
    for front in fronts:
        for _ in range(3):
            # HAProxy may keep the connection of the one who has left; it is nobody else's.
            with Peer(front.connect()) as peer:
                own = peer.socket.getsockname()[1]
                assert peer.get("/whoami").body.split()[1] == str(own).encode()


def test_bodies_go_both_ways(fronts: list[Front]) -> None:
    body = bytes(range(251)) * 4000
    for front in fronts:
        with Peer(front.connect()) as peer:
            assert peer.post("/digest", body).body.decode() == hashlib.sha256(body).hexdigest()
            assert len(peer.get("/download?size=3000000").body) == 3_000_000


def test_tls_behind_the_header_is_the_clients_own(fronts: list[Front]) -> None:
    for front in fronts:
        if front.mode == "tcp" and front.header.scheme == "http":
            for alpn, speak in SPOKEN.items():
                with speak(front.through(alpn)) as peer:
                    own = peer.socket.getsockname()[1]
                    assert peer.get("/whoami").body == f"127.0.0.1 {own} https localhost".encode()


REFUSED = {
    "a header of who is not allowed, v1": (("auto", "192.0.2.0/24"), Header("v1", "send-proxy")),
    "a header of who is not allowed, v2": (("auto", "192.0.2.0/24"), Header("v2", "send-proxy-v2")),
    "a header where there is none": (("off", "127.0.0.1"), Header("v1", "send-proxy")),
    "no header": (("v2", "127.0.0.1"), Header("", "")),
    "a header of version 1 for 2": (("v2", "127.0.0.1"), Header("v1", "send-proxy")),
    "a header of version 2 for 1": (("v1", "127.0.0.1"), Header("v2", "send-proxy-v2")),
}
"""What the server is told (``--proxy-protocol``, ``--proxy-allow-ips``), and what HAProxy sends."""


def refused(peer: Peer) -> int | None:
    """The status of the refusal, None where the connection ends without an answer."""
    try:
        return peer.get("/whoami").status
    except (h11.RemoteProtocolError, ConnectionError):
        return None


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("model", MODELS)
def test_nobody_is_served_who_sends_another_header_than_is_believed(
    tmp_path: Path, authority: trustme.CA, certificate: Path, model: Model, case: tuple[tuple[str, str], Header]
) -> None:
    (expected, allowed), header = case
    options = ("--proxy-protocol", expected, "--proxy-allow-ips", allowed, *model.options)
    with running_server("wsgi:app", *options, cwd=APPLICATIONS) as server:
        workers = server.workers()
        with (
            placed(authority, [header]) as found,
            haproxy(tmp_path, written(found, server.port, certificate), [front.port for front in found]),
        ):
            for front in found:
                with Peer(front.connect()) as peer:
                    # HAProxy, where it knows of HTTP, says for the server that it has left.
                    assert refused(peer) in ((400, None) if front.mode == "tcp" else (400, 502))
        assert server.workers() == workers
        assert server.stop() == 0
