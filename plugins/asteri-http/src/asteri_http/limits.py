"""The limits of a request head, for protocols that do not write one as HTTP/1.1 does: they count as if they did.

HTTP/1.1 itself keeps them by position, as the bytes come.
"""

from __future__ import annotations

from collections.abc import Sequence

from asteri_core.api import Header, RemoteProtocolError

from .settings import HttpSettings

LONGEST_METHOD = 32
"""The longest registered method has 17 bytes. A longer one is answered 501 (RFC 9112 section 3)."""


def check_limits(method: bytes, target: bytes, fields: Sequence[Header], limits: HttpSettings) -> None:
    """Raises `RemoteProtocolError`: 501 for the method, 414 for the request line, 431 for the fields."""
    if len(method) > LONGEST_METHOD:
        raise RemoteProtocolError(f"a method of more than {LONGEST_METHOD} bytes", 501)
    line = len(method) + len(target) + len("  HTTP/1.1")
    if line > limits.limit_request_line:
        raise RemoteProtocolError(f"a request line of more than {limits.limit_request_line} bytes", 414)
    check_fields(fields, limits, line + 2)


def check_fields(fields: Sequence[Header], limits: HttpSettings, before: int = 0) -> None:
    """Raises `RemoteProtocolError` (431) for the fields of a head or a trailer section, with so many bytes before."""
    if len(fields) > limits.limit_request_fields:
        raise RemoteProtocolError(f"more than {limits.limit_request_fields} fields", 431)
    sizes = [len(name) + len(value) + 2 for name, value in fields]
    if sizes and max(sizes) > limits.limit_request_field_size:
        raise RemoteProtocolError(f"a field of more than {limits.limit_request_field_size} bytes", 431)
    if before + sum(sizes) + 2 * len(sizes) + 2 > limits.limit_request_head:
        raise RemoteProtocolError(f"more than {limits.limit_request_head} bytes of fields", 431)
