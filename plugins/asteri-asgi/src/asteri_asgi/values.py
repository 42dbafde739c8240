"""What the values in a message are taken as. Both twins take them by this; the C twin has the usual cases besides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from asteri_core.api import Header, LocalProtocolError, Sendable
from asteri_http.exchange import Exchange

from .files import slice_of_descriptor, slice_of_path
from .messages import Message


def fields(headers: Iterable[Any], kind: str) -> list[Header]:
    """The fields of a message as an exchange takes them, which checks names and values."""
    try:
        return [(name.lower(), value) for name, value in headers]
    except (TypeError, ValueError, AttributeError) as error:
        raise LocalProtocolError(f"headers of {kind}, expected an iterable of pairs of bytes: {error}") from None


def octets(body: Any) -> bytes:
    """A copy of what is not ``bytes``, because its owner may change it before it has left."""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    raise LocalProtocolError(f"body of http.response.body is of type {type(body).__name__}, expected bytes")


def hints(message: Message) -> list[Header]:
    """The fields of the 103 (Early Hints) that ``http.response.early_hint`` asks for."""
    links = message.get("links", ())
    lines = [(b"link", link) for link in links] if not isinstance(links, (bytes, str)) else [links]
    return fields(lines, "http.response.early_hint")


def part_of_file(message: Message) -> Sendable:
    """What ``http.response.zerocopysend`` sends."""
    return slice_of_descriptor(message.get("file"), message.get("offset"), message.get("count"))


def whole_file(message: Message) -> Sendable:
    """What ``http.response.pathsend`` sends."""
    return slice_of_path(message.get("path"))


def takes_trailers(exchange: Exchange) -> bool:
    """Whether the client has said ``TE: trailers`` (RFC 9110 section 10.1.4)."""
    for name, value in exchange.headers:
        if name == b"te" and b"trailers" in [part.strip() for part in value.lower().split(b",")]:
            return True
    return False
