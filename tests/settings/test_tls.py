"""TLS and the PROXY header act on a real server; the clients are those of OpenSSL by Python's ssl, and curl."""

from __future__ import annotations

import ast
import os
import signal
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from asteri_core.testing import RunningServer
from cryptography.hazmat.primitives import serialization

Serve = Callable[..., Any]

APP = """
import os
from asteri_core.api import Want

TOLD = ("wsgi.url_scheme", "REMOTE_ADDR", "REMOTE_PORT", "SERVER_NAME", "SERVER_PORT", "HTTPS")


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/large":
        start_response("200 OK", [("Content-Length", str(8 << 20))])
        return [bytes([number]) * (1 << 20) for number in range(8)]
    if environ["PATH_INFO"] == "/file":
        file = open(__file__, "rb")
        start_response("200 OK", [("Content-Length", str(os.path.getsize(__file__)))])
        return environ["wsgi.file_wrapper"](file)
    found = {name: value for name, value in environ.items() if name in TOLD or name.startswith("SSL_")}
    found["length"] = len(environ["wsgi.input"].read())
    found["pid"] = os.getpid()
    content = repr(found).encode()
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    found = {name: scope[name] for name in ("scheme", "client", "server")} | {"tls": scope["extensions"].get("tls")}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": repr(found).encode()})
"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def folder(tmp_path: Path, authority: trustme.CA) -> Path:
    """A folder with the application, and a certificate for localhost with its key."""
    (tmp_path / "app.py").write_text(APP)
    write_certificate(authority, tmp_path, "localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path


def write_certificate(authority: trustme.CA, folder: Path, *names: str, stem: str = "server") -> trustme.LeafCert:
    certificate = authority.issue_cert(*names)
    for file, content in (
        ("key", certificate.private_key_pem.bytes()),
        ("pem", certificate.cert_chain_pems[0].bytes()),
    ):
        new = folder / f"{stem}.{file}.new"
        new.write_bytes(content)
        new.replace(folder / f"{stem}.{file}")
    return certificate


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """The context of a client that trusts the authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


CERTIFIED = ("--certfile", "server.pem", "--keyfile", "server.key")


def request(path: str = "/", *fields: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: test", "Connection: close", *fields, "", ""]).encode()


def read(peer: socket.socket) -> bytes:
    data = b""
    while piece := peer.recv(1 << 16):
        data += piece
    return data


def content_of(answer: bytes) -> Any:
    head, _, content = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), answer[:200]
    if b"transfer-encoding: chunked" in head:
        size, _, content = content.partition(b"\r\n")
        content = content[: int(size, 16)]
    return ast.literal_eval(content.decode())


def ask(server: RunningServer, context: ssl.SSLContext, path: str = "/", name: str = "localhost", **kept: Any) -> bytes:
    """One request over a TLS connection of its own, and all that comes back."""
    with context.wrap_socket(server.connect(), server_hostname=name, **kept) as peer:
        peer.sendall(request(path))
        return read(peer)


def certificate_of(server: RunningServer, context: ssl.SSLContext, name: str = "localhost") -> bytes:
    with context.wrap_socket(server.connect(), server_hostname=name) as peer:
        return peer.getpeercert(True) or b""


def test_a_bind_speaks_tls_and_cleartext_as_the_client_begins(serve: Serve, trusting: ssl.SSLContext) -> None:
    with serve(*CERTIFIED) as server:
        found = content_of(ask(server, trusting))
        assert (found["wsgi.url_scheme"], found["HTTPS"], found["SSL_CLIENT_VERIFY"]) == ("https", "on", "NONE")
        assert found["SSL_PROTOCOL"] == "TLSv1.3"
        assert found["SSL_TLS_SNI"] == "localhost"
        with server.connect() as peer:
            peer.sendall(request())
            assert content_of(read(peer))["wsgi.url_scheme"] == "http"


def test_an_asgi_application_sees_the_tls_extension(serve: Serve, trusting: ssl.SSLContext) -> None:
    with serve(*CERTIFIED, app="app:asgi") as server:
        for _ in range(3):
            found = content_of(ask(server, trusting))
            assert found["scheme"] == "https"
            assert found["tls"]["tls_version"] == 0x0304
            assert found["tls"]["cipher_suite"] in (0x1301, 0x1302, 0x1303)
            assert found["tls"]["client_cert_chain"] == []
            assert ssl.PEM_cert_to_DER_cert(found["tls"]["server_cert"]) == certificate_of(server, trusting)
            with server.connect() as peer:
                peer.sendall(request())
                assert content_of(read(peer))["tls"] is None


