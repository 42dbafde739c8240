"""19, 20, 27. Who says who the client is, and TLS: forwarded fields, PROXY headers and handshakes that lie.

What is believed is written down for each; the worker lives, and a good request is answered behind it.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from attacking.target import Attacked, attacked, targets
from attacking.wire import Client

V2 = b"\r\n\r\n\0\r\nQUIT\n"
GET = b"GET /echo HTTP/1.1\r\nHost: a\r\n"
IPV4 = struct.pack("!4s4sHH", bytes([192, 0, 2, 7]), bytes([192, 0, 2, 1]), 5555, 443)


def v2(payload: bytes, command: int = 0x21, family: int = 0x11, size: int | None = None) -> bytes:
    return V2 + bytes([command, family]) + struct.pack("!H", len(payload) if size is None else size) + payload


# -- 19: forwarded fields ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=targets("sync", "asgi"), ids=str)
def trusting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """Believes a proxy of this machine, one hop."""
    with attacked(request.param, tmp_path_factory.mktemp("trusting")) as attack:
        yield attack


@pytest.fixture(scope="module", params=targets("sync", "asgi"), ids=str)
def wary(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """Believes nobody here."""
    options = ("--forwarded-allow-ips", "192.0.2.0/24", "--proxy-protocol", "auto", "--proxy-allow-ips", "192.0.2.9")
    with attacked(request.param, tmp_path_factory.mktemp("wary"), *options) as attack:
        yield attack


FORWARDED: dict[str, tuple[bytes, int]] = {
    # what the trusted proxy says, and the answer
    "one": (b"X-Forwarded-For: 192.0.2.7\r\n", 200),
    "many hops": (b"X-Forwarded-For: " + b"192.0.2.7, " * 400 + b"192.0.2.8\r\n", 200),
    "many fields": (b"X-Forwarded-For: 192.0.2.7\r\n" * 50, 200),
    "IPv6 with a port": (b'Forwarded: for="[2001:db8::7]:4711";proto=https\r\n', 200),
    "a megabyte": (b"X-Forwarded-For: " + b"1" * (1 << 20) + b"\r\n", 431),
    "no address": (b"X-Forwarded-For: <script>\r\n", 400),
    "empty": (b"X-Forwarded-For: \r\n", 400),
    "a scheme that is none": (b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: javascript\r\n", 400),
    "Forwarded that is no list": (b'Forwarded: for="[2001:db8::7\r\n', 400),
}


@pytest.mark.parametrize("case", FORWARDED.values(), ids=FORWARDED)
def test_what_a_trusted_proxy_says_is_believed_or_refused(trusting: Attacked, case: tuple[bytes, int]) -> None:
    fields, status = case
    with trusting.client() as client:
        with contextlib.suppress(OSError):
            client.send(GET + fields + b"\r\n")
        assert client.response().status == status
    assert trusting.get().status == 200


@pytest.mark.parametrize("case", FORWARDED.values(), ids=FORWARDED)
def test_what_anybody_else_says_is_a_field_like_any_other(wary: Attacked, case: tuple[bytes, int]) -> None:
    fields, status = case
    with wary.client() as client:
        with contextlib.suppress(OSError):
            client.send(GET + fields + b"\r\n")
        assert client.response().status == (431 if status == 431 else 200)
    assert wary.get().status == 200


# -- 20: the PROXY header ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=targets("sync", "asgi"), ids=str)
def proxied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """A header may come before everything."""
    with attacked(request.param, tmp_path_factory.mktemp("proxied"), "--proxy-protocol", "auto") as attack:
        yield attack


@pytest.fixture(scope="module", params=targets("sync", "asgi"), ids=str)
def impatient(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """The same, with little time for it: too little for a client that meets a pause of the machine."""
    options = ("--proxy-protocol", "auto", "--handshake-timeout", "1", "--header-timeout", "1")
    with attacked(request.param, tmp_path_factory.mktemp("impatient"), *options) as attack:
        yield attack


ANSWERED = {
    "v1": b"PROXY TCP4 192.0.2.7 192.0.2.1 5555 443\r\n",
    "v1 unknown": b"PROXY UNKNOWN\r\n",
    "v1 unknown with anything": b"PROXY UNKNOWN ffff::1 whatever\r\n",
    "v2": v2(IPV4),
    "v2 local": v2(b"", command=0x20, family=0),
    "v2 with what nobody knows behind": v2(IPV4 + b"\xe0\0\3abc"),
}
CLOSED = {
    "v1 unbounded": b"PROXY TCP4 " + b"1" * 200,
    "v1 without an end": b"PROXY TCP4 192.0.2.7 192.0.2.1 5555 443\n",
    "v1 with an address that is none": b"PROXY TCP4 192.0.2.777 192.0.2.1 5555 443\r\n",
    "v1 with a port that is none": b"PROXY TCP4 192.0.2.7 192.0.2.1 70000 443\r\n",
    "v1 of another family": b"PROXY TCP6 192.0.2.7 192.0.2.1 5555 443\r\n",
    "v2 of another version": v2(IPV4, command=0x31),
    "v2 of another command": v2(IPV4, command=0x22),
    "v2 too short for its family": v2(IPV4[:4]),
    "v2 whose TLV runs over": v2(IPV4 + b"\x01\xff\xff"),
    "v2 of 64 KiB": v2(bytes(65535)),
}


def until_end(client: Client) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.socket.recv(65536):
            data += piece
    return data


@pytest.mark.parametrize("header", ANSWERED.values(), ids=ANSWERED)
def test_a_header_is_believed_once_and_keep_alive_goes_on(proxied: Attacked, header: bytes) -> None:
    with proxied.client() as client:
        client.send(header + GET + b"\r\n")
        assert client.response().status == 200
        client.send(GET + b"\r\n")
        assert client.response().status == 200
        client.send(header)
        if header.startswith(V2):
            client.send(b"\r\n\r\n")
        assert client.response().status in (400, 505), "the second one is no header, and no request"
    assert proxied.get().status == 200


@pytest.mark.parametrize("header", CLOSED.values(), ids=CLOSED)
def test_a_header_that_lies_closes_the_connection_without_a_word(proxied: Attacked, header: bytes) -> None:
    with proxied.client() as client:
        with contextlib.suppress(OSError):
            client.send(header + GET + b"\r\n")
        assert until_end(client) == b""
    assert proxied.get().status == 200


@pytest.mark.parametrize("header", [ANSWERED["v1"], ANSWERED["v2"]], ids=["v1", "v2"])
def test_a_header_that_is_cut_anywhere_is_closed_in_time(impatient: Attacked, header: bytes) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(impatient.client()) for _ in range(1, len(header))]
        for size, client in enumerate(clients, 1):
            client.send(header[:size])
        for client in clients:
            # The first bytes may be those of a request as well, which is answered.
            assert until_end(client)[:13] in (b"", b"HTTP/1.1 400 ", b"HTTP/1.1 408 ")
    impatient.check_alive()


@pytest.mark.parametrize("header", ANSWERED.values(), ids=ANSWERED)
def test_a_header_of_anybody_else_is_no_header(wary: Attacked, header: bytes) -> None:
    with wary.client() as client:
        client.send(header + (b"\r\n" if header.startswith(V2) else b"") + GET + b"\r\n")
        assert client.response().status in (400, 505)
    assert wary.get().status == 200


# -- 27: TLS -----------------------------------------------------------------------------------------------------------


class Secured:
    """A server with TLS, its files, and who has made its certificate."""

    def __init__(self, attack: Attacked, folder: Path) -> None:
        self.attack = attack
        self.authority = trustme.CA()
        self.certificate = folder / "server.pem"
        self.renew()

    def renew(self) -> None:
        self.authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(self.certificate))

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    def connect(self, context: ssl.SSLContext, name: str = "localhost") -> ssl.SSLSocket:
        peer = socket.create_connection(("127.0.0.1", self.attack.server.port), 10)
        return context.wrap_socket(peer, server_hostname=name)

    def check_good(self) -> None:
        with self.connect(self.context()) as peer:
            peer.sendall(GET + b"Connection: close\r\n\r\n")
            assert peer.recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.fixture(scope="module", params=targets("sync", "asgi"), ids=str)
def secured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    options = ("--certfile", str(folder / "server.pem"), "--tls-reload")
    with attacked(request.param, folder, *options) as attack:
        made = Secured(attack, folder)
        made.attack.server.wait_for_log("certificates have changed")
        yield made


def test_a_client_cannot_renegotiate(secured: Secured) -> None:
    """A handshake costs us more than the client (CVE-2011-1473)."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{secured.attack.server.port}", "-tls1_2"]
    done = subprocess.run(command, input="R\n", capture_output=True, text=True, timeout=30, check=False)
    assert "RENEGOTIATING" in done.stdout + done.stderr
    assert "no renegotiation" in done.stdout + done.stderr
    secured.check_good()


