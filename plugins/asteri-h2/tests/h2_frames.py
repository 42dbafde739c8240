"""Frames of a client, right and wrong, and the numbers of RFC 9113 sections 6 and 7."""

from __future__ import annotations

import struct
from typing import Any

from h2_talk import POST, REQUEST, Talk

NO_ERROR, PROTOCOL, INTERNAL, FLOW, TIMEOUT, CLOSED, SIZE, REFUSED, CANCEL, COMPRESSION = range(10)
CALM, HTTP_1_1 = 0xB, 0xD
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 1, 1, 4, 8, 0x20


def frame(kind: int, flags: int, stream: int, payload: bytes = b"", length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    return size.to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def head(talk: Talk, stream: int = 1, flags: int = END_STREAM | END_HEADERS, fields: Any = None, **more: Any) -> bytes:
    extra = [(name.replace("_", "-"), value) for name, value in more.items()]
    return frame(HEADERS, flags, stream, talk.block([*(REQUEST if fields is None else fields), *extra]))


def setting(code: int, value: int) -> bytes:
    return frame(SETTINGS, 0, 0, struct.pack("!HI", code, value))


def without(name: str) -> list[tuple[str, str]]:
    return [field for field in REQUEST if field[0] != name]


def post(talk: Talk, stream: int = 1, **more: Any) -> bytes:
    return head(talk, stream, END_HEADERS, POST, **more)


def cancel(stream: int = 1) -> bytes:
    return frame(RST, 0, stream, b"\0\0\0\x08")
