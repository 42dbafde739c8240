"""Fields: the grammar of names and values, which request fields are kept, and what a response may say.

One policy for every protocol (RFC 9110 section 5). What the peer sends is only looked at here, never
mended. What the application sends is refused with `LocalProtocolError` before a byte of it leaves, so a CR
or LF in a value can never split a response.

Decisions:

- A request field whose name has an underscore is dropped. CGI-like variables (WSGI's ``HTTP_...``) make
  ``x_real_ip`` and ``x-real-ip`` one, so a client could forge what a proxy sets. Rejecting would turn away
  clients with harmless odd fields.
- A request field ``Proxy`` is dropped: as ``HTTP_PROXY`` it would steer outgoing requests of the
  application ("httpoxy").
- Host, Content-Length, Transfer-Encoding and Content-Type may come once. Whoever takes the first and
  whoever takes the last of two would otherwise read two different requests.
- Trailer fields are kept by an allowed-list, apart from the header, and never merged into it (RFC 9110
  section 6.5.1).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable

from asteri_core.api import Header, LocalProtocolError

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A field name, a method, a coding, a connection option (RFC 9110 section 5.6.2)."""
VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
"""A field value and a reason phrase (RFC 9110 section 5.5): no control byte but the tab."""

REQUEST_SINGLE = frozenset({b"host", b"content-length", b"transfer-encoding", b"content-type"})
"""Request fields that may come once."""

REQUEST_DROPPED = frozenset({b"proxy"})
"""Request fields, besides names with an underscore, that no application sees."""

TRAILERS_KEPT = frozenset(
    {
        b"content-digest",
        b"digest",
        b"etag",
        b"grpc-message",
        b"grpc-status",
        b"grpc-status-details-bin",
        b"last-modified",
        b"repr-digest",
        b"server-timing",
        b"signature",
        b"signature-input",
    }
)
"""Trailer fields that mean something after the content. Names starting with ``x-`` are kept too; others are dropped."""

TRAILERS_REFUSED = frozenset(
    {
        b"age", b"authorization", b"cache-control", b"connection", b"content-encoding", b"content-length",
        b"content-range", b"content-type", b"cookie", b"date", b"expect", b"expires", b"host", b"keep-alive",
        b"location", b"max-forwards", b"pragma", b"proxy-authenticate", b"proxy-authorization", b"range",
        b"retry-after", b"set-cookie", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"vary", b"warning",
        b"www-authenticate",
    }
)  # fmt: skip
"""Fields an application may not send as trailers: framing, routing, authentication, caching (section 6.5.1)."""


def keeps_trailer(name: bytes) -> bool:
    """Whether a request's trailer field of this (lower case) name is shown to the application."""
    return name in TRAILERS_KEPT or (name.startswith(b"x-") and b"_" not in name)


def keeps_field(name: bytes) -> bool:
    """Whether a request's header field of this (lower case) name is shown to the application."""
    return b"_" not in name and name not in REQUEST_DROPPED


class Role(enum.IntEnum):
    """What a response field is to the protocol that sends it. Zero is the usual case: nothing but a field."""

    PLAIN = 0
    DATE = 1
    SERVER = 2
    CONTENT_LENGTH = 3
    CONNECTION = 4
    TRANSFER_ENCODING = 5
    HOP = 6
    """Speaks of the connection, which is the protocol's affair: dropped."""


_ROLES = {
    b"date": Role.DATE,
    b"server": Role.SERVER,
    b"content-length": Role.CONTENT_LENGTH,
    b"connection": Role.CONNECTION,
    b"transfer-encoding": Role.TRANSFER_ENCODING,
    b"keep-alive": Role.HOP,
    b"proxy-connection": Role.HOP,
    b"te": Role.HOP,
}

_CHECKED: dict[Header, Role] = {}
"""Response fields found good before; applications repeat themselves. Emptied when full, and large values stay out."""
known_role = _CHECKED.get
"""The role of a response field that was found good before, else None: ask `response_role`. Raises `TypeError` for what
no dictionary takes as a key."""
_CHECKED_ENTRIES = 512
_CHECKED_VALUE = 96
_UNREPEATED = frozenset({b"content-length", b"set-cookie", b"etag", b"location", b"date", b"last-modified"})


def response_role(name: bytes, value: bytes) -> Role:
    """The role of a response field. Raises `LocalProtocolError` when the name or value is not what RFC 9110 allows."""
    try:
        role = _CHECKED.get((name, value))
        return _check_response_field(name, value) if role is None else role
    except TypeError:
        raise LocalProtocolError(
            f"expected a field of a bytes name and a bytes value, found ({name!r}, {value!r})"
        ) from None


def _check_response_field(name: bytes, value: bytes) -> Role:
    if TOKEN.fullmatch(name) is None:
        raise LocalProtocolError(f"{name!r} is not a field name: expected one or more token characters")
    if VALUE.fullmatch(value) is None:
        raise LocalProtocolError(f"the value of {name!r} has a control byte: {value!r}")
    lower = name.lower()
    role = _ROLES.get(lower, Role.PLAIN)
    if type(name) is type(value) is bytes and len(value) <= _CHECKED_VALUE and lower not in _UNREPEATED:
        if len(_CHECKED) >= _CHECKED_ENTRIES:
            _CHECKED.clear()
        _CHECKED[name, value] = role
    return role


def check_reason(reason: bytes) -> None:
    """Raises `LocalProtocolError` for a reason phrase that cannot be sent."""
    if not isinstance(reason, bytes) or VALUE.fullmatch(reason) is None:
        raise LocalProtocolError(f"a reason phrase has no control bytes, found {reason!r}")


def check_trailers(trailers: Iterable[Header]) -> None:
    """Raises `LocalProtocolError` for a trailer section that cannot be sent."""
    for name, value in trailers:
        response_role(name, value)
        if name.lower() in TRAILERS_REFUSED:
            raise LocalProtocolError(f"{name!r} cannot be a trailer field (RFC 9110 section 6.5.1)")


def options(value: bytes) -> list[bytes]:
    """The members of a comma separated list in lower case, such as the options of a Connection field."""
    return [member for part in value.split(b",") if (member := part.strip(b" \t").lower())]
