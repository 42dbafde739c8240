"""Invariant: whatever a peer and an application do in whatever order, every response is framed, nothing is raised but
what is documented, and both twins do the same: the same events, bytes, results and exceptions after each step.

    python plugins/asteri-http1/fuzz/fuzz_operations.py --seconds 60 [--seed 1]

A script of bytes, ends, time and operations on the running exchange is drawn at random; a slow peer does not always
take what is ready. It is played to the Python twin, to the C twin by its Python methods, and to the C twin by its
contract. What was sent is then read as strictly as a client can. A counter-example is printed with its seed, and the
exit status is 1.
"""

from __future__ import annotations

import os
import random
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

from asteri_core.api import (
    CLOSE,
    RESET,
    ConnectionFactory,
    Disconnected,
    Event,
    Failed,
    FileSlice,
    Finished,
    LocalProtocolError,
    Peer,
    RemoteProtocolError,
    Sendable,
    Started,
    Switched,
    Want,
)
from asteri_core.testing.fuzzing import run_target
from asteri_core.testing.lines import LineConnection
from asteri_http.date import DateCache
from asteri_http.settings import HttpSettings
from asteri_http1._native import Binding
from asteri_http1.connection import Http1Connection
from asteri_http1.writer import Signature

sys.path.insert(0, str(Path(__file__).parent))
from native_contract import ContractConnection, ThroughContract

ENDS = ("half-close", "reset", "close")
DOCUMENTED = (Disconnected, LocalProtocolError, RemoteProtocolError)
REFUSALS = {400, 408, 413, 414, 417, 431, 501, 505}
HEAD = re.compile(
    rb"HTTP/1\.1 ([1-5][0-9][0-9]) [\t\x20-\x7e\x80-\xff]*\r\n"
    rb"((?:[!#-'*+\-.0-9A-Z^-z|~]+: [^\x00-\x08\x0a-\x1f\x7f]*\r\n)*)\r\n"
)
CHUNK = re.compile(rb"([0-9a-f]{1,16})\r\n")
PEER = Peer(("192.0.2.1", 1), ("192.0.2.2", 80))

BYTES = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n" + bytes(66000),
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"hello",
    bytes(4000),
    b"GET / HTTP/1.1\r\nHo",
    b"\r\n",
    b"bad\x00",
]
HEADERS: list[Any] = [
    [],
    [(b"content-length", b"5")],
    [(b"content-length", b"0")],
    [(b"connection", b"close")],
    [(b"x", b"a\nb")],
    (
        (b"Content-Type", b"text/plain"),
        (b"Date", b"then"),
        (b"Content-Length", b"20000"),
        (b"content-length", b"020000"),
    ),
    [(b"server", b"mine"), (b"Connection", b"Upgrade, x"), (b"keep-alive", b"1"), (b"Transfer-Encoding", b"Chunked")],
    [(b"X-Long", b"v" * 300), (b"x-long", b""), (b"Upgrade", b"x")],
    [(b"fine", b"1"), (b"content-length", b"5"), (b"content-length", b"6")],
    [(b"transfer-encoding", b"gzip")],
    [(b"connection", b"a\x00")],
    [("x", "y")],
    [(b"content-length", "5")],
    [(b"content-length", b"5x")],
    [[b"x", b"y"], (b"x", None)],
    [(b"x",)],
    [(b"x", b"y", b"z")],
    None,
]
TRAILERS: list[Any] = [(), [(b"x-a", b"b")], [(b"x-a", b"b")] * 2, [(b"Host", b"b")], [(b"x-a", b"\r")], [(b"x-a", 1)]]
REASONS: list[Any] = [b"", b"OK", b"Fine \xe9", b"a\nb", "", "text", None]
STATUSES: list[Any] = [200, 200, 200, 204, 205, 304, 404, 500, 299, 100, 600, -1, 1 << 70, "200", None, True]
INTERIM: list[Any] = [100, 101, 103, 103, 199, 200, None, 1 << 70]
CONTENT: list[Any] = [b"", b"hello", bytes(4096), bytes(4097), bytes(20000), bytes(70000)]
COPIES: list[Any] = [bytearray(b"hello"), memoryview(bytes(9000))[::2], bytearray(5000), memoryview(b""), "text", 5]
FACTS = attrgetter(
    "method", "target", "version", "scheme", "headers", "peer", "authority", "raw_path", "query", "content_length",
    "has_body", "trailers", "expects_continue", "body", "buffered", "status", "sent",
)  # fmt: skip


