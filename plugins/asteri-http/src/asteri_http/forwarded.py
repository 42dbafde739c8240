"""What a trusted proxy says of its client: X-Forwarded-For and X-Forwarded-Proto, or Forwarded (RFC 7239).

Each proxy adds an entry at the right. ``forwarded_hops`` says how many stand in front of us: so many from the right is
the entry that counts; what is left of it a client may have written. Only peers of ``forwarded_allow_ips`` are listened
to. Two kinds of fields at once would be two stories, one of them the client's, since a proxy that knows one kind passes
on the other: they have to agree. What a trusted proxy says is understood, or the request is refused (400).

Host, port and path prefix are not taken from such fields: they would let a client choose the site.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

from asteri_core.api import Address, Header, Peer, RemoteProtocolError, TrustPolicy

from .settings import HttpSettings

FOR, PROTO, FORWARDED = b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"
FIELDS = frozenset({FOR, PROTO, FORWARDED})
SCHEMES = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}
UNKNOWN: Address = ""
"""The client of a proxy that does not say who it is. Like the peer of a unix socket it has no address."""

T = TypeVar("T")

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PAIR = re.compile(rb'[ \t]*(%b)=(?:(%b)|"((?:[^"\\]|\\.)*)")[ \t]*(;|,|$)' % (_TOKEN, _TOKEN))
_OBSCURED = re.compile(rb"unknown|_[A-Za-z0-9._\-]+", re.IGNORECASE)


class Forwarding:
    """The policy of one configuration."""

    __slots__ = ("_hops", "_trust")

    def __init__(self, settings: HttpSettings) -> None:
        self._trust = TrustPolicy(settings.forwarded_allow_ips)
        self._hops = settings.forwarded_hops

    def trusts(self, peer: Peer) -> bool:
        """Whether this peer may speak for others."""
        return self._trust.trusts(peer.address)

    def peer(self, headers: Iterable[Header], peer: Peer) -> Peer:
        """The client as the fields of a request name it; ``peer`` where they name none, or may not.

        Raises `RemoteProtocolError` for what cannot be understood.
        """
        if not self._trust.trusts(peer.address):
            return peer
        said: dict[bytes, bytes] = {}
        for name, value in headers:
            if name in FIELDS:
                said[name] = said[name] + b"," + value if name in said else value
        stories = []
        if FOR in said or PROTO in said:
            stories.append(self._told(said.get(FOR), said.get(PROTO)))
        if FORWARDED in said:
            stories.append(self._told_by_rfc(said[FORWARDED]))
        if not stories:
            return peer
        if len(stories) > 1 and stories[0] != stories[1]:
            raise RemoteProtocolError("Forwarded and X-Forwarded-* tell of two clients")
        address, scheme = stories[0]
        return peer._replace(
            address=peer.address if address is None else address, scheme=peer.scheme if scheme is None else scheme
        )

    def _told(self, addresses: bytes | None, schemes: bytes | None) -> tuple[Address | None, str | None]:
        address = None if addresses is None else read_address(self._entry(addresses.split(b",")))
        if schemes is None:
            return address, None
        given = schemes.split(b",")
        # Proxies that set this one replace it, and do not add to it.
        return address, read_scheme(given[0] if len(given) == 1 else self._entry(given))

    def _told_by_rfc(self, value: bytes) -> tuple[Address | None, str | None]:
        entry = self._entry(read_forwarded(value))
        node, proto = entry.get(b"for"), entry.get(b"proto")
        return None if node is None else read_address(node), None if proto is None else read_scheme(proto)

    def _entry(self, entries: Sequence[T]) -> T:
        """The one that counts: so many from the right, or the first where there are fewer."""
        return entries[-min(self._hops, len(entries))]


@functools.lru_cache(16)
def forwarding_of(settings: HttpSettings) -> Forwarding:
    """That of these settings; made once."""
    return Forwarding(settings)


def read_scheme(value: bytes) -> str:
    scheme = SCHEMES.get(value.strip(b" \t").lower())
    if scheme is None:
        raise RemoteProtocolError(f"expected http or https from a proxy, found {value[:64]!r}")
    return scheme


def read_address(value: bytes) -> Address:
    """An address with or without a port, as proxies write them; `UNKNOWN` for what is not told (RFC 7239 section 6)."""
    text = value.strip(b" \t")
    if _OBSCURED.fullmatch(text):
        return UNKNOWN
    host, port = text, b""
    if text[:1] == b"[":
        host, bracket, rest = text[1:].partition(b"]")
        if not bracket or (rest and rest[:1] != b":"):
            raise _bad(value)
        port = rest[1:]
    elif text.count(b":") == 1:
        host, _, port = text.partition(b":")
    if port and not (port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        if not port.startswith(b"_"):
            raise _bad(value)
        port = b""
    try:
        address = ipaddress.ip_address(host.decode("ascii"))
    except ValueError:
        raise _bad(value) from None
    if b"%" in host or (text[:1] == b"[") > (address.version == 6):
        raise _bad(value)
    return str(address), int(port or 0)


def _bad(value: bytes) -> RemoteProtocolError:
    return RemoteProtocolError(f"expected the address of a client from a proxy, found {value[:64]!r}")


def read_forwarded(value: bytes) -> list[dict[bytes, bytes]]:
    """The elements of a Forwarded field, each with its parameters in lower case (RFC 7239 section 4)."""
    elements: list[dict[bytes, bytes]] = [{}]
    at = 0
    while at < len(value):
        found = _PAIR.match(value, at)
        if found is None:
            raise RemoteProtocolError(f"expected pairs in Forwarded, found {value[at : at + 64]!r}")
        name, token, quoted, separator = found.groups()
        name = name.lower()
        if name in elements[-1]:
            raise RemoteProtocolError(f"a second {name.decode()} in one element of Forwarded")
        elements[-1][name] = token if token is not None else re.sub(rb"\\(.)", rb"\1", quoted)
        at = found.end()
        if separator == b",":
            elements.append({})
    return elements
