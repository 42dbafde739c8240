"""The packet of a request: a header of four bytes, then variables (https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html).

    modifier1 (0: a request with variables)  size of the variables, two bytes, the lower first  modifier2 (0)
    for each variable: size of its name, name, size of its value, value; sizes as above

It knows no variable, but which of them may come again: those of fields, since a proxy may say each of a client's fields
as it has come (nginx before 1.23 does).
"""

from __future__ import annotations

import re
import struct

from asteri_core.api import RemoteProtocolError

HEADER = 4
_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")


FIELD = b"HTTP_"
SINGLE = frozenset({b"HTTP_HOST", b"HTTP_CONTENT_LENGTH", b"HTTP_TRANSFER_ENCODING", b"HTTP_CONTENT_TYPE"})
"""Variables of the fields that a request may have once (`asteri_http.fields.REQUEST_SINGLE`)."""

Variables = list[tuple[bytes, bytes]]


def read_packet(data: bytes | bytearray | memoryview) -> tuple[Variables, int] | None:
    """The variables as they come, and how many bytes they take; None when more bytes are needed.

    Raises `RemoteProtocolError` (400; 501 for another kind of packet).
    """
    if data[:1] not in (b"", b"\0") or data[3:4] not in (b"", b"\0"):
        raise RemoteProtocolError(f"expected a uwsgi packet with variables, found {bytes(data[:HEADER])!r}", 501)
    if len(data) < HEADER:
        return None
    size = HEADER + struct.unpack_from("<H", data, 1)[0]
    if len(data) < size:
        return None
    variables: Variables = []
    seen: set[bytes] = set()
    at = HEADER
    packet = bytes(data[:size])
    while at < size:
        name, at = _text(packet, at)
        value, at = _text(packet, at)
        if _NAME.fullmatch(name) is None:
            raise RemoteProtocolError(f"expected the name of a variable, found {name[:64]!r}")
        if name in seen and (name in SINGLE or not name.startswith(FIELD)):
            raise RemoteProtocolError(f"a second variable {name.decode()}")
        seen.add(name)
        variables.append((name, value))
    return variables, size


def _text(packet: bytes, at: int) -> tuple[bytes, int]:
    """A text with its size before it, and where it ends."""
    if len(packet) - at < 2:
        raise RemoteProtocolError("a variable of a uwsgi packet is cut")
    end = at + 2 + struct.unpack_from("<H", packet, at)[0]
    if end > len(packet):
        raise RemoteProtocolError(f"a variable of a uwsgi packet goes {end - len(packet)} bytes over its end")
    return packet[at + 2 : end], end
