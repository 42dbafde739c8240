"""A blocking client of HTTP/2 on the library h2, for conversations with real servers."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from types import TracebackType

import h2.config
import h2.connection
import h2.events

Fields = list[tuple[bytes, bytes]]


@dataclass
class Answer:
    """What has come on one stream."""

    interim: list[tuple[int, Fields]] = field(default_factory=list)
    status: int = 0
    fields: Fields = field(default_factory=list)
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    ended: bool = False
    reset: int | None = None

    def value(self, name: bytes) -> bytes | None:
        found = self.values(name)
        return found[0] if found else None

    def values(self, name: bytes) -> list[bytes]:
        return [value for known, value in self.fields if known == name]


class Peer:
    """One connection. ``reads`` False leaves the windows of what comes as they are."""

    def __init__(self, sock: socket.socket, reads: bool = True) -> None:
        self.socket = sock
        self.reads = reads
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        self.answers: dict[int, Answer] = {}
        self.goaways: list[int] = []
        try:
            self._begin()
        except BaseException:
            sock.close()
            raise

    def _begin(self) -> None:
        self.connection.initiate_connection()
        self.flush()

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def flush(self) -> None:
        data = self.connection.data_to_send()
        if data:
            self.socket.sendall(data)

    def ask(self, method: str, target: str, *fields: tuple[str, str], end: bool = True) -> int:
        """Begin a request; its stream."""
        stream = self.connection.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "http"), (":path", target), (":authority", "localhost"), *fields]
        self.answers[stream] = Answer()
        self.connection.send_headers(stream, head, end_stream=end)
        self.flush()
        return stream

    def send(self, stream: int, data: bytes | memoryview, end: bool = True) -> None:
        """Send content as the windows allow; stops when the server has ended the stream."""
        view = memoryview(data)
        answer = self.answers[stream]
        while len(view) and not answer.ended:
            room = min(self.connection.local_flow_control_window(stream), self.connection.max_outbound_frame_size)
            if room:
                self.connection.send_data(stream, bytes(view[:room]))
                view = view[room:]
                self.flush()
            else:
                self.turn()
        if end and not answer.ended:
            self.connection.end_stream(stream)
            self.flush()

    def turn(self) -> bool:
        """Receive something. False at the end."""
        data = self.socket.recv(65536)
        if not data:
            return False
        self.receive(data)
        return True

    def receive(self, data: bytes) -> None:
        for event in self.connection.receive_data(data):
            self._heard(event)
        self.flush()

    def _heard(self, event: h2.events.Event) -> None:
        answer = self.answers.get(getattr(event, "stream_id", 0) or 0)
        match event:
            case h2.events.ConnectionTerminated():
                self.goaways.append(event.error_code or 0)
            case h2.events.InformationalResponseReceived() if answer:
                fields = list(event.headers or ())
                answer.interim.append((int(dict(fields)[b":status"]), [one for one in fields if one[0][:1] != b":"]))
            case h2.events.ResponseReceived() if answer:
                answer.fields = [(bytes(name), bytes(value)) for name, value in event.headers or ()]
                answer.status = int(dict(answer.fields)[b":status"])
            case h2.events.DataReceived() if answer:
                answer.body += event.data or b""
                if self.reads:
                    self.connection.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
            case h2.events.TrailersReceived() if answer:
                answer.trailers = [(bytes(name), bytes(value)) for name, value in event.headers or ()]
            case h2.events.StreamEnded() if answer:
                answer.ended = True
            case h2.events.StreamReset() if answer:
                answer.ended = True
                answer.reset = int(event.error_code or 0)

    def answer(self, stream: int) -> Answer:
        """Wait for the end of a stream."""
        found = self.answers[stream]
        while not found.ended:
            if not self.turn():
                raise ConnectionError(f"the server has closed, {found}")
        return found

    def get(self, target: str, *fields: tuple[str, str]) -> Answer:
        return self.answer(self.ask("GET", target, *fields))

    def post(self, target: str, body: bytes | memoryview, *fields: tuple[str, str]) -> Answer:
        stream = self.ask("POST", target, *fields, end=False)
        self.send(stream, body)
        return self.answer(stream)


class Leaving(Exception):
    """The server has answered by HTTP/1.1, since it is about to close the connection."""


class UpgradedPeer(Peer):
    """One connection that begins with HTTP/1.1, and changes over with its first request (RFC 7540 section 3.2).

    Raises `Leaving`.
    """

    def _begin(self) -> None:
        settings = self.connection.initiate_upgrade_connection()
        assert settings is not None
        self.answers[1] = Answer()
        self.socket.sendall(
            b"GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: " + settings + b"\r\n\r\n"
        )
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError(f"the server has closed, {data!r}")
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        if b"\r\nconnection: close" in head.lower():
            raise Leaving
        assert head.startswith(b"HTTP/1.1 101 "), head
        self.receive(rest)
        self.answer(1)