@pytest.mark.parametrize("path", ["/large", "/file"])
def test_large_answers_and_files_come_whole(serve: Serve, folder: Path, trusting: ssl.SSLContext, path: str) -> None:
    large = b"".join(bytes([number]) * (1 << 20) for number in range(8))
    wanted = {"/large": large, "/file": (folder / "app.py").read_bytes()}[path]
    with serve(*CERTIFIED) as server:
        assert ask(server, trusting, path).partition(b"\r\n\r\n")[2] == wanted


def test_requests_of_one_connection_and_bodies_in_pieces_are_answered(serve: Serve, trusting: ssl.SSLContext) -> None:
    with serve(*CERTIFIED) as server, trusting.wrap_socket(server.connect(), server_hostname="localhost") as peer:
        for number in range(20):
            peer.sendall(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n" % (number * 3000))
            for _ in range(number):
                peer.sendall(b"x" * 3000)
            answer = b""
            while b"}" not in answer:
                answer += peer.recv(65536)
            assert content_of(answer)["length"] == number * 3000


def test_the_password_opens_an_encrypted_key(serve: Serve, folder: Path, trusting: ssl.SSLContext) -> None:
    key = serialization.load_pem_private_key((folder / "server.key").read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (folder / "locked.key").write_bytes(locked)
    options = ("--certfile", "server.pem", "--keyfile", "locked.key", "--keyfile-password")
    with serve(*options, "secret") as server:
        assert content_of(ask(server, trusting))["HTTPS"] == "on"
    with serve(*options, "wrong", wait=False) as server:
        assert server.process.wait(20) == 2


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--certfile", "none.pem"), "none.pem cannot be used as certificate and key: No such file"),
        (("--certfile", "app.py"), "app.py cannot be used as certificate and key: OpenSSL finds no PEM"),
        (("--certfile", "server.pem", "--keyfile", "other.key"), "key values mismatch"),
        (("--keyfile", "server.key"), "keyfile is given, and certfile is not"),
        ((*CERTIFIED, "--cert-reqs", "required"), "ca_certs"),
        ((*CERTIFIED, "--ciphers", "nonsense"), "of which OpenSSL knows none"),
        ((*CERTIFIED, "--ca-certs", "none.pem"), "none.pem cannot be read"),
        ((*CERTIFIED, "--sni", "a"), "HOST=CERT,KEY was expected"),
    ],
)
def test_what_is_wrong_is_said_before_anything_starts(
    serve: Serve, folder: Path, authority: trustme.CA, options: tuple[str, ...], complaint: str
) -> None:
    write_certificate(authority, folder, "other", stem="other")
    with serve(*options, wait=False) as server:
        assert server.process.wait(20) == 2
        server.wait_for_log(complaint)


def test_the_oldest_version_is_the_one_asked_for(serve: Serve, trusting: ssl.SSLContext) -> None:
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    with serve(*CERTIFIED) as server:
        assert content_of(ask(server, trusting))["SSL_PROTOCOL"] == "TLSv1.2"
    with serve(*CERTIFIED, "--tls-min-version", "1.3") as server, pytest.raises(ssl.SSLError):
        ask(server, trusting)


def test_the_ciphers_are_those_asked_for(serve: Serve, trusting: ssl.SSLContext) -> None:
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    with serve(*CERTIFIED, "--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256") as server:
        assert content_of(ask(server, trusting))["SSL_CIPHER"].endswith("AES128-GCM-SHA256")


@pytest.mark.parametrize("app", ["app:wsgi", "app:asgi"])
def test_a_client_shows_its_certificate_where_it_is_asked(
    serve: Serve, authority: trustme.CA, trusting: ssl.SSLContext, app: str
) -> None:
    client = authority.issue_cert("client@example.org", common_name="a, client")
    with serve(*CERTIFIED, "--ca-certs", "ca.pem", "--cert-reqs", "optional", app=app) as server:
        unknown = content_of(ask(server, trusting))
        client.configure_cert(trusting)
        known = content_of(ask(server, trusting))
    pem = client.cert_chain_pems[0].bytes()
    if app == "app:wsgi":
        assert (unknown["SSL_CLIENT_VERIFY"], known["SSL_CLIENT_VERIFY"]) == ("NONE", "SUCCESS")
        assert "CN=a\\, client" in known["SSL_CLIENT_S_DN"]
        assert ssl.PEM_cert_to_DER_cert(known["SSL_CLIENT_CERT"]) == ssl.PEM_cert_to_DER_cert(pem.decode())
    else:
        assert "CN=a\\, client" in known["tls"]["client_cert_name"]
        [shown] = known["tls"]["client_cert_chain"]
        assert ssl.PEM_cert_to_DER_cert(shown) == ssl.PEM_cert_to_DER_cert(pem.decode())


