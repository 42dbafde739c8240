"""What the header block of a request says (RFC 9113 sections 8.2, 8.3 and 8.5, RFC 8441).

Two kinds of wrong: a malformed block, which the protocol wants answered by a reset of the stream (`Malformed`), and a
request that HTTP or a limit does not allow, which gets its status (`RemoteProtocolError`). The policy of fields,
targets and hosts is that of `asteri_http`, as for every other version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from asteri_core.api import Header, RemoteProtocolError
from asteri_http.fields import REQUEST_SINGLE, VALUE, keeps_field, options
from asteri_http.framing import read_content_length
from asteri_http.host import check_authority
from asteri_http.limits import check_limits
from asteri_http.settings import HttpSettings
from asteri_http.target import check_host, read_target

_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
"""A field name: lower case only (section 8.2.1)."""
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*")
_PSEUDO = frozenset({b":method", b":scheme", b":path", b":authority", b":protocol"})
_OF_CONNECTIONS = frozenset({b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"})
"""Fields that speak of a connection of HTTP/1.1 (section 8.2.2)."""


class Malformed(Exception):
    """The block breaks the protocol: the stream is reset."""


class RequestHead(NamedTuple):
    """What a request says."""

    method: str
    target: bytes
    headers: list[Header]
    authority: bytes
    raw_path: bytes
    query: bytes
    content_length: int | None
    expects_continue: bool
    takes_trailers: bool
    protocol: bytes
    """Of an extended CONNECT (RFC 8441), else empty."""
    priority: bytes
    """The Priority field (RFC 9218), else empty."""


def read_request(block: Iterable[Header], limits: HttpSettings, ended: bool) -> RequestHead:
    """``ended``: no content follows. Raises `Malformed` and `RemoteProtocolError`."""
    pseudo, fields = _parted(block)
    raw_method = pseudo.get(b":method")
    if raw_method is None or _METHOD.fullmatch(raw_method) is None:
        raise Malformed(f"expected one method, found {raw_method!r}")
    protocol = pseudo.get(b":protocol", b"")
    extended = b":protocol" in pseudo
    if extended and (raw_method != b"CONNECT" or not protocol):
        raise Malformed("a :protocol is for CONNECT only (RFC 8441 section 4)")
    plain_connect = raw_method == b"CONNECT" and not extended
    for name in (b":scheme", b":path"):
        if plain_connect == (name in pseudo):
            raise Malformed(f"{'no' if plain_connect else 'one'} {name.decode()} was expected")
    if not plain_connect and _SCHEME.fullmatch(pseudo[b":scheme"]) is None:
        raise Malformed(f"expected a scheme, found {pseudo[b':scheme']!r}")
    if not plain_connect and not pseudo[b":path"]:
        raise Malformed("an empty :path")
    headers, known = _sorted_out(fields)
    check_limits(raw_method, pseudo.get(b":path", b""), fields, limits)
    method = raw_method.decode("ascii")
    if plain_connect:
        raise RemoteProtocolError("CONNECT asks for a proxy, which this server is not", 501)
    target = pseudo[b":path"]
    raw_path, query, other = read_target("GET" if extended else method, target)
    if other:
        raise RemoteProtocolError(f"expected a path, found {target[:256]!r}")
    authority = pseudo.get(b":authority", b"")
    if authority:
        check_authority(authority)
    authority = check_host(authority, known.get(b"host"))
    if not authority:
        raise RemoteProtocolError("a request needs an :authority or a Host field")
    length = read_content_length(known[b"content-length"]) if b"content-length" in known else None
    if ended and length:
        raise Malformed(f"a Content-Length of {length}, and no content")
    return RequestHead(
        method,
        target,
        headers,
        authority,
        raw_path,
        query,
        length,
        _expects_continue(known) and not ended,
        b"trailers" in options(known[b"te"]) if b"te" in known else False,
        protocol.lower(),
        known.get(b"priority", b""),
    )


def read_trailers(block: Iterable[Header]) -> list[Header]:
    """The fields of a trailer section. Raises `Malformed`."""
    pseudo, fields = _parted(block)
    if pseudo:
        raise Malformed("pseudo-header fields in a trailer section")
    return fields


def _parted(block: Iterable[Header]) -> tuple[dict[bytes, bytes], list[Header]]:
    """Pseudo-header fields and fields, with the grammar of both checked. Raises `Malformed`."""
    pseudo: dict[bytes, bytes] = {}
    fields: list[Header] = []
    for name, value in block:
        name, value = bytes(name), bytes(value)
        if VALUE.fullmatch(value) is None or value[:1] in (b" ", b"\t") or value[-1:] in (b" ", b"\t"):
            raise Malformed(f"the value of {name[:64]!r} has a byte that it may not have")
        if name[:1] == b":":
            if fields:
                raise Malformed(f"the pseudo-header field {name[:64]!r} comes after a field")
            if name not in _PSEUDO or name in pseudo:
                raise Malformed(f"an unknown or a second pseudo-header field {name[:64]!r}")
            pseudo[name] = value
        elif _NAME.fullmatch(name) is None:
            raise Malformed(f"expected a field name in lower case, found {name[:64]!r}")
        elif name in _OF_CONNECTIONS or (name == b"te" and value.lower() != b"trailers"):
            raise Malformed(f"{name.decode()} is not a field of HTTP/2")
        else:
            fields.append((name, value))
    return pseudo, fields


def _sorted_out(fields: list[Header]) -> tuple[list[Header], dict[bytes, bytes]]:
    """The fields an application sees, and by name those that say something to us."""
    headers: list[Header] = []
    known: dict[bytes, bytes] = {}
    crumbs: list[bytes] = []
    for field in fields:
        name, value = field
        if not keeps_field(name):
            continue
        if name == b"cookie":
            # Section 8.2.3: compression may have split it, and nobody behind us knows of that.
            crumbs.append(value)
            continue
        if name in known and name in REQUEST_SINGLE:
            raise RemoteProtocolError(f"a second {name.decode()} field")
        if name in REQUEST_SINGLE or name in (b"expect", b"te", b"priority"):
            known[name] = value
        headers.append(field)
    if crumbs:
        headers.append((b"cookie", b"; ".join(crumbs)))
    return headers, known


def _expects_continue(known: dict[bytes, bytes]) -> bool:
    value = known.get(b"expect")
    if value is None:
        return False
    if value.lower() != b"100-continue":
        raise RemoteProtocolError(f"expected 100-continue as Expect, found {value[:64]!r}", 417)
    return True
