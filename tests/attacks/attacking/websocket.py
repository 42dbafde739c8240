"""What a client of WebSocket sends: frames, whether or not they may be, and those that end a conversation."""

from __future__ import annotations

import struct
import zlib

CONTINUATION, TEXT, BINARY, CLOSE, PING = 0, 1, 2, 8, 9


def frame(opcode: int, data: bytes = b"", last: bool = True, reserved: int = 0, mask: bool = True) -> bytes:
    """A frame whose mask, where it has one, changes nothing."""
    first, bit, size = (0x80 if last else 0) | reserved << 4 | opcode, 0x80 if mask else 0, len(data)
    if size < 126:
        head = bytes((first, bit | size))
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    return head + (bytes(4) if mask else b"") + data


def packed(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


BOMB = packed(bytes(64 << 20))
"""64 MiB in 64 KiB; the limit is 16."""
ENDED: dict[str, tuple[bool, bytes, int]] = {
    # whether compression is offered, what is sent, and the code of the close
    "no mask": (False, frame(TEXT, b"a", mask=False), 1002),
    "reserved bit": (False, frame(TEXT, b"a", reserved=1), 1002),
    "bit of compression without it": (False, frame(TEXT, b"a", reserved=4), 1002),
    "unknown opcode": (False, frame(3), 1002),
    "control frame above 125": (False, frame(PING, bytes(126)), 1002),
    "control frame in parts": (False, frame(PING, b"", last=False), 1002),
    "rest of nothing": (False, frame(CONTINUATION, b"a"), 1002),
    "message within a message": (False, frame(TEXT, b"a", last=False) + frame(TEXT, b"b"), 1002),
    "length of 2 to the 63": (False, b"\x82\xff" + (1 << 63).to_bytes(8) + bytes(4), 1002),
    "length below that": (False, b"\x82\xff" + ((1 << 63) - 1).to_bytes(8) + bytes(4), 1009),
    "a gigabyte": (False, b"\x82\xff" + (1 << 30).to_bytes(8) + bytes(4), 1009),
    "a gigabyte in fragments": (
        False, frame(BINARY, bytes(16 << 20), last=False) + frame(CONTINUATION, b"x"), 1009,
    ),
    "text that is no UTF-8": (False, frame(TEXT, b"\xff"), 1007),
    "text cut within a character": (False, frame(TEXT, b"\xe2\x82", last=False) + frame(CONTINUATION, b"a"), 1007),
    "close code 1005": (False, frame(CLOSE, (1005).to_bytes(2)), 1002),
    "close code 999": (False, frame(CLOSE, (999).to_bytes(2)), 1002),
    "close of one byte": (False, frame(CLOSE, b"\x03"), 1002),
    "close reason that is no UTF-8": (False, frame(CLOSE, (1000).to_bytes(2) + b"\xff"), 1007),
    "bomb": (True, frame(BINARY, BOMB, reserved=4), 1009),
    "what is no deflate": (True, frame(BINARY, b"\xff\xff\xff", reserved=4), 1007),
}  # fmt: skip
