"""Messages out of frames: fragments put together, unpacked, and text checked as it comes (RFC 6455 sections 5.4 to 8).

    between messages ──TEXT, BINARY──▶ in a message ──CONTINUATION──▶ in a message
           ▲                                └──the frame that ends it──┐
           └───────────────────────────────────────────────────────────┘
    control frames may come anywhere, and change nothing here

Anything else ends the connection: `RemoteProtocolError` with the close code as its status, 1002 where frames are out of
order, 1007 for text that is no UTF-8, 1009 for a message that is too large.
"""

from __future__ import annotations

import codecs
from typing import NamedTuple, Protocol

from asteri_core.api import RemoteProtocolError
from asteri_http.websocket import NO_STATUS, Close

from .deflate import INVALID, TOO_BIG, Unpacker
from .frames import PROTOCOL_ERROR, FrameReader, Head, Opcode

TEXT, BINARY, CONTINUATION = Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION
NOT_UTF8 = "a text that is no UTF-8"
_utf8_decoder = codecs.getincrementaldecoder("utf-8")


class Ping(NamedTuple):
    """The client asks for a sign of life."""

    data: bytes


class Pong(NamedTuple):
    """The client's answer to a ping, or a sign of life that nobody has asked for."""

    data: bytes


class Reader(Protocol):
    """What both twins of `MessageReader` are to a connection."""

    def feed(self, data: bytes) -> None: ...

    def next(self) -> str | bytes | Ping | Pong | Close | None: ...


class MessageReader:
    """What a client says."""

    __slots__ = ("_checker", "_control", "_frames", "_head", "_kind", "_limit", "_packed", "_parts", "_unpacker")

    def __init__(self, limit: int, unpacker: Unpacker | None = None) -> None:
        """``limit`` is that of a message in bytes; ``unpacker`` is there where compression was agreed upon."""
        self._frames = FrameReader(unpacker is not None)
        self._limit = limit
        self._unpacker = unpacker
        self._head: Head | None = None
        """Of the frame that is being read."""
        self._kind: Opcode | None = None
        """Of the message that is being read."""
        self._packed = False
        self._parts = bytearray()
        self._control = b""
        self._checker = _utf8_decoder()

    def feed(self, data: bytes) -> None:
        """Bytes of the client."""
        self._frames.feed(data)

    @property
    def waiting(self) -> int:
        """Bytes that have not been looked at."""
        return self._frames.waiting

    def next(self) -> str | bytes | Ping | Pong | Close | None:
        """What is whole next; None while nothing is. After an error nothing more is to be asked for."""
        frames = self._frames
        while True:
            head = self._head
            if head is None:
                head = frames.head()
                if head is None:
                    return None
                self._begin(head)
            elif not frames.waiting:
                return None
            data = frames.payload()
            if frames.left:
                self._head = head
                self._add(head, data, False)
                return None
            self._head = None
            if head.opcode >= Opcode.CLOSE:
                return self._control_frame(head.opcode, data)
            if head.last and not self._packed and not self._parts:
                return self._whole(data)
            self._add(head, data, head.last)
            if head.last:
                return self._end()

    def _begin(self, head: Head) -> None:
        opcode = head.opcode
        if opcode >= Opcode.CLOSE:
            return
        if (opcode is CONTINUATION) is (self._kind is None):
            raise RemoteProtocolError("a message within another one, or the rest of none", PROTOCOL_ERROR)
        if opcode is not CONTINUATION:
            self._kind = opcode
            self._packed = head.packed
        # What is packed may be longer than what it was made of, but not by much.
        limit = self._limit + (self._limit >> 3) + 64 if self._packed else self._limit - len(self._parts)
        if head.size > limit:
            raise RemoteProtocolError(f"a message of more than {self._limit} bytes", TOO_BIG)

    def _add(self, head: Head, data: bytes, end: bool) -> None:
        """A piece of a frame's payload; ``end`` says that the message ends with it."""
        if head.opcode >= Opcode.CLOSE:
            self._control += data
            return
        unpacker = self._unpacker
        if self._packed and unpacker is not None:
            data = unpacker.unpack(data, self._limit - len(self._parts))
            if end:
                data += unpacker.end(self._limit - len(self._parts) - len(data))
        if self._kind is TEXT:
            self._check_text(data, end)
        self._parts += data

    def _check_text(self, data: bytes, end: bool) -> None:
        try:
            self._checker.decode(data, end)
        except UnicodeDecodeError:
            raise RemoteProtocolError(NOT_UTF8, INVALID) from None
        kept = self._checker.getstate()[0]
        if kept[:1] == b"\xed" and kept[1:2] > b"\x9f":
            # The decoder waits for the third byte of a surrogate, which is none all the same.
            raise RemoteProtocolError(NOT_UTF8, INVALID)

    def _end(self) -> str | bytes:
        parts, self._parts = self._parts, bytearray()
        kind, self._kind = self._kind, None
        self._packed = False
        self._checker.reset()
        return parts.decode() if kind is TEXT else bytes(parts)

    def _whole(self, data: bytes) -> str | bytes:
        """The usual case: a message in one frame that has come at once."""
        kind, self._kind = self._kind, None
        if kind is not TEXT:
            return data
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise RemoteProtocolError(NOT_UTF8, INVALID) from None

    def _control_frame(self, opcode: Opcode, data: bytes) -> Ping | Pong | Close:
        if self._control:
            data, self._control = self._control + data, b""
        if opcode is Opcode.PING:
            return Ping(data)
        return Pong(data) if opcode is Opcode.PONG else read_close(data)


def may_be_sent(code: int) -> bool:
    """Whether a close frame may have this code (section 7.4): defined and not reserved, or of the ranges of others."""
    return 3000 <= code <= 4999 or (1000 <= code <= 1014 and code not in (1004, 1005, 1006))


def read_close(data: bytes) -> Close:
    """What a close frame says (section 5.5.1). Raises `RemoteProtocolError`."""
    if not data:
        return Close(NO_STATUS)
    code = int.from_bytes(data[:2])
    if len(data) == 1 or not may_be_sent(code):
        raise RemoteProtocolError(f"a close code that cannot be sent: {data[:2]!r}", PROTOCOL_ERROR)
    try:
        return Close(code, data[2:].decode())
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"the reason of a close is no UTF-8: {error.reason}", INVALID) from None


def write_close(close: Close) -> bytes:
    """The payload of a close frame. A reason that does not fit is cut between two characters."""
    if close.code == NO_STATUS:
        return b""
    reason = close.reason.encode()[:123].decode(errors="ignore")
    return close.code.to_bytes(2) + reason.encode()
