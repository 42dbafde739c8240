"""The mask of a client's payload (RFC 6455 section 5.3): an exclusive or with four bytes, over and over."""

from __future__ import annotations

LONG = 1024
"""From here on a table for each of the four bytes is faster than one large number."""
_TABLES = [bytes(key ^ byte for byte in range(256)) for key in range(256)]


def unmask(data: bytes, key: bytes) -> bytes:
    """``data`` without the mask ``key`` (4 bytes), which begins with its first byte. The same again puts it back."""
    size = len(data)
    if size < LONG:
        mask = (key * (size // 4 + 1))[:size]
        return (int.from_bytes(data, "little") ^ int.from_bytes(mask, "little")).to_bytes(size, "little")
    plain = bytearray(data)
    for at in range(4):
        plain[at::4] = plain[at::4].translate(_TABLES[key[at]])
    return bytes(plain)
