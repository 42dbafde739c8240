"""Authorities: the Host field and the authority of a request target (RFC 9110 section 7.2, RFC 3986 section 3.2).

An authority names the site, builds links and chooses an application, so anything but a host and a port is
refused: user information, spaces, commas, percent-encoded bytes (which decode differently from one reader
to the next) and an empty host.
"""

from __future__ import annotations

import re

from asteri_core.api import RemoteProtocolError

_NAME = rb"[A-Za-z0-9\-._~!$&'()*+;=]{1,255}"
_IPV6 = rb"\[[0-9A-Fa-f:.]{2,45}\]"
_IPVFUTURE = rb"\[[vV][0-9A-Fa-f]{1,8}\.[A-Za-z0-9\-._~!$&'()*+,;=:]{1,64}\]"
AUTHORITY = re.compile(rb"(?:%b|%b|%b)(?::[0-9]{0,5})?" % (_NAME, _IPV6, _IPVFUTURE))
"""``host [":" port]``: a registered name without percent-encoding and commas, or an IP literal."""


def check_authority(value: bytes) -> bytes:
    """The authority itself. Raises `RemoteProtocolError` (400) when it is none."""
    if AUTHORITY.fullmatch(value) is None:
        raise RemoteProtocolError(f"expected host[:port], found {value[:256]!r}")
    colon = value.rfind(b":")
    if colon > value.rfind(b"]") and colon + 1 < len(value) and int(value[colon + 1 :]) > 65535:
        raise RemoteProtocolError(f"port out of range in {value[:256]!r}")
    if value[0] == 0x5B and value[1:2] not in b"vV":
        _check_ipv6(value[1 : value.rfind(b"]")])
    return value


def _check_ipv6(literal: bytes) -> None:
    from ipaddress import IPv6Address  # only for the few requests that name an address

    try:
        IPv6Address(literal.decode("ascii"))
    except ValueError:
        raise RemoteProtocolError(f"expected an IPv6 address in brackets, found {literal!r}") from None
