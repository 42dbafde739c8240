"""A client that sends bytes as they are, and reads HTTP/1.1 responses as strictly as a server should read requests.

Anything in a response that is not HTTP/1.1 to the letter is an AssertionError: what the server sends is under test too.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import ssl
import struct
from dataclasses import dataclass, field

HEAD = re.compile(
    rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)\r\n"
    rb"((?:[!#-'*+\-.0-9A-Z^-z|~]+: [^\x00-\x08\x0a-\x1f\x7f]*\r\n)*)\r\n"
)
STATUS = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ")
GONE = (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError)
"""What a send raises when the server has ended the connection; TLS has a name of its own for it now and then."""
SIZE_LINE = re.compile(rb"[0-9a-f]{1,16}\r\n")


class Closed(Exception):
    """The server has ended the connection where a response was expected, or in the middle of one."""


@dataclass
class Response:
    """One final response."""

    status: int
    fields: list[tuple[bytes, bytes]]
    reason: bytes = b""
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    interim: list[Response] = field(default_factory=list)
    """The 1xx responses before it."""

    def all(self, name: bytes) -> list[bytes]:
        return [value for known, value in self.fields if known.lower() == name]

    @property
    def closes(self) -> bool:
        return b"close" in self.all(b"connection")


class Client:
    """One connection."""

    def __init__(
        self, port: int, timeout: float = 10.0, receive_buffer: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self._data = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send everything, unless the server has had enough before."""
        with contextlib.suppress(*GONE):
            self.socket.sendall(data)

    def exchange(self, data: bytes) -> None:
        """Send everything, and take in what comes meanwhile: a server may stop reading who does not read."""
        self.socket.setblocking(False)
        view = memoryview(data)
        while view:
            readable, writable, _ = select.select([self.socket], [self.socket], [], 10)
            assert readable or writable, "the server neither reads nor writes"
            if readable:
                self._more()
            if writable:
                view = view[self.socket.send(view) :]
        self.socket.settimeout(10)

    def end(self) -> None:
        """Say that nothing more comes (half-close). Over TLS without close_notify: Python's ssl would read no more."""
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self.socket.fileno())) as raw:
            raw.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Leave at once, so that the server gets a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def response(self, method: str = "GET") -> Response:
        """The next final response. Raises `Closed` when there is none, or only a part of one."""
        interim: list[Response] = []
        while True:
            response = self._head()
            if response.status >= 200:
                break
            interim.append(response)
        response.interim = interim
        if method != "HEAD" and response.status not in (204, 304):
            self._content(response)
        return response

    def interim(self) -> Response:
        """The next response, which must be a 1xx."""
        response = self._head()
        assert 100 <= response.status < 200, response
        return response

    def ended(self) -> bool:
        """Whether the server closes now without another byte."""
        with contextlib.suppress(ConnectionResetError):
            while data := self.socket.recv(65536):
                self._data += data
        return not self._data

    @property
    def unread(self) -> bytes:
        """What has come in and was not part of a response."""
        return self._data

    def _more(self) -> None:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed(f"the connection has ended after {self._data[-200:]!r}")
        self._data += data

    def _take(self, size: int) -> bytes:
        parts = [self._data[:size]]
        left = size - len(parts[0])
        self._data = self._data[size:]
        while left:
            self._more()
            part = self._data[:left]
            self._data = self._data[len(part) :]
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _head(self) -> Response:
        while b"\r\n\r\n" not in self._data:
            self._more()
        found = HEAD.match(self._data)
        assert found is not None, f"not the head of a response: {self._data[:400]!r}"
        self._data = self._data[found.end() :]
        return Response(int(found[1]), _fields(found[3]), found[2])

    def _content(self, response: Response) -> None:
        lengths, codings = response.all(b"content-length"), response.all(b"transfer-encoding")
        assert len(lengths) + len(codings) <= 1, f"two lengths: {response.fields}"
        if lengths:
            response.body = self._take(int(lengths[0]))
        elif codings:
            assert codings == [b"chunked"], codings
            self._chunks(response)
        elif response.status != 101:
            with contextlib.suppress(Closed):
                while True:
                    self._more()
            response.body, self._data = self._data, b""

    def _line(self) -> bytes:
        while b"\r\n" not in self._data:
            self._more()
        line, _, self._data = self._data.partition(b"\r\n")
        return line + b"\r\n"

    def _chunks(self, response: Response) -> None:
        pieces = []
        while True:
            line = self._line()
            assert SIZE_LINE.fullmatch(line), f"not the size of a chunk: {line!r}"
            size = int(line, 16)
            if not size:
                break
            pieces.append(self._take(size))
            assert self._take(2) == b"\r\n"
        lines = b""
        while (line := self._line()) != b"\r\n":
            lines += line
        response.trailers = _fields(lines)
        response.body = b"".join(pieces)


def _fields(block: bytes) -> list[tuple[bytes, bytes]]:
    fields = []
    for line in block.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        fields.append((name, value))
    return fields
