"""The bytes of a client as frames: one at a time, counted by the guard, and with a deadline for header blocks.

It does not look into a frame; the library does. What is read here is what the library would tell too late, or with
another code than RFC 9113 has.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from h2.errors import ErrorCodes

from .guard import CONTINUATION, DATA, GOAWAY, HEADERS, SETTINGS, Guard

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ACK, END_HEADERS, PADDED = 0x1, 0x4, 0x8
HEADER_SIZE = 9
LONGEST_BLOCK = 50
"""Frames by which a header block may go on. The library itself has a limit of 64, and another code for it."""


class ConnectionFailure(Exception):
    """An error of the connection, which ends it."""

    def __init__(self, reason: str, code: ErrorCodes) -> None:
        super().__init__(reason)
        self.code = code


class Frames:
    """What has come of one client and is not a whole frame yet."""

    __slots__ = ("_continued", "_data", "_greeted", "_preface", "_timeout", "due", "guard")

    def __init__(self, now: float, header_timeout: float) -> None:
        self._data = bytearray()
        self._preface = len(PREFACE)
        """Bytes of the preface that are still to come."""
        self._greeted = False
        """Whether its settings have come, which are the end of the preface."""
        self._timeout = header_timeout
        self._continued = 0
        """By how many frames the header block that comes has gone on."""
        self.due: float | None = None
        """When a header block that has begun has to be whole: it keeps every stream waiting."""
        self.guard = Guard(now)

    def read(self, data: bytes, largest: int, now: float) -> Iterator[bytes]:
        """Whole frames, and pieces of the preface before them. Raises `ConnectionFailure`."""
        self._data += data
        if self._preface:
            yield self._read_preface()
        buffer = self._data
        at = 0
        try:
            while not self._preface and len(buffer) - at >= HEADER_SIZE:
                length, kind, flags = int.from_bytes(buffer[at : at + 3]), buffer[at + 3], buffer[at + 4]
                if length > largest or (kind == SETTINGS and flags & ACK and length):
                    raise ConnectionFailure(f"a frame of {length} bytes", ErrorCodes.FRAME_SIZE_ERROR)
                if not self._greeted and (kind != SETTINGS or flags & ACK):
                    # Section 3.4
                    raise ConnectionFailure("a frame before the client's settings", ErrorCodes.PROTOCOL_ERROR)
                end = at + HEADER_SIZE + length
                if end > len(buffer):
                    break
                if kind == DATA and flags & PADDED and length:
                    length = max(0, length - 1 - buffer[at + HEADER_SIZE])  # padding is no content
                self.check(self.guard.sees(kind, length, flags, now))
                frame = bytes(buffer[at:end])
                at = end
                self._greeted = True
                if kind in (HEADERS, CONTINUATION):
                    self._continued = self._continued + 1 if kind == CONTINUATION else 0
                    self.check("CONTINUATION frames" if self._continued > LONGEST_BLOCK else "")
                    self.due = None if flags & END_HEADERS else self.due or now + self._timeout
                yield frame
        finally:
            del buffer[:at]

    def check(self, too_much: str) -> None:
        if too_much:
            raise ConnectionFailure(f"too many {too_much}", ErrorCodes.ENHANCE_YOUR_CALM)

    def _read_preface(self) -> bytes:
        count = min(self._preface, len(self._data))
        wanted = PREFACE[len(PREFACE) - self._preface :][:count]
        if self._data[:count] != wanted:
            reason = f"expected the preface of HTTP/2, found {bytes(self._data[:24])!r}"
            raise ConnectionFailure(reason, ErrorCodes.PROTOCOL_ERROR)
        del self._data[:count]
        self._preface -= count
        return wanted


def goaway(last: int, code: ErrorCodes) -> bytes:
    """A GOAWAY frame. The library would take no more frames of the streams there are if it made one."""
    return b"\0\0\x08\x07\0\0\0\0\0" + struct.pack("!II", last, int(code))


def without_goaway(data: bytes) -> bytes:
    """The frames without a GOAWAY frame at their end."""
    at = end = 0
    while at < len(data):
        end, at = at, at + HEADER_SIZE + int.from_bytes(data[at : at + 3])
    return data[:end] if data and data[end + 3] == GOAWAY else data
