"""Which peers may speak for others: the one answer to a question that several parts ask.

A peer in front of us can say who its client is: by a PROXY header, by X-Forwarded-* or Forwarded, by the variables of
the uwsgi protocol; and cleartext HTTP/2 reaches us by accident only through a proxy that was talked into it. Each of
these is believed by a setting of its own, and every such setting is a list that this module reads. It says nothing
about what a believed peer may say.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

from .sansio.connection import Address

UNIX = "unix"
EVERYBODY = "*"
LOCAL_PEERS = ("127.0.0.1", "::1", UNIX)
"""The default of every such setting: what runs on this machine."""


def trusted(raw: Any) -> str:
    """The check of a setting that may be repeated: one network, address, ``unix`` or ``*``; also a list with commas.

    Raises ValueError.
    """
    text = str(raw).strip()
    for entry in _entries([text]):
        if entry not in (UNIX, EVERYBODY):
            _network(entry)
    return text


class TrustPolicy:
    """The peers of one such setting."""

    __slots__ = ("_everybody", "_networks", "_unix")

    def __init__(self, entries: Iterable[str]) -> None:
        """``entries`` are what `trusted` accepts. Raises ValueError for anything else."""
        wanted = _entries(entries)
        self._everybody = EVERYBODY in wanted
        self._unix = self._everybody or UNIX in wanted
        self._networks = [_network(entry) for entry in wanted if entry not in (UNIX, EVERYBODY)]

    def trusts(self, address: Address) -> bool:
        """Whether the peer at this address is believed. An IPv4 address that is mapped into IPv6 counts as IPv4."""
        if isinstance(address, str):
            return self._unix
        if self._everybody:
            return True
        try:
            host = ipaddress.ip_address(address[0].partition("%")[0])
        except ValueError:
            return False
        if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped is not None:
            host = host.ipv4_mapped
        return any(host in network for network in self._networks)


def _entries(texts: Iterable[str]) -> Sequence[str]:
    parts = (part.strip() for text in texts for part in text.split(","))
    return [part for part in parts if part]


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(entry)
    except ValueError:
        raise ValueError(
            f"expected an address, a network such as 10.0.0.0/8, {UNIX} or {EVERYBODY}, found {entry!r}"
        ) from None
