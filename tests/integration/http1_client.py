"""A client that says exactly what a test wants and understands the answers with h11, strictly.

    with Peer(server.connect()) as peer:
        peer.send(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        assert peer.answer().status == 200

It opens no connection by itself and repeats nothing. A cut or malformed answer is h11's RemoteProtocolError.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field
from typing import Any

import h11

PIECE = 256 * 1024


@dataclass
class Answer:
    """A whole response. ``interim`` are the 1xx responses before it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    interim: list[tuple[int, list[tuple[bytes, bytes]]]] = field(default_factory=list)

    def values(self, name: bytes) -> list[bytes]:
        """The values of all fields of this (lower case) name."""
        return [value for found, value in self.headers if found == name]

    def value(self, name: bytes) -> bytes | None:
        """The value of the field of this name, of which there is one at most."""
        values = self.values(name)
        assert len(values) <= 1, values
        return values[0] if values else None


class Peer:
    """One connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._rest = b""
        self._ended = False

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *data: bytes) -> None:
        self.socket.sendall(b"".join(data))

    def leave(self) -> None:
        """Close with a reset, so that the server learns of it even where it does not read."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def get(self, target: str, *fields: str) -> Answer:
        """One whole GET."""
        self.send(request("GET", target, *fields))
        return self.answer()

    def post(self, target: str, body: bytes, *fields: str) -> Answer:
        """One whole POST with a Content-Length."""
        self.send(request("POST", target, f"Content-Length: {len(body)}", *fields), body)
        return self.answer()

    def answer(self, method: str = "GET") -> Answer:
        """The next answer, to a request with this method."""
        parser = self._parser(method)
        interim: list[Any] = []
        answer: Answer | None = None
        pieces: list[bytes] = []
        while True:
            event = self._next(parser)
            if isinstance(event, h11.InformationalResponse):
                interim.append((event.status_code, list(event.headers)))
            elif isinstance(event, h11.Response):
                answer = Answer(event.status_code, list(event.headers), interim=interim)
            elif isinstance(event, h11.Data):
                pieces.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                assert answer is not None
                answer.body = b"".join(pieces)
                answer.headers += list(event.headers)
                self._rest = parser.trailing_data[0]
                return answer
            else:
                raise AssertionError(f"instead of an answer: {event!r}")

    def interim(self) -> int:
        """The status of an interim response, which is all that has come so far."""
        parser = self._parser("POST")
        event = self._next(parser)
        assert isinstance(event, h11.InformationalResponse), event
        self._rest, _ = parser.trailing_data
        return int(event.status_code)

    def start_with(self, expected: bytes, size: int = 0) -> None:
        """Read the beginning of an answer, until ``expected`` and ``size`` bytes at least have come."""
        data = self._rest
        self._rest = b""
        while expected not in data or len(data) < size:
            piece = self.socket.recv(PIECE)
            assert piece, data
            data += piece

    def at_end(self) -> bool:
        """Wait for the server to close; False when it says something instead."""
        return not self._rest and (self._ended or self.socket.recv(1) == b"")

    def _parser(self, method: str) -> h11.Connection:
        parser = h11.Connection(h11.CLIENT)
        # h11 understands an answer only to a request that it knows.
        parser.send(h11.Request(method=method, target="/", headers=[("host", "x"), ("content-length", "0")]))
        parser.send(h11.EndOfMessage())
        if self._rest:
            parser.receive_data(self._rest)
        return parser

    def _next(self, parser: h11.Connection) -> Any:
        while (event := parser.next_event()) is h11.NEED_DATA:
            data = self.socket.recv(PIECE)
            self._ended = not data
            parser.receive_data(data)
        return event


def request(method: str, target: str, *fields: str) -> bytes:
    """The head of a request."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: localhost", *fields, "", ""]).encode("latin-1")


def chunked(*pieces: bytes, trailers: bytes = b"") -> bytes:
    """The content of a chunked request."""
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    return b"".join([*chunks, b"0\r\n", trailers, b"\r\n"])
