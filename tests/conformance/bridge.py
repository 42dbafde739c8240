"""A bridge for clients of WebSocket that speak HTTP/1.1 only: what they say goes on as a stream of HTTP/2 (RFC 8441).

It understands the handshake and nothing of the frames, so what is tested behind it is the server's HTTP/2. One thread
for each direction of a connection; made for conformance suites, which have one connection at a time.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import threading

import h2.config
import h2.connection
import h2.events

SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
FORWARDED = (b"sec-websocket-version", b"sec-websocket-protocol", b"sec-websocket-extensions", b"origin")


class Bridge:
    """One connection of a client, and the server's."""

    def __init__(self, client: socket.socket, port: int) -> None:
        self._client = client
        self._server = socket.create_connection(("127.0.0.1", port))
        self._server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        self._turn = threading.Condition()
        self._stream = 1
        self._ended = False

    def run(self) -> None:
        with self._client, self._server:
            fields, rest = self._handshake()
            self._h2.initiate_connection()
            self._flush()
            self._ask(fields)
            threading.Thread(target=self._upwards, args=(rest,), daemon=True).start()
            self._downwards()

    def _handshake(self) -> tuple[dict[bytes, bytes], bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._client.recv(65536)
        head, _, rest = data.partition(b"\r\n\r\n")
        request, *lines = head.split(b"\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        return {**fields, b":path": request.split()[1]}, rest

    def _ask(self, fields: dict[bytes, bytes]) -> None:
        """Ask as soon as the server has said that it knows extended CONNECT, and tell the client its answer."""
        while not self._h2.remote_settings.enable_connect_protocol:
            self._h2.receive_data(self._server.recv(65536))
            self._flush()
        head = [
            (b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"http"), (b":path", fields[b":path"]),
            (b":authority", fields[b"host"]), *((name, fields[name]) for name in FORWARDED if name in fields),
        ]  # fmt: skip
        self._h2.send_headers(self._stream, head)
        self._flush()
        self._key = fields[b"sec-websocket-key"]

    def _answer(self, fields: list[tuple[bytes, bytes]]) -> None:
        found = dict(fields)
        accept = base64.b64encode(hashlib.sha1(self._key + SALT).digest())
        status = b"101 Switching Protocols" if found[b":status"] == b"200" else found[b":status"] + b" Refused"
        lines = [
            b"HTTP/1.1 " + status, b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Accept: " + accept,
            *(name + b": " + value for name, value in fields if name.startswith(b"sec-websocket-")),
        ]  # fmt: skip
        self._client.sendall(b"\r\n".join([*lines, b"", b""]))

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self._server.sendall(data)

    def _downwards(self) -> None:
        with contextlib.suppress(OSError):
            while not self._ended and (data := self._server.recv(65536)):
                with self._turn:
                    events = self._h2.receive_data(data)
                    self._flush()
                    self._turn.notify_all()
                for event in events:
                    self._heard(event)
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)

    def _heard(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived():
                self._answer([(bytes(name), bytes(value)) for name, value in event.headers or ()])
            case h2.events.DataReceived():
                self._client.sendall(event.data or b"")
                with self._turn:
                    self._h2.acknowledge_received_data(event.flow_controlled_length or 0, self._stream)
                    self._flush()
            case h2.events.StreamEnded() | h2.events.StreamReset() | h2.events.ConnectionTerminated():
                self._ended = True

    def _upwards(self, data: bytes) -> None:
        with contextlib.suppress(OSError, h2.exceptions.ProtocolError):
            while True:
                self._send(data)
                data = self._client.recv(65536)
                if not data:
                    break
            with self._turn:
                self._h2.end_stream(self._stream)
                self._flush()

    def _send(self, data: bytes) -> None:
        while data:
            with self._turn:
                while not (room := self._h2.local_flow_control_window(self._stream)) and not self._ended:
                    self._turn.wait()
                size = min(room, self._h2.max_outbound_frame_size, len(data))
                self._h2.send_data(self._stream, data[:size])
                self._flush()
            data = data[size:]


def serve(listener: socket.socket, port: int) -> None:
    """Take clients until the listener is closed, and bring each to the server on ``port``."""
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_run, args=(client, port), daemon=True).start()


def _run(client: socket.socket, port: int) -> None:
    with contextlib.suppress(OSError, h2.exceptions.ProtocolError):
        Bridge(client, port).run()