class Twin:
    """One implementation, and what has come of it."""

    def __init__(self, factory: ConnectionFactory, now: float) -> None:
        self.connection = factory(PEER, now)
        self.connection.wake = self._wake
        self.woken = 0
        self.started: list[Any] = []
        self.finished: list[Any] = []
        self.events: list[object] = []
        self.sent: list[object] = []
        """Bytes, where they meet as one; slices of files; the end."""
        self.called: list[str] = []
        self.results: list[object] = []

    def _wake(self) -> None:
        self.woken += 1

    def do(self, act: Callable[[Twin], object]) -> None:
        """Make a step, and note what it gives."""
        try:
            result = act(self)
        except (*DOCUMENTED, TypeError, ValueError) as error:
            result = type(error), str(error) if isinstance(error, DOCUMENTED) else ""
        self.results.append(result)

    def take_events(self) -> int:
        events = self.connection.events()
        for event in events:
            self._note(event)
        return len(events)

    def _note(self, event: Event) -> None:
        if isinstance(event, Started):
            assert len(self.started) == len(self.finished), "two exchanges at once"
            self.started.append(event.exchange)
            self.events.append(("started", FACTS(event.exchange)))
        elif isinstance(event, Finished):
            assert event.exchange is self.started[len(self.finished)], "finished out of order"
            self.finished.append(event.exchange)
            self.events.append("finished")
        elif isinstance(event, Failed):
            assert isinstance(event.error, RemoteProtocolError), event
            self.events.append(("failed", str(event.error), event.error.status))
        else:
            assert isinstance(event, Switched), event
            self.events.append(("switched", event.connection, event.leftover))

    def take_data(self, now: float) -> int:
        pieces = self.connection.data_to_send(now)
        for piece in pieces:
            self._send(piece)
        return len(pieces)

    def _send(self, piece: Sendable) -> None:
        assert not self.sent or self.sent[-1] not in ENDS, "bytes after the end"
        if isinstance(piece, FileSlice):
            self.sent.append(piece)
        elif not len(piece):
            self.sent.append("reset" if piece is RESET else "close" if piece is CLOSE else "half-close")
        elif self.sent and isinstance(self.sent[-1], bytearray):
            self.sent[-1] += piece
        else:
            self.sent.append(bytearray(piece))

    def state(self) -> object:
        """All that can be seen of it."""
        exchange = self.started[-1] if self.started else None
        facts = (FACTS(exchange), [*map(tuple, exchange.response_headers)]) if exchange else ()
        connection = self.connection
        return self.events, self.sent, self.called, self.woken, connection.wants_data, connection.deadline(), facts

    @property
    def output(self) -> bytes:
        """What was sent, as a client has it."""
        return b"".join(
            os.pread(piece.file.fileno(), piece.length, piece.offset) if isinstance(piece, FileSlice) else piece
            for piece in self.sent
            if not isinstance(piece, str)
        )


