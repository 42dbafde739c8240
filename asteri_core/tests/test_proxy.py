"""The PROXY header: what a trusted proxy may say, and what is none. Every header is read whole, and byte by byte."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from asteri_core.api import ClientCertificate, Failed, Peer, RemoteProtocolError, Sniff, Switched, TlsFacts
from asteri_core.sansio.proxy import LIMIT, V2, ProxyHeader, _crc32c, sniff

PEER = Peer(("10.0.0.1", 1), ("10.0.0.2", 80))


def v2(command: int = 0x21, family: int = 0x11, body: bytes = b"", length: int | None = None) -> bytes:
    return V2 + struct.pack("!BBH", command, family, len(body) if length is None else length) + body


def tlv(kind: int, value: bytes, length: int | None = None) -> bytes:
    return struct.pack("!BH", kind, len(value) if length is None else length) + value


IPV4 = bytes([192, 0, 2, 7, 192, 0, 2, 1]) + struct.pack("!HH", 5555, 443)
IPV6 = bytes.fromhex("20010db8" + "00" * 11 + "07" + "20010db8" + "00" * 11 + "01") + struct.pack("!HH", 5555, 443)
UNIX = b"/run/client".ljust(108, b"\0") + b"/run/server".ljust(108, b"\0")
SSL = bytes([0x07]) + bytes(4)
SHOWN = SSL + tlv(0x21, b"TLSv1.3") + tlv(0x23, b"TLS_AES_128_GCM_SHA256") + tlv(0x22, b"a,b")
FOUR = (("192.0.2.7", 5555), ("192.0.2.1", 443))
SIX = (("2001:db8::7", 5555), ("2001:db8::1", 443))


def with_checksum(body: bytes, wrong: int = 0) -> bytes:
    blank = v2(body=body + tlv(3, bytes(4)))
    return blank[:-4] + struct.pack("!I", _crc32c(blank) ^ wrong)


def read(data: bytes, step: int = 0, versions: tuple[int, ...] = (1, 2), eof: bool = False) -> Any:
    """The peer and what is left over; the error; or None while more is needed."""
    header = ProxyHeader(lambda peer, now: peer, PEER, 10.0, versions)  # type: ignore[arg-type, return-value]
    pieces = [data[at : at + step] for at in range(0, len(data), step)] if step else [data]
    rest = b""
    for number, piece in enumerate(pieces):
        header.receive_data(piece, 1.0)
        if events := header.events():
            rest = b"".join(pieces[number + 1 :])
            break
    else:
        if eof:
            header.receive_eof(2.0)
        events = header.events()
    if not events:
        return None
    (event,) = events
    if isinstance(event, Switched):
        assert header.deadline() is None
        return event.connection, event.leftover + rest
    assert isinstance(event, Failed)
    assert isinstance(event.error, RemoteProtocolError)
    assert list(header.data_to_send(1.0)) == [b""]
    assert list(header.data_to_send(1.0)) == []
    return str(event.error)


GOOD = [
    (b"PROXY TCP4 192.0.2.7 192.0.2.1 5555 443\r\n", FOUR),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 5555 443\r\n", SIX),
    (b"PROXY TCP4 192.0.2.7 192.0.2.1 0 65535\r\n", (("192.0.2.7", 0), ("192.0.2.1", 65535))),
    (b"PROXY UNKNOWN\r\n", PEER[:2]),
    (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", PEER[:2]),
    (v2(body=IPV4), FOUR),
    (v2(family=0x21, body=IPV6), SIX),
    (v2(family=0x31, body=UNIX), ("/run/client", "/run/server")),
    (v2(command=0x20, family=0, body=b""), PEER[:2]),
    (v2(command=0x20, body=IPV4), PEER[:2]),
    (v2(command=0x20), PEER[:2]),
    (v2(command=0x20, family=0x12, body=b"whatever"), PEER[:2]),
    (v2(family=0, body=b"whatever"), PEER[:2]),
    (v2(body=IPV4 + tlv(4, b"padding") + tlv(0xEA, b"")), FOUR),
    (v2(body=IPV4 + tlv(4, bytes(LIMIT - 16 - 12 - 3))), FOUR),
    (with_checksum(IPV4), FOUR),
]


@pytest.mark.parametrize("step", [0, 1, 5])
@pytest.mark.parametrize(("header", "addresses"), GOOD)
def test_a_header_names_the_peer_and_leaves_what_follows(header: bytes, addresses: Any, step: int) -> None:
    peer, rest = read(header + b"GET / HTTP/1.1\r\n", step)
    assert (peer.address, peer.local) == addresses
    assert rest == b"GET / HTTP/1.1\r\n"
    assert peer.scheme == "http"


BAD = [
    (b"GET / HTTP/1.1\r\n", "expected a PROXY header"),
    (b"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "expected TCP4 or TCP6"),
    (b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "expected TCP4 or TCP6"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "expected TCP4 or TCP6"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "expected TCP4 or TCP6"),
    (b"PROXY TCP4 1.2.3.4 ::1 1 2\r\n", "expected an address of IPv4"),
    (b"PROXY TCP6 ::1 1.2.3.4 1 2\r\n", "expected an address of IPv6"),
    (b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "expected an address of IPv6"),
    (b"PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n", "expected an address of IPv4"),
    (b"PROXY TCP4 a.b.c.d 1.2.3.4 1 2\r\n", "expected an address of IPv4"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", "expected a port"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", "expected a port"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "expected a port"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 1\0 2\r\n", "expected a port"),
    (b"PROXY TCP4 " + b"1" * 200, "longer than 107"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n" + b"x" * 100, "longer than 107"),
    (v2(command=0x22, body=IPV4), "LOCAL or PROXY"),
    (v2(command=0x11, body=IPV4), "LOCAL or PROXY"),
    (v2(family=0x12, body=IPV4), "family of streams"),
    (v2(family=0x41, body=IPV4), "family of streams"),
    (v2(body=IPV4[:11]), "11 bytes for two addresses"),
    (v2(family=0x21, body=IPV4), "12 bytes for two addresses"),
    (v2(family=0x31, body=UNIX[:-1]), "bytes for two unix addresses"),
    (v2(body=IPV4, length=65535), "at most 4096"),
    (v2(body=IPV4 + tlv(4, bytes(LIMIT - 16 - 12 - 2))), "at most 4096"),
    (v2(body=IPV4 + b"\4\0"), "a record of a PROXY header is cut"),
    (v2(body=IPV4 + tlv(4, b"x", length=2)), "a record of a PROXY header is of 2 bytes, 1 are left"),
    (v2(body=IPV4 + tlv(0x20, b"\1\0\0\0")), "SSL record"),
    (v2(body=IPV4 + tlv(0x20, SSL + b"\x21\0\5x")), "5 bytes, 1 are left"),
    (v2(body=IPV4 + tlv(3, b"xx")), "checksum"),
    (with_checksum(IPV4, wrong=1), "checksum"),
    (b"\r\n\r\n\0\r\nQUIX\n", "expected a PROXY header"),
]


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize(("header", "complaint"), BAD)
def test_what_is_no_header_closes_the_connection(header: bytes, complaint: str, step: int) -> None:
    assert complaint in read(header, step)


@pytest.mark.parametrize("header", [header for header, _ in GOOD])
def test_a_header_that_is_cut_anywhere_is_waited_for_and_an_end_there_is_told(header: bytes) -> None:
    for size in range(1, len(header)):
        assert read(header[:size]) is None
        assert "in the middle" in read(header[:size], eof=True)


def test_only_the_versions_asked_for_are_accepted() -> None:
    assert "version 2" in read(GOOD[0][0], versions=(2,))
    assert "version 1" in read(GOOD[5][0], versions=(1,))


def test_what_the_client_spoke_with_the_proxy_is_told() -> None:
    body = IPV4 + tlv(1, b"h2") + tlv(2, b"example.org") + tlv(0x20, SHOWN)
    peer, _ = read(v2(body=body))
    assert peer.scheme == "https"
    certificate = ClientCertificate(b"", "CN=a\\,b")
    assert peer.tls == TlsFacts("TLSv1.3", "TLS_AES_128_GCM_SHA256", 0, "h2", "example.org", certificate)


@pytest.mark.parametrize(
    ("ssl", "scheme", "certificate"),
    [(SHOWN, "https", True), (b"\1" + SHOWN[1:], "https", False), (b"\7\0\0\0\1" + SHOWN[5:], "https", False),
     (b"\0" + SHOWN[1:], "http", False)],
    ids=["shown", "not-shown", "not-verified", "no-tls"],
)  # fmt: skip
def test_a_certificate_counts_only_where_the_proxy_has_verified_it(ssl: bytes, scheme: str, certificate: bool) -> None:
    peer, _ = read(v2(body=IPV4 + tlv(0x20, ssl)))
    assert peer.scheme == scheme
    assert bool(peer.tls and peer.tls.client_certificate) is certificate


def test_the_deadline_ends_it() -> None:
    header = ProxyHeader(lambda peer, now: peer, PEER, 10.0)  # type: ignore[arg-type, return-value]
    header.receive_data(b"PROXY", 1.0)
    header.expire(9.0)
    assert not header.events()
    header.expire(10.0)
    assert [type(event) for event in header.events()] == [Failed]
    assert list(header.data_to_send(10.0)) == [b""]


@pytest.mark.parametrize(
    ("data", "answer"),
    [(b"P", Sniff.MORE), (b"PROXY ", Sniff.YES), (b"PROPFIND", Sniff.NO), (b"\r\n\r\n", Sniff.MORE), (V2, Sniff.YES),
     (b"\r\nGET", Sniff.NO), (b"GET", Sniff.NO), (b"PROXY", Sniff.MORE)],
)  # fmt: skip
def test_the_beginning_tells(data: bytes, answer: Sniff) -> None:
    assert sniff(data) is answer


def test_the_checksum_is_that_of_rfc_3720() -> None:
    assert _crc32c(b"123456789") == 0xE3069283


def test_who_has_just_come_has_a_moment_when_the_server_stops() -> None:
    header = ProxyHeader(lambda peer, now: peer, PEER, 10.0)  # type: ignore[arg-type, return-value]
    header.drain(3.0, 3.0)
    assert header.deadline() == 4.0
