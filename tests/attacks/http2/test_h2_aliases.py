"""12, 18, 19. A request is the same however it is cut, and no field of it passes for a word of the server's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from attacking.http2 import ENHANCE_YOUR_CALM, Http2Client, data, fields
from attacking.target import Attacked, attacked

from .conftest import TARGETS

FORGED = b"forged"
ALIASES = [
    b"x_forwarded_for", b"x-forwarded_for", b"x_real_ip", b"script_name", b"path_info", b"remote_user", b"remote_addr",
    b"http_host", b"http_x_a", b"content_length", b"content_type", b"transfer_encoding", b"proxy", b"http_proxy", b"_",
    b"__", b"x_", b"_x", b"wsgi_input", b"server_name", b"request_method", b"host_",
]  # fmt: skip
"""Dropped, whatever they say."""
WITH_DASHES = [b"script-name", b"path-info", b"remote-user", b"remote-addr", b"server-name", b"request-method"]
"""Fields like any other: they must not become the variable of that name."""
FORWARDED = [
    (b"x-forwarded-for", b"192.0.2.1"), (b"x-forwarded-for", b"192.0.2.1, 192.0.2.2"), (b"x-forwarded-for", b""),
    (b"x-forwarded-for", b"[2001:db8::1]:80"), (b"x-forwarded-for", b"192.0.2.1," * 700), (b"x-real-ip", b"192.0.2.1"),
    (b"forwarded", b"for=192.0.2.1;proto=https;host=b"), (b"forwarded", b'for="[2001:db8::1]:80"'),
    (b"x-forwarded-proto", b"https"), (b"x-forwarded-host", b"b"), (b"x-forwarded-port", b"443"),
]  # fmt: skip


@pytest.fixture(scope="module", params=TARGETS, ids=str)
def trusting_others(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """A server behind a proxy that is not here."""
    options = ("--forwarded-allow-ips", "192.0.2.77", "--h2c-allow-ips", "127.0.0.1")
    with attacked(request.param, tmp_path_factory.mktemp("forwarded"), *options) as attack:
        yield attack


def seen_facts(attack: Attacked, *more: tuple[bytes, bytes], path: bytes = b"/echo") -> dict:
    attack.records()
    with Http2Client(attack.client()) as peer:
        assert peer.request(1, fields(*more, path=path)).status == 200
    [record] = [record for record in attack.records() if record["kind"] == "request"]
    attack.check_alive()
    return record


@pytest.mark.parametrize("name", ALIASES, ids=lambda name: name.decode())
def test_a_field_that_could_pass_for_another_is_not_shown(h2: Attacked, name: bytes) -> None:
    record = seen_facts(h2, (name, FORGED), (b"x-kept", b"kept"))
    assert FORGED.decode() not in repr(record)
    assert "kept" in repr(record)


@pytest.mark.parametrize("name", WITH_DASHES, ids=lambda name: name.decode())
def test_a_field_named_like_a_variable_is_only_a_field(h2: Attacked, name: bytes) -> None:
    record = seen_facts(h2, (name, FORGED))
    if h2.target.interface == "asgi":
        assert [name.decode(), "forged"] in record.pop("headers")
    else:
        assert record["environ"].pop("HTTP_" + name.decode().upper().replace("-", "_")) == "forged"
    assert "forged" not in repr(record)


def test_the_path_cannot_name_where_the_application_is(h2: Attacked) -> None:
    record = seen_facts(h2, path=b"/a%2f..%2fb//c;d?SCRIPT_NAME=/x")
    if h2.target.interface == "asgi":
        assert (record["path"], record["root"]) == ("/a/../b//c;d", "")
    else:
        environ = record["environ"]
        assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("", "/a/../b//c;d")
        assert environ["REMOTE_ADDR"] == "127.0.0.1"


@pytest.mark.parametrize("scheme", [b"https", b"HTTPS", b"ftp"])
def test_the_scheme_is_that_of_the_connection(h2: Attacked, scheme: bytes) -> None:
    """A client in cleartext that says https is not secure because it says so."""
    h2.records()
    with Http2Client(h2.client()) as peer:
        assert peer.request(1, fields(scheme=scheme)).status == 200
    [record] = [record for record in h2.records() if record["kind"] == "request"]
    assert "https" not in repr(record).lower()
    assert "ftp" not in repr(record)
    if h2.target.interface == "wsgi":
        assert record["environ"]["wsgi.url_scheme"] == "http"


@pytest.mark.parametrize("field", FORWARDED, ids=lambda field: repr(field)[:60])
def test_a_client_that_nobody_trusts_does_not_speak_for_another(
    trusting_others: Attacked, field: tuple[bytes, bytes]
) -> None:
    record = seen_facts(trusting_others, field, field)
    if trusting_others.target.interface == "wsgi":
        environ = record["environ"]
        assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"], environ["HTTP_HOST"]) == ("127.0.0.1", "http", "a")
    else:
        assert [value for name, value in record["headers"] if name == "host"] == ["a"]


def test_a_hundred_kilobytes_of_hops_are_431_and_a_megabyte_ends_the_connection(h2: Attacked) -> None:
    with Http2Client(h2.client()) as peer:
        peer.send(peer.head(1, fields((b"x-forwarded-for", b"192.0.2.1," * 9000))))
        assert peer.wait(1).status == 431
        peer.send(peer.head(3, fields((b"x-forwarded-for", b"192.0.2.1," * 100_000))))
        assert peer.end() == [ENHANCE_YOUR_CALM]
    assert h2.get().status == 200
    h2.check_alive()


def test_a_good_connection_cut_at_every_byte_is_the_same(h2: Attacked) -> None:
    """Each offset is a connection of its own; a barrier says that the first piece has been looked at."""
    h2.records()
    with contextlib.ExitStack() as stack:
        peers = []
        for index in range(1, 400):
            client = stack.enter_context(h2.client())
            peer = Http2Client(client, begins=False)
            whole = peer.opening + peer.head(1, fields((b"x", b"y"), method=b"POST"), False) + data(1, b"hello")
            if index >= len(whole):
                break
            client.send(whole[:index])
            peers.append((peer, whole[index:]))
        assert h2.get("/barrier-cut").status == 200
        for peer, rest in peers:
            peer.client.send(rest)
        for peer, _ in peers:
            assert peer.wait(1).body == b"POST / hello"
    assert h2.seen() == [("POST /", b"hello")] * len(peers)
    assert len(peers) > 60
    h2.check_alive()
