"""Frames: out of a client's bytes, and into bytes for it (RFC 6455 section 5).

A payload is given out as it comes, not when it is whole, so that what is wrong with a message is known early and a
long frame is not copied again and again. What frames say to each other is the affair of `messages`.
"""

from __future__ import annotations

import enum
import struct
from typing import NamedTuple

from asteri_core.api import RemoteProtocolError

from .masking import unmask

PROTOCOL_ERROR = 1002
LONGEST_CONTROL = 125
"""Bytes of payload that a control frame may have (section 5.5)."""
FIN, PACKED, RESERVED, MASKED = 0x80, 0x40, 0x30, 0x80


class Opcode(enum.IntEnum):
    """What a frame is (section 11.8)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


_OPCODES = {int(opcode): opcode for opcode in Opcode}


class Head(NamedTuple):
    """What a frame begins with."""

    opcode: Opcode
    last: bool
    """Whether the message ends with it (FIN)."""
    packed: bool
    """Whether the message that begins with it is compressed (RSV1, RFC 7692 section 6)."""
    size: int


class FrameReader:
    """The frames of a client: `head` and then `payload` until nothing is `left` of it, over and over."""

    __slots__ = ("_at", "_buffer", "_key", "_takes_packed", "left")

    def __init__(self, takes_packed: bool) -> None:
        """``takes_packed`` says that compressed messages were agreed upon."""
        self._takes_packed = takes_packed
        self._buffer = b""
        self._at = 0
        self._key = b""
        self.left = 0
        """Bytes of the frame's payload that have not been given out."""

    def feed(self, data: bytes) -> None:
        """Bytes of the client, behind those that wait."""
        rest = self._buffer[self._at :]
        self._buffer = rest + data if rest else data
        self._at = 0

    @property
    def waiting(self) -> int:
        """Bytes that wait to be read."""
        return len(self._buffer) - self._at

    def head(self) -> Head | None:
        """The head of the next frame; None while it is not there. Raises `RemoteProtocolError` with 1002."""
        data, at = self._buffer, self._at
        if len(data) - at < 2:
            return None
        first, second = data[at], data[at + 1]
        size = second & 0x7F
        opcode = _OPCODES.get(first & 0x0F)
        self._check(first, second, opcode, size)
        at += 2
        if size > LONGEST_CONTROL:
            layout, least = ("!H", 126) if size == 126 else ("!Q", 1 << 16)
            if len(data) - at < struct.calcsize(layout):
                return None
            (size,) = struct.unpack_from(layout, data, at)
            at += struct.calcsize(layout)
            if size < least or size >> 63:
                raise _violation(f"a length of {size} in more bytes than it needs, or than there are")
        if len(data) - at < 4:
            return None
        self._key = data[at : at + 4]
        self._at = at + 4
        self.left = size
        return Head(opcode, bool(first & FIN), bool(first & PACKED), size)  # type: ignore[arg-type]

    def _check(self, first: int, second: int, opcode: Opcode | None, size: int) -> None:
        if opcode is None:
            raise _violation(f"an opcode that there is not: {first & 0x0F}")
        if first & RESERVED or (first & PACKED and not (self._takes_packed and 0 < opcode < 8)):
            raise _violation("a reserved bit is set (section 5.2)")
        if not second & MASKED:
            raise _violation("a frame without a mask (section 5.1)")
        if opcode >= 8 and (size > LONGEST_CONTROL or not first & FIN):
            raise _violation("a control frame that is long or in parts (section 5.5)")

    def payload(self) -> bytes:
        """What has come of the frame's payload and was not given out yet; all of it when nothing is `left` then."""
        at = self._at
        data = self._buffer[at : at + self.left]
        count = len(data)
        self._at = at + count
        if self._at == len(self._buffer):
            self._buffer, self._at = b"", 0  # a peer may be silent for long
        self.left -= count
        key = self._key
        if self.left and (turn := count % 4):
            self._key = key[turn:] + key[:turn]
        return unmask(data, key)


def _violation(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(what, PROTOCOL_ERROR)


def frame_head(opcode: Opcode, size: int, packed: bool = False) -> bytes:
    """The head of a whole message's only frame, as a server sends it: without a mask."""
    first = FIN | opcode | (PACKED if packed else 0)
    if size < 126:
        return bytes((first, size))
    if size < 1 << 16:
        return struct.pack("!BBH", first, 126, size)
    return struct.pack("!BBQ", first, 127, size)
