"""A blocking client of WebSocket over whatever carries bytes: a socket after an Upgrade, or a stream of HTTP/2.

It reads and writes frames one by one, so that tests see what a library would hide. Messages are never compressed.
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import struct
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from http1_client import Peer as Http1Peer
from http2_client import Peer as Http2Peer

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = b"\x37\xfa\x21\x3d"

Connect = Callable[..., socket.socket]


class Refused(Exception):
    """The server has answered the handshake as a request."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


class Stream(Protocol):
    """What carries frames. ``recv`` gives nothing at the end."""

    def send(self, data: bytes) -> None: ...

    def recv(self) -> bytes: ...

    def close(self) -> None: ...


class UpgradedSocket:
    """HTTP/1.1 after 101."""

    def __init__(self, sock: socket.socket, rest: bytes) -> None:
        self._socket = sock
        self._rest = rest

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def recv(self) -> bytes:
        rest, self._rest = self._rest, b""
        return rest or self._socket.recv(65536)

    def close(self) -> None:
        self._socket.close()


class Http2Stream:
    """One stream of HTTP/2 after an extended CONNECT was answered with 200 (RFC 8441)."""

    def __init__(self, peer: Http2Peer, stream: int) -> None:
        self._peer = peer
        self._stream = stream
        self._taken = 0

    def send(self, data: bytes) -> None:
        self._peer.send(self._stream, data, end=False)

    def recv(self) -> bytes:
        answer = self._peer.answers[self._stream]
        while len(answer.body) == self._taken:
            if answer.ended or not self._peer.turn():
                return b""
        data = answer.body[self._taken :]
        self._taken = len(answer.body)
        return data

    def close(self) -> None:
        self._peer.socket.close()


class WebSocket:
    """An open one."""

    def __init__(self, stream: Stream, subprotocol: bytes | None) -> None:
        self.stream = stream
        self.subprotocol = subprotocol
        self._buffer = b""

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stream.close()

    def send(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self.send_frame(TEXT, message.encode())
        else:
            self.send_frame(BINARY, message)

    def send_frame(self, opcode: int, data: bytes = b"", last: bool = True) -> None:
        size, first = len(data), (0x80 if last else 0) | opcode
        if size < 126:
            head = bytes((first, 0x80 | size))
        elif size < 1 << 16:
            head = struct.pack("!BBH", first, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", first, 0x80 | 127, size)
        mask = (KEY * (size // 4 + 1))[:size]
        masked = (int.from_bytes(data) ^ int.from_bytes(mask)).to_bytes(size)
        self.stream.send(head + KEY + masked)

    def receive_frame(self) -> tuple[int, bytes] | None:
        """The next frame, which has to be whole and no fragment; None at the end of the stream."""
        while (found := self._parse()) is None:
            data = self.stream.recv()
            if not data:
                assert not self._buffer, f"the stream has ended within a frame: {self._buffer!r}"
                return None
            self._buffer += data
        return found

    def _parse(self) -> tuple[int, bytes] | None:
        data = self._buffer
        if len(data) < 2:
            return None
        size, at = data[1], 2
        if size >= 126:
            layout = "!H" if size == 126 else "!Q"
            at += struct.calcsize(layout)
            if len(data) < at:
                return None
            (size,) = struct.unpack(layout, data[2:at])
        if len(data) < at + size:
            return None
        assert data[0] & 0xF0 == 0x80, f"a frame that begins with {data[0]:#x}"
        self._buffer = data[at + size :]
        return data[0] & 0x0F, data[at : at + size]

    def receive(self) -> str | bytes | int:
        """The next message; pings are answered. The code of a close, which is answered, 1005 for none, 1006 for an end
        without a close."""
        while (found := self.receive_frame()) is not None:
            opcode, data = found
            if opcode == TEXT:
                return data.decode()
            if opcode == BINARY:
                return data
            if opcode == CLOSE:
                self.send_frame(CLOSE, data[:2])
                return int.from_bytes(data[:2]) if data else 1005
            if opcode == PING:
                self.send_frame(PONG, data)
        return 1006

    def close(self, code: int = 1000) -> int:
        """Close and wait for the server's close, whose code is given; messages on their way are lost."""
        self.send_frame(CLOSE, code.to_bytes(2))
        while (found := self.receive_frame()) is not None:
            if found[0] == CLOSE:
                assert self.receive_frame() is None, "the server ends the stream after both closes"
                return int.from_bytes(found[1][:2])
        return 1006


def over_http1(connect: Connect, target: str, *fields: tuple[str, str]) -> WebSocket:
    """By Upgrade (RFC 6455). Raises `Refused`."""
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(Http1Peer(connect(alpn="http/1.1")))
        opened = _upgraded(peer, target, fields)
        stack.pop_all()  # it is the WebSocket's now
        return opened


def _upgraded(peer: Http1Peer, target: str, fields: tuple[tuple[str, str], ...]) -> WebSocket:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {target} HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *(f"{name}: {value}" for name, value in fields),
    ]  # fmt: skip
    peer.socket.sendall("\r\n".join([*lines, "", ""]).encode())
    data = b""
    while b"\r\n\r\n" not in data:
        more = peer.socket.recv(65536)
        assert more, f"no answer to the handshake: {data!r}"
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    status, *found = head.split(b"\r\n")
    values = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in found)}
    if b" 101 " not in status:
        while len(rest) < int(values[b"content-length"]):
            rest += peer.socket.recv(65536)
        raise Refused(int(status.split()[1]), rest)
    return WebSocket(UpgradedSocket(peer.socket, rest), values.get(b"sec-websocket-protocol"))


def over_http2(connect: Connect, target: str, *fields: tuple[str, str]) -> WebSocket:
    """By extended CONNECT (RFC 8441). Raises `Refused`."""
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(Http2Peer(connect(alpn="h2")))
        opened = _connected(peer, target, fields)
        stack.pop_all()
        return opened


def _connected(peer: Http2Peer, target: str, fields: tuple[tuple[str, str], ...]) -> WebSocket:
    stream = peer.ask(
        "CONNECT", target, (":protocol", "websocket"), ("sec-websocket-version", "13"), *fields, end=False
    )
    answer = peer.answers[stream]
    while not answer.status:
        assert peer.turn(), "no answer to the handshake"
    if answer.status != 200:
        peer.answer(stream)
        raise Refused(answer.status, answer.body)
    return WebSocket(Http2Stream(peer, stream), answer.value(b"sec-websocket-protocol"))


WAYS = (over_http1, over_http2)