def test_a_name_that_nobody_has_gets_the_usual_certificate_and_is_the_client_s_to_judge(secured: Secured) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        secured.connect(secured.context(), "elsewhere")
    secured.check_good()


def test_protocols_that_nobody_speaks_fall_back_to_what_the_bytes_say(secured: Secured) -> None:
    context = secured.context()
    context.set_alpn_protocols(["spdy/1"])
    with secured.connect(context) as peer:
        assert peer.selected_alpn_protocol() is None
        peer.sendall(GET + b"Connection: close\r\n\r\n")
        assert peer.recv(100).startswith(b"HTTP/1.1 200 ")
    secured.check_good()


def test_http_1_1_behind_an_agreement_on_http_2_is_ended(secured: Secured) -> None:
    context = secured.context()
    context.set_alpn_protocols(["h2"])
    with secured.connect(context) as peer:
        peer.sendall(GET + b"\r\n")
        data = b""
        with contextlib.suppress(OSError):
            while piece := peer.recv(65536):
                data += piece
        assert b"HTTP/1.1" not in data
    secured.check_good()


def test_certificates_that_are_swapped_under_load_lose_no_request(secured: Secured) -> None:
    wrong: list[Exception] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                secured.check_good()
            except Exception as error:
                wrong.append(error)
                return

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for count in range(2, 6):
            secured.renew()
            secured.attack.server.wait_for_log("certificates have changed", count)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []
