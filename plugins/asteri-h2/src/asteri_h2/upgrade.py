"""A request of HTTP/1.1 that asks for HTTP/2 (``Upgrade: h2c``, RFC 7540 section 3.2): what it becomes as stream 1."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from .request import RequestHead

FIELD = b"http2-settings"
_OF_UPGRADE = frozenset({b"connection", b"upgrade", FIELD, b"keep-alive", b"proxy-connection", b"te", b"host"})
_BASE64URL = re.compile(rb"[A-Za-z0-9_-]*={0,2}")


def settings_of(exchange: Any) -> bytes | None:
    """The HTTP2-Settings field, padded; None where there is not exactly one that can be read."""
    found = [value for name, value in exchange.headers if name == FIELD]
    if len(found) != 1 or _BASE64URL.fullmatch(found[0]) is None:
        return None
    value = found[0].rstrip(b"=")
    padded = value + b"=" * (-len(value) % 4)
    try:
        payload = base64.urlsafe_b64decode(padded)
    except binascii.Error:
        return None
    return padded if len(payload) % 6 == 0 else None


def head_of(exchange: Any) -> RequestHead:
    """The request without what it says of its connection."""
    return RequestHead(
        exchange.method,
        exchange.target,
        [field for field in exchange.headers if field[0] not in _OF_UPGRADE],
        exchange.authority,
        exchange.raw_path,
        exchange.query,
        None,
        False,
        False,
        b"",
        next((value for name, value in exchange.headers if name == b"priority"), b""),
    )
