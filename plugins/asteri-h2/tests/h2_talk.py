"""A client of HTTP/2 in memory, that also sends what no client would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h2.config
import h2.connection
import h2.events
import hpack
from asteri_core.api import Config, Failed, Finished, Peer, Started
from asteri_h2.plugin import bind
from asteri_h2.settings import Http2Settings
from asteri_http.settings import HttpSettings
from hyperframe.frame import Frame

PEER = Peer(("127.0.0.1", 50000), ("127.0.0.1", 80))
REQUEST = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]
POST = [(":method", "POST"), *REQUEST[1:]]


def ok(exchange: Any) -> None:
    exchange.respond(200, [(b"content-type", b"text/plain")])
    exchange.send(b"hello", True)


class Talk:
    """The server's connection and a client. ``answer`` is called with each exchange that starts."""

    def __init__(self, peer: Peer = PEER, own: dict[str, Any] | None = None, **settings: Any) -> None:
        self.now = 1000.0
        config: Any = {HttpSettings: HttpSettings(**settings), Http2Settings: Http2Settings(**(own or {}))}
        checked: Config = config
        self.server: Any = bind(checked)(peer, self.now)
        self.client = h2.connection.H2Connection(
            h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
        )
        self.encoder = hpack.Encoder()
        self.started: list[Any] = []
        self.finished: list[Any] = []
        self.failed: list[Any] = []
        self.heard: list[Any] = []
        """Events of the client."""
        self.frames: list[tuple[int, int, int, bytes]] = []
        """What the server has sent: kind, flags, stream, payload."""
        self.closed = False
        self.follows = True
        self.answer: Callable[[Any], None] = lambda exchange: None

    def begin(self) -> Talk:
        self.client.initiate_connection()
        return self.turn()

    def turn(self) -> Talk:
        """Everything there is goes to the other side, until nothing is left."""
        self.receive(self.client.data_to_send())
        while True:
            before = len(self.heard), len(self.started), self.closed
            self.take()
            self.receive(self.client.data_to_send())
            if before == (len(self.heard), len(self.started), self.closed):
                return self

    def receive(self, data: bytes) -> None:
        if data:
            self.server.receive_data(data, self.now)
        self.take_events()

    def take_events(self) -> None:
        for event in self.server.events():
            if isinstance(event, Started):
                self.started.append(event.exchange)
                self.answer(event.exchange)
            elif isinstance(event, Finished):
                self.finished.append(event.exchange)
            else:
                assert isinstance(event, Failed)
                self.failed.append(event.error)

    def take(self) -> None:
        """What the server sends goes to the client."""
        while pieces := self.server.data_to_send(self.now):
            for piece in pieces:
                assert not self.closed, "bytes after the end"
                if not len(piece):
                    self.closed = True
                    continue
                self.note(bytes(piece))
                if self.follows:
                    self.heard += self.client.receive_data(bytes(piece))
            self.take_events()

    def note(self, data: bytes) -> None:
        while data:
            length = int.from_bytes(data[:3])
            stream = int.from_bytes(data[5:9])
            self.frames.append((data[3], data[4], stream, data[9 : 9 + length]))
            data = data[9 + length :]

    def raw(self, *frames: Frame | bytes) -> Talk:
        """Frames that the client's library would not send. Its own state does not know of them."""
        self.follows = False
        data = b"".join(one if isinstance(one, bytes) else one.serialize() for one in frames)
        self.receive(data)
        self.take()
        return self

    def block(self, fields: list[tuple[str, str]] | None = None) -> bytes:
        return self.encoder.encode(REQUEST if fields is None else fields)

    def wait(self, seconds: float) -> None:
        """So many go by, deadline after deadline."""
        until = self.now + seconds
        while (due := self.server.deadline()) is not None and due <= until:
            self.now = due
            self.server.expire(due)
            self.take_events()
            self.take()
        self.now = until

    # -- what has come back ------------------------------------------------------------------------------------------

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]

    def head(self, stream: int = 1) -> dict[bytes, bytes]:
        [event] = [one for one in self.of(h2.events.ResponseReceived) if one.stream_id == stream]
        return {bytes(name): bytes(value) for name, value in event.headers}

    def content(self, stream: int = 1) -> bytes:
        return b"".join(event.data for event in self.of(h2.events.DataReceived) if event.stream_id == stream)

    def resets(self, stream: int | None = None) -> list[int]:
        return [
            int.from_bytes(payload)
            for kind, _, number, payload in self.frames
            if kind == 3 and stream in (None, number)
        ]

    def goaways(self) -> list[tuple[int, int]]:
        found = [payload for kind, _, _, payload in self.frames if kind == 7]
        return [(int.from_bytes(one[:4]), int.from_bytes(one[4:8])) for one in found]
