"""A blocking client of the uwsgi protocol, for conversations with real servers."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass


@dataclass
class Answer:
    """What has come until the end."""

    status: int
    fields: list[tuple[bytes, bytes]]
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        return [value for known, value in self.fields if known == name]


def packet(variables: dict[str, str]) -> bytes:
    """The packet of a request, without its body."""
    pairs = b"".join(
        struct.pack("<H", len(text)) + text
        for name, value in variables.items()
        for text in (name.encode(), value.encode("latin-1"))
    )
    return struct.pack("<BHB", 0, len(pairs), 0) + pairs


def variables(method: str, target: str, **more: str) -> dict[str, str]:
    """Those that nginx sends."""
    path, _, query = target.partition("?")
    return {
        "REQUEST_METHOD": method, "REQUEST_URI": target, "PATH_INFO": path, "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "localhost", "REMOTE_ADDR": "192.0.2.7", "REMOTE_PORT": "5555",
        **more,
    }  # fmt: skip


def ask(peer: socket.socket, method: str, target: str, body: bytes | memoryview = b"", **more: str) -> Answer:
    """One request, whose answer ends with the connection."""
    if body:
        more["CONTENT_LENGTH"] = str(len(body))
    peer.sendall(packet(variables(method, target, **more)))
    peer.sendall(body)
    return answer(peer)


def answer(peer: socket.socket) -> Answer:
    pieces = []
    while piece := peer.recv(1 << 16):
        pieces.append(piece)
    head, _, content = b"".join(pieces).partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    fields = [(name.lower(), value) for name, _, value in (line.partition(b": ") for line in lines)]
    return Answer(int(first.split(b" ")[1]), fields, content)
