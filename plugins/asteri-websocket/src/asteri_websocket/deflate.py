"""Compression of messages (RFC 7692): what is agreed upon, packing, and unpacking within bounds.

The windows are smaller than they could be: a peer costs a twentieth of the memory, and short messages lose little.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import NamedTuple

from asteri_core.api import RemoteProtocolError

NAME = b"permessage-deflate"
SMALLEST_WINDOW, LARGEST_WINDOW = 8, 15
WINDOW = 12
"""The exponent of the window we use, and ask the client to use where it lets us: 4 KiB."""
MEMORY = 5
"""zlib's level of memory: with the window of 4 KiB, packing takes 32 KiB for each connection."""
WORTH = 32
"""Bytes below which a message is sent as it is (section 6): packed it would not be shorter."""
TAIL = b"\x00\x00\xff\xff"
"""What a sender leaves out at the end of each message (section 7.2.1)."""
TOO_BIG, INVALID = 1009, 1007

Parameter = tuple[bytes, bytes | None]


class Agreement(NamedTuple):
    """What both sides do from now on."""

    server_window: int = WINDOW
    client_window: int = LARGEST_WINDOW
    server_forgets: bool = False
    """Whether each of our messages is packed without regard to those before it."""
    client_forgets: bool = False
    limits_client: bool = False
    """Whether the client has let us choose its window."""

    def answer(self) -> bytes:
        """The value of Sec-WebSocket-Extensions."""
        parts = [NAME, b"server_max_window_bits=%d" % self.server_window]
        if self.limits_client:
            parts.append(b"client_max_window_bits=%d" % self.client_window)
        if self.server_forgets:
            parts.append(b"server_no_context_takeover")
        if self.client_forgets:
            parts.append(b"client_no_context_takeover")
        return b"; ".join(parts)


def agree(offers: Iterable[tuple[bytes, list[Parameter]]]) -> Agreement | None:
    """The first offer that we can take (section 7.1): names of extensions with their parameters. None: none of them."""
    for name, parameters in offers:
        if name == NAME and len(dict(parameters)) == len(parameters):
            agreement = _take(dict(parameters))
            if agreement is not None:
                return agreement
    return None


def _take(offered: dict[bytes, bytes | None]) -> Agreement | None:
    server, client = WINDOW, LARGEST_WINDOW
    server_forgets = client_forgets = limits_client = False
    for name, value in offered.items():
        window = _window(value)
        if name == b"server_no_context_takeover" and value is None:
            server_forgets = True
        elif name == b"client_no_context_takeover" and value is None:
            client_forgets = True
        elif name == b"server_max_window_bits" and window > SMALLEST_WINDOW:
            # zlib cannot pack with a window of 256 bytes.
            server = min(server, window)
        elif name == b"client_max_window_bits" and (value is None or window):
            limits_client = True
            client = min(WINDOW, window or WINDOW)
        else:
            return None
    return Agreement(server, client, server_forgets, client_forgets, limits_client)


def _window(value: bytes | None) -> int:
    """A number of bits as section 7.1.2.1 has it, else 0."""
    if value is None or value not in (b"8", b"9", b"10", b"11", b"12", b"13", b"14", b"15"):
        return 0
    return int(value)


class Packer:
    """Packs our messages."""

    __slots__ = ("_forgets", "_packer", "_window")

    def __init__(self, agreement: Agreement) -> None:
        self._window = agreement.server_window
        self._forgets = agreement.server_forgets
        self._packer = self._make()

    def _make(self) -> zlib._Compress:
        return zlib.compressobj(wbits=-self._window, memLevel=MEMORY)

    def pack(self, data: bytes) -> bytes:
        """A message without the tail that is always the same."""
        packed = self._packer.compress(data) + self._packer.flush(zlib.Z_SYNC_FLUSH)
        if self._forgets:
            self._packer = self._make()
        return packed[: -len(TAIL)]


class Unpacker:
    """Unpacks the client's messages, piece by piece."""

    __slots__ = ("_forgets", "_unpacker", "_window")

    def __init__(self, agreement: Agreement) -> None:
        self._window = agreement.client_window
        self._forgets = agreement.client_forgets
        self._unpacker = self._make()

    def _make(self) -> zlib._Decompress:
        return zlib.decompressobj(wbits=-self._window)

    def unpack(self, data: bytes, room: int) -> bytes:
        """At most ``room`` bytes. Raises `RemoteProtocolError`: 1009 for more, 1007 for what cannot be unpacked."""
        plain = b""
        while True:
            try:
                plain += self._unpacker.decompress(data, room - len(plain) + 1)
            except zlib.error as error:
                raise RemoteProtocolError(f"a message that cannot be unpacked: {error}", INVALID) from None
            if len(plain) > room:
                raise RemoteProtocolError("a message that is too large when unpacked", TOO_BIG)
            if not self._unpacker.eof:
                return plain
            # The sender has ended its stream (section 7.2.3.5); what follows is another one.
            data = self._unpacker.unused_data
            self._unpacker = self._make()

    def end(self, room: int) -> bytes:
        """The rest of a message that has come whole."""
        plain = self.unpack(TAIL, room)
        if self._forgets:
            self._unpacker = self._make()
        return plain