def test_a_client_without_the_right_certificate_is_refused_where_one_is_required_and_that_is_logged_once(
    serve: Serve, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    client = authority.issue_cert("client@example.org")
    stranger = trustme.CA().issue_cert("client@example.org")
    strange = ssl.create_default_context()
    authority.configure_trust(strange)
    stranger.configure_cert(strange)
    with serve(*CERTIFIED, "--ca-certs", "ca.pem", "--cert-reqs", "2") as server:
        [worker] = server.workers()
        for context in [trusting, *[strange] * 20]:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                ask(server, context)
        client.configure_cert(trusting)
        assert content_of(ask(server, trusting))["SSL_CLIENT_VERIFY"] == "SUCCESS"
        assert server.workers() == [worker]
        [line] = server.wait_for_log("TLS handshakes have failed")
        assert "peer did not return a certificate" in line
        assert len([line for line in server.lines if "TLS" in line]) == 1


def test_the_certificate_is_that_of_the_name_asked_for(
    serve: Serve, folder: Path, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    one = write_certificate(authority, folder, "one.example", stem="one")
    wild = write_certificate(authority, folder, "*.wild.example", stem="wild")
    sni = ("--sni", "one.example=one.pem,one.key", "--sni", "*.wild.example=wild.pem,wild.key")
    with serve(*CERTIFIED, *sni) as server:
        shown = [certificate_of(server, trusting, name) for name in ("ONE.example", "a.wild.example", "localhost")]
    wanted = [ssl.PEM_cert_to_DER_cert(each.cert_chain_pems[0].bytes().decode()) for each in (one, wild)]
    assert shown[:2] == wanted
    assert shown[2] not in wanted


def test_certificates_that_change_are_loaded_without_a_restart_and_bad_ones_are_not(
    serve: Serve, folder: Path, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    with serve(*CERTIFIED, "--tls-reload", "--workers", "2") as server:
        before = certificate_of(server, trusting)
        workers = server.workers()
        with trusting.wrap_socket(server.connect(), server_hostname="localhost") as kept:
            (folder / "server.pem").write_text("none")
            server.wait_for_log("changed certificates are not used", 2)
            assert certificate_of(server, trusting) == before
            write_certificate(authority, folder, "localhost")
            server.wait_for_log("certificates have changed and were loaded", 2)
            assert certificate_of(server, trusting) != before
            kept.sendall(request())
            assert content_of(read(kept))["HTTPS"] == "on"
        assert server.workers() == workers


def test_a_session_is_resumed_by_whichever_worker_and_after_a_reload(serve: Serve, trusting: ssl.SSLContext) -> None:
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    with serve(*CERTIFIED, "--workers", "3") as server:
        with trusting.wrap_socket(server.connect(), server_hostname="localhost") as peer:
            peer.sendall(request())
            pids = {content_of(read(peer))["pid"]}
            session = peer.session
        end = time.monotonic() + 20
        while len(pids) < 2 and time.monotonic() < end:
            with trusting.wrap_socket(server.connect(), server_hostname="localhost", session=session) as peer:
                assert peer.session_reused
                peer.sendall(request())
                pids.add(content_of(read(peer))["pid"])
        server.signal(signal.SIGHUP)
        server.wait_for_log("worker ready", 6)
        with trusting.wrap_socket(server.connect(), server_hostname="localhost", session=session) as peer:
            assert peer.session_reused


def test_a_hook_makes_the_context(serve: Serve, folder: Path, trusting: ssl.SSLContext) -> None:
    (folder / "conf.py").write_text(
        "import ssl\n"
        "def ssl_context(config, default_ssl_context_factory):\n"
        "    context = default_ssl_context_factory()\n"
        "    context.maximum_version = ssl.TLSVersion.TLSv1_2\n"
        "    return context\n"
    )
    with serve(*CERTIFIED, "-c", "conf.py") as server:
        assert content_of(ask(server, trusting))["SSL_PROTOCOL"] == "TLSv1.2"
    for body, complaint in (
        ("return 1 / 0", "the hook ssl_context failed"),
        ("return 1", "an ssl.SSLContext was expected"),
    ):
        (folder / "conf.py").write_text(f"def ssl_context(config, default_ssl_context_factory):\n    {body}\n")
        with serve(*CERTIFIED, "-c", "conf.py", wait=False) as server:
            assert server.process.wait(20) == 2
            server.wait_for_log(complaint)


def test_handshakes_that_stall_end_and_hold_nobody_up(serve: Serve, trusting: ssl.SSLContext) -> None:
    with serve(*CERTIFIED, "--handshake-timeout", "1") as server:
        stalled = [server.connect() for _ in range(50)]
        for number, peer in enumerate(stalled):
            peer.sendall(b"\x16\x03\x01\x02\x00\x01"[: 1 + number % 6])
        assert content_of(ask(server, trusting))["HTTPS"] == "on"
        for peer in stalled:
            with peer:
                read(peer)


def test_garbage_in_place_of_records_ends_the_connection_only(serve: Serve, trusting: ssl.SSLContext) -> None:
    with serve(*CERTIFIED) as server:
        workers = server.workers()
        for garbage in (b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x03\xff\xff" + b"x" * 70000, b"\x16\x03"):
            with server.connect() as peer:
                try:
                    peer.sendall(garbage)
                    peer.shutdown(socket.SHUT_WR)
                    read(peer)
                except ConnectionError:
                    pass
        with trusting.wrap_socket(server.connect(), server_hostname="localhost") as peer:
            raw = socket.socket(fileno=os.dup(peer.fileno()))
            raw.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                read(peer)
            raw.close()
        assert content_of(ask(server, trusting))["HTTPS"] == "on"
        assert server.workers() == workers


# -- the PROXY header --------------------------------------------------------------------------------------------------

V1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 5555 443\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H4B4BHH", 12, 192, 0, 2, 8, 192, 0, 2, 1, 6666, 443)


def told(server: RunningServer, before: bytes, **options: Any) -> Any:
    with server.connect() as peer:
        peer.sendall(before + request())
        answer = read(peer)
        return content_of(answer) if answer else None


@pytest.fixture(params=["app:wsgi", "app:asgi"])
def app(request: pytest.FixtureRequest) -> Iterator[str]:
    return request.param


@pytest.mark.parametrize(
    ("mode", "accepted", "refused"),
    [("v1", [V1], [V2, b""]), ("v2", [V2], [V1, b""]), ("auto", [V1, V2, b""], [])],
)
def test_a_trusted_proxy_says_who_its_client_is(
    serve: Serve, app: str, mode: str, accepted: list[bytes], refused: list[bytes]
) -> None:
    clients = {V1: ("192.0.2.7", 5555), V2: ("192.0.2.8", 6666)}
    with serve("--proxy-protocol", mode, app=app) as server:
        for header in accepted:
            found = told(server, header)
            client = found.get("client") or (found["REMOTE_ADDR"], int(found["REMOTE_PORT"]))
            assert client == clients[header] if header else client[0] == "127.0.0.1"
        for header in refused:
            assert told(server, header) is None
        assert len(server.wait_for_log("closed|refused", len(refused))) >= len(refused)


def test_the_header_of_anybody_else_is_no_header(serve: Serve) -> None:
    with serve("--proxy-protocol", "auto", "--proxy-allow-ips", "192.0.2.0/24") as server:
        with server.connect() as peer:
            peer.sendall(V1 + request())
            assert read(peer).startswith(b"HTTP/1.1 400 ")
        assert told(server, b"")["REMOTE_ADDR"] == "127.0.0.1"


def test_tls_behind_a_header_and_the_header_only_once(serve: Serve, trusting: ssl.SSLContext) -> None:
    with serve(*CERTIFIED, "--proxy-protocol", "auto") as server:
        raw = server.connect()
        raw.sendall(V2)
        with trusting.wrap_socket(raw, server_hostname="localhost") as peer:
            peer.sendall(request())
            found = content_of(read(peer))
        assert (found["REMOTE_ADDR"], found["HTTPS"]) == ("192.0.2.8", "on")
        with server.connect() as peer:
            peer.sendall(V1 + V1 + request())
            assert read(peer).startswith(b"HTTP/1.1 400 ")
