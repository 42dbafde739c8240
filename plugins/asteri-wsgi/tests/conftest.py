"""A peer in memory: a real HTTP/1.1 connection on one side, the real handler on the other, no socket between.

What the kernel does for a blocking interface (wait, hand bytes over) is done here by hand, but for the body; the
answer is read by h11, which knows nothing of asteri.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import asteri_core.collect
import asteri_native.kernel
import h11
import pytest
from asteri_core.api import ApplicationContext, Connection, Exchange, FileSlice, Peer, Started, Want
from asteri_http.settings import HttpSettings
from asteri_http1 import _native as native_http1
from asteri_http1.connection import Http1Connection
from asteri_http1.writer import Signature
from asteri_wsgi import _native, handler

LOG = logging.getLogger("tests.asteri_wsgi")
GET = b"GET /path?a=1 HTTP/1.1\r\nHost: example.com\r\n\r\n"
PEER = Peer(("192.0.2.1", 40000), ("198.51.100.7", 8000))


@dataclass
class Answer:
    """A response as a client understands it. ``whole`` is False when it was cut."""

    status: int = 0
    reason: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    whole: bool = False
    interim: list[tuple[int, list[tuple[str, str]]]] = field(default_factory=list)

    def __getitem__(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key == name]
        return values[0] if len(values) == 1 else None


def python_connection(peer: Peer) -> Connection:
    return Http1Connection(HttpSettings(), Signature(None, ""), peer, 0.0)


NATIVE_HTTP1 = native_http1.Binding(HttpSettings(date_header=False, server_header=""), lambda: 0.0)
"""One for all tests: connections of one binding share what is made of the heads of requests."""


def native_connection(peer: Peer) -> Connection:
    return NATIVE_HTTP1(peer, 0.0)


TWINS: dict[str, tuple[Any, Callable[[Peer], Connection], Any]] = {
    "py": (handler.WSGIHandler, python_connection, asteri_core.collect.Collector),
    "c": (_native.WSGIHandler, native_connection, asteri_native.kernel.Collector),
    "c-adapted": (_native.WSGIHandler, python_connection, asteri_native.kernel.Collector),
}
"""The handlers, the connections whose exchanges they get, and what collects the bodies: what is native reaches a native
exchange by its contract in C, and any other one through an adapter, or by its methods."""


class Client:
    """Sends requests to an application and keeps what comes back."""

    def __init__(
        self, twin: str, application: Any, root_path: str = "", peer: Peer = PEER, threads: bool = False
    ) -> None:
        make, connect, self.collector = TWINS[twin]
        self.handler = make(application, root_path, ApplicationContext(threads, True, LOG))
        self.connection = connect(peer)
        self.exchange: Any = None
        self.later: list[bytes] = []
        """What the peer sends each time the application waits for it."""
        self.sent: list[bytes] = []
        """What has been sent, a piece for each time it was handed over."""
        self._told = 0
        self.slices: list[FileSlice] = []
        self.waits: list[Want] = []
        self.collect = True

    def request(self, raw: bytes = GET) -> Answer:
        self.connection.receive_data(raw, 0.0)
        (exchange,) = [event.exchange for event in self.connection.events() if type(event) is Started]
        self.exchange = exchange
        if self.collect and not exchange.expects_continue:
            whole: list[Exchange] = []
            self.collector(1 << 20, lambda callback: None, whole.append).collect(exchange)
            assert whole == [exchange], "the test sends its whole body at once, or expects 100"
        self.handler(exchange, self.wait)
        self.flush()
        return understand(exchange.method, b"".join(self.sent))

    def flush(self) -> bytes:
        """Hand over what is ready, as the reactor would; returns what has been handed over since the last call."""
        self._hand_over()
        news, self._told = b"".join(self.sent[self._told :]), len(self.sent)
        return news

    def _hand_over(self) -> None:
        data = b""
        while pieces := self.connection.data_to_send(0.0):
            for piece in pieces:
                if isinstance(piece, FileSlice):
                    self.slices.append(piece)
                    piece = os.pread(piece.file.fileno(), piece.length, piece.offset)
                data += piece
            if pieces[-1] == b"":
                break
        if data:
            self.sent.append(data)

    def wait(self, exchange: Exchange, want: Want) -> None:
        self.waits.append(want)
        self._hand_over()
        if want is Want.READ:
            if self.later:
                self.connection.receive_data(self.later.pop(0), 0.0)
            else:
                self.connection.receive_eof(0.0)

    def leave(self) -> None:
        self.connection.lost(0.0)


def understand(method: str, data: bytes) -> Answer:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    answer = Answer()
    at_end = False
    try:
        while not answer.whole:
            event = client.next_event()
            if event is h11.NEED_DATA:
                if at_end:
                    break
                client.receive_data(b"")
                at_end = True
            elif isinstance(event, h11.InformationalResponse):
                answer.interim.append((event.status_code, _texts(event.headers)))
            elif isinstance(event, h11.Response):
                answer.status, answer.reason = event.status_code, event.reason.decode("latin-1")
                answer.headers = _texts(event.headers)
            elif isinstance(event, h11.Data):
                answer.body += event.data
            elif isinstance(event, h11.EndOfMessage):
                answer.whole = True
            elif isinstance(event, h11.ConnectionClosed):
                break
    except h11.RemoteProtocolError:
        answer.whole = False
    return answer


def _texts(headers: Any) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode("latin-1")) for name, value in headers]


@pytest.fixture(params=TWINS)
def client(request: pytest.FixtureRequest) -> Callable[..., Client]:
    """Makes a client of an application."""
    return functools.partial(Client, request.param)


@pytest.fixture
def clients() -> dict[str, Callable[..., Client]]:
    """The same for each twin."""
    return {twin: functools.partial(Client, twin) for twin in TWINS}


@pytest.fixture
def errors(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The error records so far, each with its exception's text."""

    def texts() -> list[str]:
        found = []
        for record in caplog.records:
            if record.levelno >= logging.ERROR:
                error = record.exc_info[1] if record.exc_info else None
                found.append(record.getMessage() + (f" | {type(error).__name__}: {error}" if error else ""))
        return found

    return texts
