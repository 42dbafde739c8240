"""What the tests of HTTP/1.1 share: the implementations under test, and a driver that plays reactor and application."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import h11
import pytest
from asteri_core.api import (
    CLOSE,
    Connection,
    ConnectionFactory,
    Disconnected,
    Failed,
    Finished,
    Peer,
    RemoteProtocolError,
    Started,
    Switched,
)
from asteri_http.settings import HttpSettings
from asteri_http1 import plugin

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))
from native_contract import bind_contract

IMPLEMENTATIONS: dict[str, Callable[[dict[type, object]], ConnectionFactory]] = {
    "py": plugin.bind_python,
    "c": plugin.bind_native,
    "c-contract": bind_contract,
}
"""Test id and ``bind`` of each twin, the native one by its Python methods and by its contract. Every test that speaks
to a connection runs over all of them."""

PEER = Peer(("192.0.2.1", 50000), ("192.0.2.2", 80))
STATUS = re.compile(rb"HTTP/1\.1 (\d\d\d) [^\r\n]*\r\n")


def echo(exchange, body):
    """An application that answers with what it has understood."""
    content = b"%b %b %b" % (exchange.method.encode(), exchange.target, body)
    exchange.respond(200, [(b"content-type", b"text/plain")])
    exchange.send(content, True)


class Dialogue:
    """One peer: drives a connection as a reactor would, and runs an application once a body has been read."""

    def __init__(self, factory: ConnectionFactory, application=echo) -> None:
        self.now = 100.0
        self.application = application
        self.connection: Connection = factory(PEER, self.now)
        self.woken = 0
        self.connection.wake = self._wake
        self.sent: list[object] = []
        self.started: list[object] = []
        self.finished: list[object] = []
        self.failed: list[Exception] = []
        self.switched: list[Switched] = []
        self.bodies: dict[int, bytes] = {}
        self.seen: list[tuple[str, bytes, tuple, bytes]] = []
        self.broken: list[Exception] = []
        """What reading bodies raised."""
        self.closed = False

    def _wake(self) -> None:
        self.woken += 1

    @property
    def fields(self) -> dict[bytes, bytes]:
        """The fields of the only response."""
        head = self.output.partition(b"\r\n\r\n")[0]
        return dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])

    @property
    def content(self) -> bytes:
        """What follows the first head, framing included."""
        return self.output.partition(b"\r\n\r\n")[2]

    def read_by_h11(self, method: str = "GET"):
        """The answer as an independent implementation reads it: status, content, trailers."""
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
        client.send(h11.EndOfMessage())
        client.receive_data(self.output)
        if self.closed:
            client.receive_data(b"")
        status, content = None, b""
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            assert event is not h11.NEED_DATA, "the response is not complete"
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                content += bytes(event.data)
        return status, content, event.headers.raw_items()

    def feed(self, data: bytes) -> Dialogue:
        if not self.closed:
            self.connection.receive_data(data, self.now)
            self.turn()
        return self

    def feed_all(self, pieces: Iterable[bytes]) -> Dialogue:
        for piece in pieces:
            if piece:
                self.feed(piece)
        return self

    def end(self) -> Dialogue:
        if not self.closed:
            self.connection.receive_eof(self.now)
            self.turn()
        return self

    def lose(self) -> Dialogue:
        self.connection.lost(self.now)
        self.turn()
        return self

    def wait(self, seconds: float) -> Dialogue:
        """Let time pass as a timer wheel would: the connection is called at its deadline."""
        until = self.now + seconds
        while (deadline := self.connection.deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.connection.expire(self.now)
            self.turn()
        self.now = until
        return self

    def turn(self) -> None:
        """What a reactor does after every call: events, output, until nothing new comes."""
        while True:
            news = False
            for event in self.connection.events():
                news = True
                self._note(event)
            self._run()
            for piece in self.connection.data_to_send(self.now):
                assert not self.closed, "bytes after the half-close"
                news = True
                if piece is CLOSE or (piece == b"" and isinstance(piece, bytes)):
                    self.closed = True
                else:
                    self.sent.append(piece)
            if not news:
                return

    def _note(self, event) -> None:
        if isinstance(event, Started):
            assert len(self.started) == len(self.finished), "a second exchange before the first is over"
            self.started.append(event.exchange)
        elif isinstance(event, Finished):
            assert event.exchange is self.started[len(self.finished)]
            self.finished.append(event.exchange)
        elif isinstance(event, Failed):
            self.failed.append(event.error)
        else:
            self.switched.append(event)

    def _run(self) -> None:
        """Read the body of the running exchange, and call the application when it is whole."""
        if self.application is None or len(self.started) == len(self.finished):
            return
        exchange = self.started[-1]
        key = len(self.started)
        if key in self.bodies and len(self.seen) >= key:
            return
        try:
            while (piece := exchange.read()) is not None:
                self.bodies[key] = self.bodies.get(key, b"") + piece
                if not piece:
                    self.seen.append((exchange.method, exchange.target, tuple(exchange.headers), self.bodies[key]))
                    self.application(exchange, self.bodies[key])
                    return
        except (Disconnected, RemoteProtocolError) as error:
            self.broken.append(error)

    @property
    def output(self) -> bytes:
        return b"".join(bytes(piece) for piece in self.sent)

    @property
    def statuses(self) -> list[int]:
        return [int(status) for status in STATUS.findall(self.output)]

    @property
    def outcome(self):
        """All that may not depend on how the bytes were cut. Whether 100 is asked for does depend on it."""
        output = re.sub(rb"date: [^\r]*|HTTP/1\.1 100 Continue\r\n\r\n", b"", self.output)
        return output, self.seen, self.closed, [(type(error), str(error)) for error in self.failed]


@pytest.fixture(params=IMPLEMENTATIONS)
def implementation(request) -> Callable[[dict[type, object]], ConnectionFactory]:
    """The ``bind`` of one twin."""
    return IMPLEMENTATIONS[request.param]


@pytest.fixture
def dialogue(implementation) -> Callable[..., Dialogue]:
    """Makes a `Dialogue`; settings by keyword, ``application=None`` to act on the exchange by hand."""

    def make(application=echo, **settings) -> Dialogue:
        return Dialogue(implementation({HttpSettings: HttpSettings(**settings)}), application)

    return make


@pytest.fixture
def dialogue_of() -> Callable[[ConnectionFactory], Dialogue]:
    """Makes a `Dialogue` of a binding that has others too, to act on the exchange by hand."""
    return lambda factory: Dialogue(factory, None)


@pytest.fixture
def exchange_of(dialogue):
    """Feeds a request and returns the dialogue and its exchange, for a test that plays the application."""

    def start(data: bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", **settings):
        talk = dialogue(application=None, **settings).feed(data)
        return talk, talk.started[0]

    return start


def every_cut(data: bytes) -> Iterator[tuple[bytes, ...]]:
    """The data whole, byte by byte, and in two pieces at every offset."""
    yield (data,)
    yield tuple(data[index : index + 1] for index in range(len(data)))
    for index in range(1, len(data)):
        yield data[:index], data[index:]


@pytest.fixture
def same_for_every_cut(dialogue) -> Callable[..., Dialogue]:
    """Feeds the data cut in every way, asserts that nothing differs, and returns the dialogue of the whole."""

    def check(data: bytes, **settings) -> Dialogue:
        whole = dialogue(**settings).feed(data)
        for pieces in every_cut(data):
            cut = dialogue(**settings).feed_all(pieces)
            assert cut.outcome == whole.outcome, f"different when cut as {pieces!r}"
        return whole

    return check
