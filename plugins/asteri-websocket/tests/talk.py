"""What the tests of WebSocket share: frames as a client writes and reads them, and a peer that drives a connection."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

from asteri_websocket import _native, messages
from asteri_websocket.connection import WebSocketConnection
from asteri_websocket.deflate import Agreement, Packer, Unpacker
from asteri_websocket.settings import WebSocketSettings

READERS: dict[str, Callable[..., messages.Reader]] = {"py": messages.MessageReader, "c": _native.MessageReader}
"""Test id and class of each twin."""
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = b"\x37\xfa\x21\x3d"


def frame(opcode: int, data: bytes = b"", last: bool = True, reserved: int = 0, key: bytes | None = KEY) -> bytes:
    """A frame as a client writes it (RFC 6455 section 5.2); ``key`` None leaves the mask out."""
    first = (0x80 if last else 0) | reserved << 4 | opcode
    bit, size = (0 if key is None else 0x80), len(data)
    if size < 126:
        head = bytes((first, bit | size))
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    if key is None:
        return head + data
    return head + key + bytes(byte ^ key[at % 4] for at, byte in enumerate(data))


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    return frame(CLOSE, b"" if code is None else code.to_bytes(2) + reason)


def read_frames(data: bytes) -> list[tuple[int, bytes]]:
    """The frames of a server: the first byte of each, and the payload. Raises `AssertionError` for half a one."""
    found = []
    while data:
        size, at = data[1], 2
        assert size < 128, "a server does not mask"
        if size == 126:
            (size,), at = struct.unpack("!H", data[2:4]), 4
        elif size == 127:
            (size,), at = struct.unpack("!Q", data[2:10]), 10
        assert len(data) >= at + size
        found.append((data[0], data[at : at + size]))
        data = data[at + size :]
    return found


class Peer:
    """Drives a connection as a reactor does."""

    def __init__(
        self, make_reader: Callable[..., messages.Reader], agreement: Agreement | None = None, **settings: float
    ) -> None:
        values = WebSocketSettings(**settings)  # type: ignore[arg-type]
        unpacker = Unpacker(agreement) if agreement else None
        packer = Packer(agreement) if agreement else None
        self.connection = WebSocketConnection(values, make_reader(values.ws_max_size, unpacker), packer)
        self.connection.wake = self._wake
        self.now = 1000.0
        self.woken = 0
        self.failures: list[tuple[str, int]] = []
        self.ended = False
        self.last_item: object = None
        self.collect()

    def _wake(self) -> None:
        self.woken += 1

    def receive(self, *pieces: bytes) -> bytes:
        """The client sends; what it gets."""
        for piece in pieces:
            self.connection.receive_data(piece, self.now)
        return self.collect()

    def collect(self) -> bytes:
        """What the connection has for the client."""
        for event in self.connection.events():
            self.failures.append((str(event.error), event.error.status))  # type: ignore[union-attr]
        sent = b""
        while items := self.connection.data_to_send(self.now):
            for item in items:
                assert not self.ended, "nothing follows the end"
                if len(item):  # type: ignore[arg-type]
                    sent += bytes(item)  # type: ignore[arg-type]
                else:
                    self.ended, self.last_item = True, item
        return sent

    def wait(self, seconds: float) -> bytes:
        """Time goes by, deadline after deadline; what the client gets."""
        until, sent = self.now + seconds, b""
        while (due := self.connection.deadline()) is not None and due <= until:
            self.now = due
            self.connection.expire(due)
            sent += self.collect()
        self.now = until
        return sent

    def messages(self) -> list[object]:
        """What the application reads, until it would have to wait or the conversation is over."""
        found: list[object] = []
        while (message := self.connection.read()) is not None:
            found.append(message)
            if isinstance(message, tuple):
                break
        return found


def cut(data: bytes, size: int) -> Iterable[bytes]:
    """``data`` in pieces of ``size`` bytes."""
    return [data[at : at + size] for at in range(0, len(data), size)]