class Script:
    """One peer and its application, for all twins."""

    def __init__(self, seed: int, file: Any) -> None:
        self.chance = chance = random.Random(seed)
        self.file = file
        settings = HttpSettings(
            body_timeout=chance.choice([1, 30]),
            body_min_rate=chance.choice([0, 240]),
            keep_alive=chance.choice([0, 5]),
            limit_request_body=chance.choice([0, 20, 100000]),
            server_header=chance.choice(["asteri", "", "mine"]),
            date_header=chance.random() < 0.7,
        )
        self.now = 10.0
        self.twins = [Twin(factory, self.now) for factory in self.factories(settings)]
        self.at_eof = self.lost = False
        self.steps: list[object] = []

    def factories(self, settings: HttpSettings) -> list[ConnectionFactory]:
        def wall() -> float:
            return 1e9 + self.now

        signature = Signature(DateCache(wall) if settings.date_header else None, settings.server_header)
        native = Binding(settings, wall)
        return [
            lambda peer, now: Http1Connection(settings, signature, peer, now),
            native,
            ThroughContract(native),
        ]

    @property
    def closed(self) -> bool:
        return bool(self.twins[0].sent) and self.twins[0].sent[-1] in ENDS

    @property
    def switched(self) -> bool:
        return bool(self.twins[0].events) and self.twins[0].events[-1][0] == "switched"  # type: ignore[index]

    def play(self) -> None:
        for _ in range(self.chance.choice([10, 30, 100])):
            self.step()
            if self.chance.random() < 0.8:
                self.turn(0.3)
        if not self.switched:
            if not self.lost and not self.closed:
                self.do("lost at the end", lambda twin: twin.connection.lost(self.now))
            self.turn(0)
            assert self.twins[0].started == self.twins[0].finished, "an exchange was not finished"
        twin = self.twins[0]
        check_responses(twin.output, [exchange.method for exchange in twin.started], self.switched)

    def do(self, name: object, act: Callable[[Twin], object]) -> None:
        """The same step for all twins."""
        self.steps.append(name)
        for twin in self.twins:
            twin.do(act)
        self.compare()

    def compare(self) -> None:
        first, *others = self.twins
        for other in others:
            assert other.results[-1:] == first.results[-1:], f"{other.results[-1:]} and {first.results[-1:]}"
            assert other.state() == first.state(), f"not the same:\n{other.state()}\n{first.state()}"

    def step(self) -> None:
        chance = self.chance
        connection = self.twins[0].connection
        action = chance.randrange(14)
        usable = not (self.lost or self.closed or self.switched)
        if action < 4 and usable and not self.at_eof and connection.wants_data:
            data = chance.choice(BYTES)
            if chance.random() < 0.2:
                data = data[: chance.randint(1, len(data))]
            elif chance.random() < 0.2:
                data += chance.choice(BYTES)
            self.do(data[:60], lambda twin: twin.connection.receive_data(data, self.now))
        elif action == 4 and usable and not self.at_eof and chance.random() < 0.2:
            self.at_eof = True
            self.do("eof", lambda twin: twin.connection.receive_eof(self.now))
        elif action == 5 and usable and chance.random() < 0.1:
            self.lost = True
            self.do("lost", lambda twin: twin.connection.lost(self.now))
        elif action == 6 and usable:
            self.now += chance.choice([0, 0.5, 2, 40])
            self.do(f"at {self.now}", lambda twin: twin.connection.expire(self.now))
        elif action == 7 and usable and chance.random() < 0.2:
            self.do("drain", lambda twin: twin.connection.drain(self.now + 3, self.now))
        elif action > 7 and self.twins[0].started:
            self.operate()

    def operate(self) -> None:
        choice = self.chance.choice
        content, copied, headers = choice(CONTENT), choice(COPIES), choice(HEADERS)
        status, reason, interim, trailers, want = (
            choice(kind) for kind in (STATUSES, REASONS, INTERIM, TRAILERS, list(Want))
        )
        piece = FileSlice(self.file, choice([0, 7]), choice([0, 5, 5000, -1]))
        end = choice([False, True])
        successor = LineConnection(PEER)
        step = len(self.steps)
        operations: dict[str, Callable[[Any, Twin], object]] = {
            "read": lambda exchange, _: exchange.read(),
            f"respond {status} {reason} {headers}": lambda exchange, _: exchange.respond(status, headers, reason),
            "respond 200": lambda exchange, _: exchange.respond(200, []),
            f"send {len(content)}": lambda exchange, _: exchange.send(content),
            f"send the last {len(content)}": lambda exchange, _: exchange.send(content, True),
            f"send {copied!r:.30} {end}": lambda exchange, _: exchange.send(copied, end),
            f"send {piece} {end}": lambda exchange, _: exchange.send(piece, end),
            "finish": lambda exchange, _: exchange.finish(),
            f"finish with {trailers}": lambda exchange, _: exchange.finish(trailers),
            f"inform {interim} {headers}": lambda exchange, _: exchange.inform(interim, headers),
            "abort": lambda exchange, _: exchange.abort(),
            "retract": lambda exchange, _: exchange.retract(),
            f"watch {want}": lambda exchange, twin: exchange.watch(
                want, lambda: twin.called.append(f"{want} of step {step}")
            ),
            f"upgrade with {headers}": lambda exchange, _: exchange.upgrade(successor, headers or ()),
            "head_sent": lambda exchange, _: exchange.head_sent,
        }
        name = choice([*operations, *["respond 200"] * 3, "read", "finish"])
        last = choice([True] * 9 + [False]) or len(self.twins[0].started) == 1
        index = -1 if last else -2
        self.do(name, lambda twin: operations[name](twin.started[index], twin))

    def turn(self, slow: float) -> None:
        """What a reactor does; with the probability ``slow`` the peer takes nothing now."""
        room = self.chance.choice([4, 5, 7, 10000, 10000])
        for twin in self.twins:
            if isinstance(twin.connection, ContractConnection):
                twin.connection.room = room
        while not self.switched:
            news = max([twin.take_events() for twin in self.twins])
            self.compare()
            if self.switched or self.chance.random() < slow:
                return
            # With little room, one call is not for one: all take until there is nothing.
            while taken := max([twin.take_data(self.now) for twin in self.twins]):
                news += taken
                if room == 10000:
                    break
            self.compare()
            if not news:
                return


