"""Uploads and downloads much larger than memory may become, over TLS and HTTP/2, and clients that hardly read.

``LARGE_BYTES`` in the environment is the size; ``nox -s leaks`` sets a gigabyte.
"""

from __future__ import annotations

import functools
import hashlib
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from asteri_core.testing import RunningServer, running_server
from http2_client import Peer as Http2Peer
from worker_models import MODELS, Model

APPLICATIONS = Path(__file__).parent / "applications"
SIZE = int(os.environ.get("LARGE_BYTES", "30000000"))
FLAT = 20 << 20
"""Bytes by which a worker may grow at its peak, whatever the size."""
WAYS = {
    "h1 over TLS": ("https", "--http1.1"),
    "h2 over TLS": ("https", "--http2"),
    "h2": ("http", "--http2-prior-knowledge"),
}
"""Scheme and option of curl."""
HELD = 12 << 20
"""Bytes by which a worker may grow for clients that hardly read an answer without an end; the sanitizers keep 8 MiB."""
UNREAD = 4096
"""Bytes that a client of HTTP/1.1 lets its own kernel keep for it."""


class Served(NamedTuple):
    server: RunningServer
    at_once: int
    """How many clients may hold a request at the same time."""
    authority: trustme.CA
    curl: tuple[str, ...]


@pytest.fixture(scope="module", params=MODELS)
def served(
    request: pytest.FixtureRequest, interface: str, tmp_path_factory: pytest.TempPathFactory, implementation: str
) -> Iterator[Served]:
    model: Model = request.param
    folder, authority = tmp_path_factory.mktemp("certificates"), trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    options = ("--interface", interface, "--certfile", str(folder / "server.pem"), "--limit-request-body", "0")
    with running_server(f"{interface}:app", *options, *model.options, cwd=APPLICATIONS) as server:
        alone = model.worker == "sync" and interface == "wsgi"
        yield Served(server, 1 if alone else 3, authority, ("curl", "-sS", "--cacert", str(folder / "ca.pem")))
        assert server.stop() == 0


def memory(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no {name} of {pid}")


class Peak:
    """By how much a server's only worker has grown at its peak since."""

    def __init__(self, server: RunningServer) -> None:
        (self._pid,) = server.workers()
        Path(f"/proc/{self._pid}/clear_refs").write_text("5")  # the peak begins anew
        self._before = memory(self._pid, "VmRSS")

    def grown(self) -> int:
        return memory(self._pid, "VmHWM") - self._before


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=3000, check=True).stdout


@functools.cache
def digest_of_zeros() -> str:
    found = hashlib.sha256()
    for begin in range(0, SIZE, 1 << 20):
        found.update(bytes(min(1 << 20, SIZE - begin)))
    return found.hexdigest()


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> tuple[str, str]:
    return WAYS[request.param]


@pytest.mark.timeout(60 + SIZE // 1_000_000)
def test_a_large_download_takes_no_memory(served: Served, way: tuple[str, str], record_property: object) -> None:
    scheme, option = way
    url = f"{scheme}://localhost:{served.server.port}"
    said(*served.curl, option, "-o", "/dev/null", f"{url}/download?size=1000000")
    peak = Peak(served.server)
    found = said(
        *served.curl, option, "-o", "/dev/null", "-w", "%{size_download} %{http_code}", f"{url}/download?size={SIZE}"
    )
    assert found == f"{SIZE} 200"
    assert peak.grown() < FLAT
    record_property("grown", peak.grown())  # type: ignore[operator]


@pytest.mark.timeout(60 + SIZE // 1_000_000)
def test_a_large_upload_takes_no_memory(
    served: Served, way: tuple[str, str], tmp_path: Path, record_property: object
) -> None:
    scheme, option = way
    url = f"{scheme}://localhost:{served.server.port}/digest"
    with open(tmp_path / "body", "wb") as file:
        file.truncate(SIZE)
    small = tmp_path / "small"
    small.write_bytes(bytes(1_000_000))
    said(*served.curl, option, "-T", str(small), url)
    peak = Peak(served.server)
    assert said(*served.curl, option, "-T", str(tmp_path / "body"), url) == digest_of_zeros()
    assert peak.grown() < FLAT
    record_property("grown", peak.grown())  # type: ignore[operator]


def encrypted(served: Served, peer: socket.socket, alpn: str) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    served.authority.configure_trust(context)
    context.set_alpn_protocols([alpn])
    return context.wrap_socket(peer, server_hostname="localhost")


@pytest.mark.parametrize("tls", [False, True], ids=["cleartext", "TLS"])
def test_clients_of_http_2_that_read_a_byte_at_a_time_hold_no_more_than_their_windows(
    served: Served, tls: bool
) -> None:
    server = served.server
    said(*served.curl, "-o", "/dev/null", f"http://localhost:{server.port}/download?size=1000000")

    def connect() -> Http2Peer:
        peer = server.connect()
        if not tls:
            return Http2Peer(peer, reads=False)
        return Http2Peer(encrypted(served, peer, "h2"), reads=False)

    peak = Peak(server)
    peers = [connect() for _ in range(served.at_once)]
    try:
        for peer in peers:
            stream = peer.ask("GET", "/endless")
            while len(peer.answers[stream].body) < 65535:
                assert peer.turn()
            for count in range(1, 20):
                peer.connection.increment_flow_control_window(1, stream)
                peer.connection.increment_flow_control_window(1)
                peer.flush()
                while len(peer.answers[stream].body) < 65535 + count:
                    assert peer.turn()
        assert peak.grown() < HELD
    finally:
        for peer in peers:
            peer.socket.close()
    assert said(*served.curl, f"http://localhost:{server.port}/hello") == "hello\n"


def busy(pid: int) -> int:
    """Ticks of processor time that a process has used."""
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11:13]))


def wait_until_idle(pid: int) -> None:
    """Wait for a process that has nothing more to do: it has used no time for a while."""
    end = time.monotonic() + 40
    quiet, before = 0, busy(pid)
    while quiet < 10:
        assert time.monotonic() < end, f"{pid} goes on and on"
        time.sleep(0.02)
        quiet, before = (quiet + 1 if before == busy(pid) else 0), busy(pid)


@pytest.mark.parametrize("tls", [False, True], ids=["cleartext", "TLS"])
def test_clients_of_http_1_1_that_read_a_byte_at_a_time_hold_no_more_than_the_kernel_takes(
    served: Served, tls: bool
) -> None:
    server = served.server
    (pid,) = server.workers()
    said(*served.curl, "-o", "/dev/null", f"http://localhost:{server.port}/download?size=1000000")

    def connect() -> socket.socket:
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD)
        peer.settimeout(20)
        peer.connect(("127.0.0.1", server.port))
        return encrypted(served, peer, "http/1.1") if tls else peer

    peak = Peak(server)
    peers = [connect() for _ in range(served.at_once)]
    try:
        for peer in peers:
            peer.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for _ in range(20):
            for peer in peers:
                assert peer.recv(1)
        wait_until_idle(pid)
        assert peak.grown() < HELD
    finally:
        for peer in peers:
            peer.close()
    assert said(*served.curl, f"http://localhost:{server.port}/hello") == "hello\n"
