"""Invariant: whatever a peer and an application do in whatever order, every response is framed, and nothing is raised
but what is documented.

    python plugins/asteri-http1/fuzz/fuzz_operations.py --seconds 60 [--seed 1]

A script of bytes, ends, time and operations on the running exchange is drawn at random; a slow peer does not always
take what is ready. What was sent is then read as strictly as a client can. A counter-example is printed with its seed,
and the exit status is 1.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
import traceback
from collections.abc import Sequence

from asteri_core.api import (
    Disconnected,
    Exchange,
    Failed,
    Finished,
    Header,
    LocalProtocolError,
    Peer,
    RemoteProtocolError,
    Started,
    Switched,
    Want,
)
from asteri_core.testing.lines import LineConnection
from asteri_http.settings import HttpSettings
from asteri_http1.plugin import bind

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
HEADERS: list[list[Header]] = [
    [],
    [(b"content-length", b"5")],
    [(b"content-length", b"0")],
    [(b"connection", b"close")],
    [(b"x", b"a\nb")],
]
CONTENT = [b"", b"hello", bytes(20000), bytes(70000)]


class Script:
    """One peer and its application."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = random.Random(seed)
        settings = HttpSettings(
            body_timeout=chance.choice([1, 30]),
            keep_alive=chance.choice([0, 5]),
            limit_request_body=chance.choice([0, 20, 100000]),
        )
        self.now = 10.0
        self.connection = bind({HttpSettings: settings})(PEER, self.now)  # type: ignore[arg-type]
        self.connection.wake = lambda: None
        self.started: list[Exchange] = []
        self.finished: list[Exchange] = []
        self.sent = b""
        self.at_eof = self.lost = self.closed = self.switched = False
        self.steps: list[object] = []

    def play(self) -> None:
        for _ in range(self.chance.randint(3, 40)):
            try:
                self.step()
            except DOCUMENTED:
                self.steps.append("refused")
            if self.chance.random() < 0.8:
                self.turn(0.3)
        if not self.switched:
            if not self.lost and not self.closed:
                self.connection.lost(self.now)
            self.turn(0)
            assert self.started == self.finished, "an exchange was not finished"
        check_responses(self.sent, [exchange.method for exchange in self.started], self.switched)

    def step(self) -> None:
        chance, connection = self.chance, self.connection
        action = chance.randrange(14)
        usable = not (self.lost or self.closed or self.switched)
        if action < 4 and usable and not self.at_eof and connection.wants_data:
            data = chance.choice(BYTES)
            if chance.random() < 0.2:
                data = data[: chance.randint(1, len(data))]
            self.steps.append(data[:60])
            connection.receive_data(data, self.now)
        elif action == 4 and usable and not self.at_eof and chance.random() < 0.2:
            self.steps.append("eof")
            self.at_eof = True
            connection.receive_eof(self.now)
        elif action == 5 and usable and chance.random() < 0.1:
            self.steps.append("lost")
            self.lost = True
            connection.lost(self.now)
        elif action == 6 and usable:
            self.now += chance.choice([0, 0.5, 2, 40])
            self.steps.append(f"at {self.now}")
            connection.expire(self.now)
        elif action == 7 and usable and chance.random() < 0.2:
            self.steps.append("drain")
            connection.drain(self.now + 3, self.now)
        elif action > 7 and self.started:
            self.operate(self.started[-1])

    def operate(self, exchange: Exchange) -> None:
        choice = self.chance.choice
        content = choice(CONTENT)
        operations = {
            "read": exchange.read,
            "respond": lambda: exchange.respond(choice([200, 204, 205, 304, 500, 100]), choice(HEADERS)),
            "send": lambda: exchange.send(content),
            "send the last": lambda: exchange.send(content, True),
            "send a copy": lambda: exchange.send(bytearray(content)),
            "finish": exchange.finish,
            "finish with trailers": lambda: exchange.finish([(b"x-a", b"b")]),
            "inform": lambda: exchange.inform(choice([100, 101, 103]), [(b"link", b"x")]),
            "abort": exchange.abort,
            "retract": exchange.retract,
            "watch": lambda: exchange.watch(choice(list(Want)), lambda: None),
            "upgrade": lambda: exchange.upgrade(LineConnection(PEER)),
        }
        name = choice(list(operations))
        self.steps.append(name)
        operations[name]()

    def turn(self, slow: float) -> None:
        """What a reactor does; with the probability ``slow`` the peer takes nothing now."""
        news = True
        while news and not self.switched:
            news = False
            for event in self.connection.events():
                news = True
                self.note(event)
            if self.switched or self.chance.random() < slow:
                return
            for piece in self.connection.data_to_send(self.now):
                news = True
                assert not self.closed, "bytes after the half-close"
                self.sent += bytes(piece)  # type: ignore[arg-type]
                self.closed = not piece

    def note(self, event: object) -> None:
        if isinstance(event, Started):
            assert len(self.started) == len(self.finished), "two exchanges at once"
            self.started.append(event.exchange)
        elif isinstance(event, Finished):
            assert event.exchange is self.started[len(self.finished)], "finished out of order"
            self.finished.append(event.exchange)
        elif isinstance(event, Failed):
            assert isinstance(event.error, RemoteProtocolError), event
        else:
            assert isinstance(event, Switched), event
            self.switched = True


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
            assert section in (b"", b"\r\nx-a: b") or not end, section
            return rest if end else None
        if len(data) < size + 2:
            return None
        assert data[size : size + 2] == b"\r\n"
        data = data[size + 2 :]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    count = 0
    while time.monotonic() < end:
        script = Script(options.seed + count)
        try:
            script.play()
        except Exception:
            traceback.print_exc()
            print(f"seed {options.seed + count}: {script.steps}\nsent {script.sent[:2000]!r}", file=sys.stderr)
            return 1
        count += 1
    print(f"{count} scripts, seeds {options.seed} to {options.seed + count - 1}: nothing wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main())
