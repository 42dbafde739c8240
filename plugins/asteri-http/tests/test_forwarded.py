"""What proxies say of their clients: who is believed, which entry counts, and what is refused."""

from __future__ import annotations

import time
from typing import Any

import pytest
from asteri_core.api import Peer, RemoteProtocolError
from asteri_http.forwarded import Forwarding, read_address, read_forwarded
from asteri_http.settings import HttpSettings

PROXY = Peer(("127.0.0.1", 5000), ("127.0.0.1", 80))
HERE = (("127.0.0.1", 5000), "http")


def told(*headers: tuple[bytes, bytes], peer: Peer = PROXY, **settings: Any) -> tuple[Any, str]:
    found = Forwarding(HttpSettings(**settings)).peer(headers, peer)
    assert found.local == peer.local
    return found.address, found.scheme


def xff(value: bytes) -> tuple[bytes, bytes]:
    return b"x-forwarded-for", value


def proto(value: bytes) -> tuple[bytes, bytes]:
    return b"x-forwarded-proto", value


def forwarded(value: bytes) -> tuple[bytes, bytes]:
    return b"forwarded", value


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ([], HERE),
        ([(b"x-real-ip", b"192.0.2.9")], HERE),
        ([(b"x-forwarded-host", b"evil"), (b"x-forwarded-port", b"1")], HERE),
        ([xff(b"192.0.2.9")], (("192.0.2.9", 0), "http")),
        ([xff(b" 192.0.2.9:81 ")], (("192.0.2.9", 81), "http")),
        ([xff(b"1.1.1.1, 192.0.2.9")], (("192.0.2.9", 0), "http")),
        ([xff(b"1.1.1.1"), xff(b"192.0.2.9")], (("192.0.2.9", 0), "http")),
        ([xff(b"nonsense, 192.0.2.9")], (("192.0.2.9", 0), "http")),
        ([xff(b"2001:db8::9")], (("2001:db8::9", 0), "http")),
        ([xff(b"[2001:db8::9]")], (("2001:db8::9", 0), "http")),
        ([xff(b"[2001:db8::9]:82")], (("2001:db8::9", 82), "http")),
        ([xff(b"unknown")], ("", "http")),
        ([proto(b"https")], (("127.0.0.1", 5000), "https")),
        ([proto(b"HTTPS"), xff(b"192.0.2.9")], (("192.0.2.9", 0), "https")),
        ([proto(b"wss")], (("127.0.0.1", 5000), "https")),
        ([proto(b"http, https")], (("127.0.0.1", 5000), "https")),
        ([forwarded(b"for=192.0.2.9")], (("192.0.2.9", 0), "http")),
        ([forwarded(b'For="192.0.2.9:83";proto=https')], (("192.0.2.9", 83), "https")),
        ([forwarded(b'for="[2001:db8::9]:84";by=x;host=evil')], (("2001:db8::9", 84), "http")),
        ([forwarded(b"for=1.1.1.1, for=192.0.2.9;proto=https")], (("192.0.2.9", 0), "https")),
        ([forwarded(b"for=_hidden")], ("", "http")),
        ([forwarded(b'for="192.0.2.9:_x"')], (("192.0.2.9", 0), "http")),
        ([forwarded(b"proto=https")], (("127.0.0.1", 5000), "https")),
        ([forwarded(b"for=192.0.2.9;proto=https"), xff(b"192.0.2.9"), proto(b"https")], (("192.0.2.9", 0), "https")),
    ],
)
def test_a_trusted_proxy_is_believed(headers: Any, wanted: Any) -> None:
    assert told(*headers) == wanted


@pytest.mark.parametrize(
    "headers",
    [[xff(b"192.0.2.9")], [proto(b"https")], [forwarded(b"for=192.0.2.9")], [xff(b"nonsense")], [forwarded(b"=")]],
)
def test_anybody_else_is_not_even_read(headers: Any) -> None:
    stranger = Peer(("192.0.2.1", 7), ("192.0.2.2", 80))
    assert told(*headers, peer=stranger) == (stranger.address, "http")
    assert told(*headers, forwarded_allow_ips=()) == HERE


@pytest.mark.parametrize(
    ("hops", "wanted"), [(1, "192.0.2.3"), (2, "192.0.2.2"), (3, "192.0.2.1"), (4, "192.0.2.1"), (1000, "192.0.2.1")]
)
def test_so_many_entries_from_the_right_is_the_client(hops: int, wanted: str) -> None:
    value = b"192.0.2.1, 192.0.2.2, 192.0.2.3"
    assert told(xff(value), forwarded_hops=hops)[0] == (wanted, 0)
    elements = b", ".join(b"for=" + part.strip() for part in value.split(b","))
    assert told(forwarded(elements), forwarded_hops=hops)[0] == (wanted, 0)


@pytest.mark.parametrize(
    "headers",
    [
        [xff(b"")],
        [xff(b"192.0.2.9,")],
        [xff(b"localhost")],
        [xff(b"192.0.2.256")],
        [xff(b"192.0.2.9:99999")],
        [xff(b"192.0.2.9:+1")],
        [xff(b"[192.0.2.9]")],
        [xff(b"[2001:db8::9")],
        [xff(b"[2001:db8::9]x")],
        [xff(b"fe80::1%eth0")],
        [xff(b"192.0.2.9 evil")],
        [proto(b"")],
        [proto(b"gopher")],
        [proto(b"https evil")],
        [forwarded(b"for")],
        [forwarded(b"for=")],
        [forwarded(b'for="192.0.2.9')],
        [forwarded(b"for=192.0.2.9;for=192.0.2.8")],
        [forwarded(b"for=2001:db8::9")],
        [forwarded(b"proto=ftp")],
        [forwarded(b"for=192.0.2.9"), xff(b"192.0.2.8")],
        [forwarded(b"for=192.0.2.9"), xff(b"192.0.2.9"), proto(b"https")],
    ],
)
def test_what_a_trusted_proxy_says_is_understood_or_refused(headers: Any) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        told(*headers)
    assert caught.value.status == 400


def test_a_mebibyte_is_read_in_linear_time() -> None:
    def seconds(count: int) -> float:
        began = time.process_time()
        told(xff(b"1.1.1.1," * count + b"192.0.2.9"))
        read_forwarded(b"for=1.1.1.1," * count + b"for=192.0.2.9")
        return time.process_time() - began

    small = min(seconds(20_000) for _ in range(3))
    assert min(seconds(80_000) for _ in range(3)) < 10 * small + 0.05


def test_addresses_are_written_as_python_writes_them() -> None:
    assert read_address(b"2001:DB8:0::9") == ("2001:db8::9", 0)