def check_responses(data: bytes, methods: Sequence[str], switched: bool) -> None:
    """Read what was sent: whole responses in order, of which only the last may be cut, and one refusal at most."""
    count = 0
    closes = False
    while data:
        assert not closes, f"bytes after the response that closes: {data[:200]!r}"
        found = HEAD.match(data)
        assert found is not None, f"no head: {data[:200]!r}"
        status, rest = int(found[1]), data[found.end() :]
        fields = dict(line.split(b": ", 1) for line in found[2].lower().split(b"\r\n")[:-1])
        if status == 101:
            assert switched
            assert not rest
            return
        if status >= 200:
            method = methods[count] if count < len(methods) else "GET"
            assert count < len(methods) or status in REFUSALS, f"{status} to nothing"
            count += 1
            closes = fields.get(b"connection") == b"close"
            if method != "HEAD" and status not in (204, 304):
                after = behind_content(fields, rest, closes)
                if after is None:
                    return
                rest = after
        data = rest
    assert count <= len(methods) + 1


def behind_content(fields: dict[bytes, bytes], data: bytes, closes: bool) -> bytes | None:
    """What follows the content, None if it was cut or ends with the connection."""
    if b"content-length" in fields:
        assert b"transfer-encoding" not in fields
        length = int(fields[b"content-length"])
        return data[length:] if len(data) >= length else None
    if b"transfer-encoding" not in fields:
        assert closes
        return None
    while True:
        found = CHUNK.match(data)
        if found is None:
            assert b"\r\n" not in data[:20], f"no size of a chunk: {data[:60]!r}"
            return None
        size, data = int(found[1], 16), data[found.end() :]
        if not size:
            section, end, rest = (b"\r\n" + data).partition(b"\r\n\r\n")
            assert re.fullmatch(rb"(\r\nx-a: b)*", section) or not end, section
            return rest if end else None
        if len(data) < size + 2:
            return None
        assert data[size : size + 2] == b"\r\n"
        data = data[size + 2 :]


def main() -> int:
    with tempfile.TemporaryFile() as file:
        file.write(bytes(10000))
        file.flush()

        def play(seed: int) -> None:
            script = Script(seed, file)
            try:
                script.play()
            except Exception as error:
                error.add_note(f"script {script.steps}")
                raise

        return run_target(play, __doc__)


if __name__ == "__main__":
    sys.exit(main())
