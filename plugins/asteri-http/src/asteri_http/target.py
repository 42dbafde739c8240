"""Request targets (RFC 9112 section 3.2): which form, for which method, and what path and query it names.

    origin     /path?query                 every method but CONNECT
    absolute   http://host/path?query      every method but CONNECT; may not contradict Host
    authority  host:port                   CONNECT only
    asterisk   *                           OPTIONS only

The path stays percent-encoded here. ``//`` is left as it is: it names another path than ``/``. Refused: a
fragment (it is never sent), raw bytes outside of printable ASCII, an incomplete percent-encoding, and
``%00``, at which C code below an application ends a string.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from asteri_core.api import RemoteProtocolError

from .host import check_authority


class Target(NamedTuple):
    """What a request target says."""

    raw_path: bytes
    """Percent-encoded; ``b"*"`` for the asterisk form, empty for the authority form."""
    query: bytes
    authority: bytes
    """Of the absolute and the authority form, else empty."""


_PLAIN = re.compile(rb"/[!$&-;=@-~]*+(?:\?[!$&-;=?-~]*+)?")
"""The usual target: none of the refused bytes, and no percent sign to look behind."""
_SUSPECT = re.compile(rb"[^!-~]|#|%(?![0-9A-Fa-f]{2})|%00")
_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?#]*)([^#]*)")


def read_target(method: str, target: bytes) -> Target:
    """The parts of a request target. Raises `RemoteProtocolError` (400) for a form the method does not have."""
    if method == "CONNECT":
        authority = check_authority(target)
        _, colon, port = authority.rpartition(b":")
        if not colon or not port.isdigit():
            raise RemoteProtocolError(f"CONNECT needs host:port, found {target[:256]!r}")
        return Target(b"", b"", authority)
    if _PLAIN.fullmatch(target) is None:
        _check_bytes(target)
    if target[:1] == b"/":
        path, _, query = target.partition(b"?")
        return Target(path, query, b"")
    if target == b"*":
        if method != "OPTIONS":
            raise RemoteProtocolError(f"the target * is for OPTIONS only, found {method}")
        return Target(b"*", b"", b"")
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise RemoteProtocolError(f"expected /path, http://host/path or *, found {target[:256]!r}")
    authority, rest = absolute.groups()
    path, _, query = rest.partition(b"?")
    if not path and method == "OPTIONS" and b"?" not in rest:
        # RFC 9112 section 3.2.4: an OPTIONS without a path asks about the server as a whole.
        path = b"*"
    return Target(path or b"/", query, check_authority(authority))


def _check_bytes(target: bytes) -> None:
    found = _SUSPECT.search(target)
    if found is None:
        return
    culprit = found.group()
    if culprit == b"#":
        raise RemoteProtocolError("a fragment (#) is not part of a request target")
    if culprit == b"%00":
        raise RemoteProtocolError("a request target may not contain %00")
    if culprit == b"%":
        raise RemoteProtocolError("a percent sign in the request target is not followed by two hexadecimal digits")
    raise RemoteProtocolError(f"a request target may not contain the raw byte {culprit!r}")


def check_host(authority: bytes, host: bytes | None) -> bytes:
    """The authority of a request from its target and its Host field. 400 when they differ.

    RFC 9112 section 3.2.2 lets the target win. Two readers that disagree about the site are a way to poison
    caches and to slip past rules, and no client sends a difference in earnest, so one is refused.
    """
    if host is None:
        return authority
    check_authority(host)
    if authority and authority.lower() != host.lower():
        raise RemoteProtocolError(f"the target names {authority[:256]!r} but Host is {host[:256]!r}")
    return authority or host
