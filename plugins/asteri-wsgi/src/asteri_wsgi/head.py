"""What ``start_response`` is given, checked and turned into what an exchange takes.

PEP 3333 wants mistakes reported while the application is still running, so every check is made here, at the call:

    TypeError     a status, list, name or value of the wrong type
    ValueError    a value that cannot be sent: status out of range, control characters, a hop-by-hop field

Strings are latin-1 "native strings". Names and status lines repeat, so their results are kept, a bounded
number of them.
"""

from __future__ import annotations

import re
from typing import Any

from asteri_core.api import Header
from asteri_http.fields import TOKEN, VALUE

HOP_BY_HOP = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
        b"trailer", b"trailers", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
"""The fields of RFC 2616 section 13.5.1, which PEP 3333 forbids by that list, and their later relatives."""

CACHE_LIMIT = 512
"""Entries a cache keeps. An application that invents names or reasons is served without one, not with a leak."""

LENGTH_DIGITS = 18
"""Digits of a Content-Length: more than any content has, and no number that an integer of 64 bits does not hold."""

_STATUS = re.compile(r"([1-5][0-9][0-9])(?: (.*))?", re.DOTALL)

_statuses: dict[str, tuple[int, bytes]] = {}
_names: dict[str, bytes] = {}


def parse_status(status: Any) -> tuple[int, bytes]:
    """``"404 Not Found"`` as ``(404, b"Not Found")``."""
    known = _statuses.get(status) if isinstance(status, str) else None
    if known is not None:
        return known
    if not isinstance(status, str):
        raise TypeError(f"status must be str, not {type(status).__name__}")
    match = _STATUS.fullmatch(status)
    if match is None:
        raise ValueError(f"status must be a number from 200 to 599, a space and a reason, not {status!r}")
    code = int(match[1])
    if code < 200:
        raise ValueError(
            f"status {status!r} is interim: a response needs a final one, early hints have a call of their own"
        )
    reason = _encode(match[2] or "", "the reason of the status")
    if not VALUE.fullmatch(reason):
        raise ValueError(f"status {status!r} has a control character")
    parsed = code, reason
    if len(_statuses) < CACHE_LIMIT:
        _statuses[status] = parsed
    return parsed


def parse_headers(headers: Any) -> tuple[list[Header], int | None]:
    """The fields as an exchange takes them, and the value of Content-Length among them."""
    if not isinstance(headers, list):
        raise TypeError(f"headers must be a list of (name, value) tuples, not {type(headers).__name__}")
    fields: list[Header] = []
    length: int | None = None
    for field in headers:
        key = None
        if type(field) is tuple and len(field) == 2:
            name, value = field
            try:
                key = _names[name]
                encoded = value.encode("latin-1")
            except (KeyError, TypeError, ValueError, AttributeError):
                key = None
        if key is None:
            # Whatever is wrong, and a new name, takes the slow road, which says what it was. Outside of the except
            # clause, so that the log does not show how it was found out.
            name, key, value, encoded = examine(field)
        # Printable means no control character; the match is for the rest, such as tabs and no-break spaces.
        if not value.isprintable() and not VALUE.fullmatch(encoded):
            raise ValueError(f"header {name!r} has a control character in its value {value!r}")
        if key == b"content-length":
            if length is not None or not (value.isascii() and value.isdigit() and len(value) <= LENGTH_DIGITS):
                raise ValueError(f"content-length must be one number, not {value!r}")
            length = int(value)
        fields.append((key, encoded))
    return fields, length


def examine(field: Any) -> tuple[str, bytes, str, bytes]:
    """Name, lower-case name, value and encoded value of a field, with every check but that for control characters."""
    if not isinstance(field, tuple) or len(field) != 2:
        raise TypeError(f"a header must be a (name, value) tuple, not {field!r}")
    name, value = field
    if not isinstance(name, str):
        raise TypeError(f"a header name must be str, not {type(name).__name__}: {name!r}")
    if not isinstance(value, str):
        raise TypeError(f"the value of header {name!r} must be str, not {type(value).__name__}: {value!r}")
    return name, _learn(name), value, _encode(value, f"the value of header {name!r}")


def _learn(name: str) -> bytes:
    key = _encode(name, "a header name").lower()
    if not TOKEN.fullmatch(key):
        raise ValueError(f"header name {name!r} is not a token")
    if key in HOP_BY_HOP:
        raise ValueError(f"header {name!r} is hop-by-hop: the connection is the server's affair")
    if len(_names) < CACHE_LIMIT:
        _names[name] = key
    return key


def _encode(text: str, what: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"{what} has characters outside of latin-1: {text!r}") from None
