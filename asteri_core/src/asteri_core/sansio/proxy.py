"""The PROXY header: a stage before the protocol, in which a trusted proxy says who its client is (versions 1 and 2).

    HEADER ──whole header──▶ switched to what comes behind it, for the peer that the header names
       └──what is none, EOF, deadline──▶ closed without an answer

The header stands once, at the beginning of a connection; a second one is bytes of the protocol. It is bounded: what is
longer than `LIMIT` is none. A proxy that speaks for itself (LOCAL, UNKNOWN) stays the peer. The stage does not ask
whether the peer may say this: who makes it has asked.

Source: The PROXY protocol, versions 1 & 2, https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Iterator, Sequence

from ..errors import RemoteProtocolError
from .connection import (
    Address,
    ClientCertificate,
    ConnectionFactory,
    Event,
    Failed,
    Peer,
    Sendable,
    Sniff,
    Switched,
    TlsFacts,
)
from .distinguished_name import distinguished_name
from .router import FIRST_WORDS

V1 = b"PROXY "
V1_LIMIT = 107
"""Bytes of a line of version 1, its end included (section 2.1)."""
V2 = b"\r\n\r\n\0\r\nQUIT\n"
V2_FIXED = 16
LIMIT = 4096
"""Bytes of a header of version 2. Addresses take 216 at most; the rest is for what a proxy may say besides."""

LOCAL, PROXY = 0x20, 0x21
STREAMS = {0x11: (4, "!4s4sHH"), 0x21: (6, "!16s16sHH")}
"""Families over TCP: the version of the addresses, and how they are written."""
UNIX_STREAM = 0x31
UNIX_SIZE = 108

TLV_ALPN, TLV_AUTHORITY, TLV_CRC32C, TLV_SSL = 0x01, 0x02, 0x03, 0x20
SSL_VERSION, SSL_CN, SSL_CIPHER = 0x21, 0x22, 0x23
CLIENT_SSL, CLIENT_CERT_CONN = 0x01, 0x02


def sniff(data: bytes) -> Sniff:
    """Whether a connection begins with a header of either version."""
    for mark in (V1, V2):
        if data.startswith(mark):
            return Sniff.YES
        if mark.startswith(data):
            return Sniff.MORE
    return Sniff.NO


class ProxyHeader:
    """Reads the header of one connection. ``versions`` are those that are accepted."""

    __slots__ = ("_buffer", "_closed", "_deadline", "_events", "_following", "_peer", "_versions", "wake")

    def __init__(
        self, following: ConnectionFactory, peer: Peer, deadline: float, versions: Sequence[int] = (1, 2)
    ) -> None:
        self.wake: Callable[[], None] = _nothing
        self._following = following
        self._peer = peer
        self._deadline: float | None = deadline
        self._versions = versions
        self._buffer = b""
        self._events: list[Event] = []
        self._closed = False

    @property
    def wants_data(self) -> bool:
        return True

    def receive_data(self, data: bytes, now: float) -> None:
        if self._deadline is None:
            return
        self._buffer += data
        try:
            found = read_header(self._buffer, self._peer, self._versions)
        except RemoteProtocolError as error:
            self._refuse(error)
            return
        if found is not None:
            peer, size = found
            self._deadline = None
            self._events.append(Switched(self._following(peer, now), self._buffer[size:]))
            self._buffer = b""

    def receive_eof(self, now: float) -> None:
        if self._deadline is not None:
            if self._buffer:
                self._events.append(Failed(RemoteProtocolError("the peer has closed in the middle of a PROXY header")))
            self._close()

    def lost(self, now: float) -> None:
        self._close()

    def events(self) -> Sequence[Event]:
        events, self._events = self._events, []
        return events

    def data_to_send(self, now: float) -> Sequence[Sendable]:
        if not self._closed:
            return ()
        self._closed = False
        return (b"",)

    def deadline(self) -> float | None:
        return self._deadline

    def expire(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            self._refuse(RemoteProtocolError("no whole PROXY header within the handshake time-out"))

    def drain(self, until: float, now: float) -> None:
        if self._deadline is not None:
            self._deadline = min(self._deadline, max(until, now + FIRST_WORDS))

    def _refuse(self, error: Exception) -> None:
        self._events.append(Failed(error))
        self._close()

    def _close(self) -> None:
        self._deadline = None
        self._buffer = b""
        self._closed = True


def _nothing() -> None:
    """The wake-up of a connection that nobody drives yet."""


def read_header(data: bytes, peer: Peer, versions: Sequence[int] = (1, 2)) -> tuple[Peer, int] | None:
    """The peer that the header names, and how many bytes it takes; None when more are needed.

    Raises `RemoteProtocolError` for what is no header, or one of another version.
    """
    if 1 in versions and (data.startswith(V1) or V1.startswith(data)):
        return _read_line(data, peer)
    if 2 in versions and (data.startswith(V2) or V2.startswith(data)):
        return _read_binary(data, peer)
    wanted = " or ".join(map(str, versions))
    raise RemoteProtocolError(f"expected a PROXY header of version {wanted}, found {data[:16]!r}")


# -- version 1 ---------------------------------------------------------------------------------------------------------


def _read_line(data: bytes, peer: Peer) -> tuple[Peer, int] | None:
    end = data.find(b"\r\n", 0, V1_LIMIT)
    if end < 0:
        if len(data) >= V1_LIMIT:
            raise RemoteProtocolError(f"a PROXY line is longer than {V1_LIMIT} bytes")
        return None
    words = data[len(V1) : end].split(b" ")
    size = end + 2
    if words[0] == b"UNKNOWN":
        return peer, size
    if len(words) != 5 or words[0] not in (b"TCP4", b"TCP6"):
        raise RemoteProtocolError(f"expected TCP4 or TCP6, two addresses and two ports, found {data[:end]!r}")
    version = 4 if words[0] == b"TCP4" else 6
    source, destination = _host(words[1], version), _host(words[2], version)
    return peer._replace(address=(source, _port(words[3])), local=(destination, _port(words[4]))), size


def _host(word: bytes, version: int) -> str:
    try:
        host = ipaddress.ip_address(word.decode("ascii"))
    except ValueError:
        raise RemoteProtocolError(f"expected an address of IPv{version} in a PROXY line, found {word!r}") from None
    if host.version != version or b"%" in word:
        raise RemoteProtocolError(f"expected an address of IPv{version} in a PROXY line, found {word!r}")
    return str(host)


def _port(word: bytes) -> int:
    port = int(word) if word.isdigit() and len(word) <= 5 else -1
    if not 0 <= port <= 65535 or (word != b"0" and word.startswith(b"0")):
        raise RemoteProtocolError(f"expected a port in a PROXY line, found {word!r}")
    return port


# -- version 2 ---------------------------------------------------------------------------------------------------------


def _read_binary(data: bytes, peer: Peer) -> tuple[Peer, int] | None:
    if len(data) < V2_FIXED:
        return None
    command, family, length = data[12], data[13], int.from_bytes(data[14:16])
    if command not in (LOCAL, PROXY):
        raise RemoteProtocolError(f"expected the command LOCAL or PROXY of version 2, found {command:#04x}")
    size = V2_FIXED + length
    if size > LIMIT:
        raise RemoteProtocolError(f"a PROXY header of {size} bytes, at most {LIMIT} are accepted")
    if len(data) < size:
        return None
    if command == LOCAL:
        return peer, size  # section 2.2: what else it says, the family included, is ignored
    header = data[:size]
    addresses, rest = _addresses(family, header[V2_FIXED:])
    records = {}
    for kind, value, end in _records(rest):
        records[kind] = value
        if kind == TLV_CRC32C:
            _verify(value, header, size - len(rest) + end)
    if addresses is None:
        return peer, size
    source, destination = addresses
    tls = _tls(records)
    return peer._replace(address=source, local=destination, scheme="https" if tls else peer.scheme, tls=tls), size


def _addresses(family: int, data: bytes) -> tuple[tuple[Address, Address] | None, bytes]:
    """Source and destination, None for what is neither TCP nor a unix stream; and what follows them."""
    if family in STREAMS:
        version, form = STREAMS[family]
        size = struct.calcsize(form)
        if len(data) < size:
            raise RemoteProtocolError(f"a PROXY header has {len(data)} bytes for two addresses of IPv{version}")
        source, destination, port, local_port = struct.unpack_from(form, data)
        hosts = [str(ipaddress.ip_address(packed)) for packed in (source, destination)]
        return ((hosts[0], port), (hosts[1], local_port)), data[size:]
    if family == UNIX_STREAM:
        if len(data) < 2 * UNIX_SIZE:
            raise RemoteProtocolError(f"a PROXY header has {len(data)} bytes for two unix addresses")
        paths = (data[:UNIX_SIZE], data[UNIX_SIZE : 2 * UNIX_SIZE])
        source, destination = (path.rstrip(b"\0").decode("utf-8", "surrogateescape") for path in paths)
        return (source, destination), data[2 * UNIX_SIZE :]
    if family == 0:
        return None, b""
    raise RemoteProtocolError(f"expected a family of streams in a PROXY header, found {family:#04x}")


def _records(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """The type-length-value records, each with where it ends. Raises `RemoteProtocolError` for one that is cut."""
    at = 0
    while at < len(data):
        if len(data) - at < 3:
            raise RemoteProtocolError("a record of a PROXY header is cut")
        kind, length = struct.unpack_from("!BH", data, at)
        at += 3
        if length > len(data) - at:
            raise RemoteProtocolError(f"a record of a PROXY header is of {length} bytes, {len(data) - at} are left")
        at += length
        yield kind, data[at - length : at], at


def _verify(given: bytes, header: bytes, end: int) -> None:
    """Section 2.2.3: the checksum, which ends at ``end``, is that of the whole header with zeros in its place."""
    if len(given) != 4 or _crc32c(header[: end - 4] + bytes(4) + header[end:]) != int.from_bytes(given):
        raise RemoteProtocolError("the checksum of a PROXY header is wrong")


def _crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def _tls(records: dict[int, bytes]) -> TlsFacts | None:
    """What the client spoke with the proxy; None if that was not TLS."""
    data = records.get(TLV_SSL)
    if data is None:
        return None
    if len(data) < 5:
        raise RemoteProtocolError(f"the SSL record of a PROXY header is of {len(data)} bytes, expected 5 or more")
    client, verify = data[0], int.from_bytes(data[1:5])
    if not client & CLIENT_SSL:
        return None
    said = {kind: value.decode("utf-8", "replace") for kind, value, _ in _records(data[5:])}
    alpn, authority = records.get(TLV_ALPN), records.get(TLV_AUTHORITY)
    shown = bool(client & CLIENT_CERT_CONN) and verify == 0 and SSL_CN in said
    return TlsFacts(
        version=said.get(SSL_VERSION, ""),
        cipher=said.get(SSL_CIPHER, ""),
        alpn=None if alpn is None else alpn.decode("ascii", "replace"),
        server_name=None if authority is None else authority.decode("utf-8", "replace"),
        client_certificate=ClientCertificate(b"", distinguished_name([[("CN", said[SSL_CN])]])) if shown else None,
    )
