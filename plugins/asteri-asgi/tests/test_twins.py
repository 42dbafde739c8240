"""Whatever an application sends, and whatever its peer does meanwhile, both twins make the same of it.

An application is a list of moves, put together at random by hypothesis: it sends messages, valid or not, receives, and
ends in some way; what its peer does comes between, or while it waits. What is compared is all that can be seen: what it
is told, what it is waited for, the errors in type and text, the log, and what has become of the exchange.
"""

from __future__ import annotations

import asyncio
import collections
import http
import logging
import os
import re
import types
from typing import Any

import pytest
from asteri_asgi.settings import AsgiSettings
from asteri_core.api import Disconnected, FileSlice, Peer, RemoteProtocolError, Started
from asteri_http.settings import HttpSettings
from asteri_http1.plugin import bind_native, bind_python
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

SETTINGS: Any = {HttpSettings: HttpSettings(date_header=False, server_header=""), AsgiSettings: AsgiSettings()}


# -- messages: described first, made for each twin anew -------------------------------------------------------------


class Unclear:
    """Is neither true nor false."""

    def __bool__(self) -> bool:
        raise ValueError("neither true nor false")

    def __repr__(self) -> str:
        return "Unclear()"


class Text(str):
    """A str, but of another type."""


class Octets(bytes):
    """Bytes, but of another type."""


class Number(int):
    """An int that gives another one when it is asked for."""

    def __int__(self) -> int:
        return 404


class Bare:
    """A mapping without get()."""

    def __init__(self, items: dict[str, Any]) -> None:
        self.items = items

    def __getitem__(self, key: str) -> Any:
        return self.items[key]

    def __repr__(self) -> str:
        return "Bare()"


class Missing(dict[str, Any]):
    """A dictionary that knows an answer to everything."""

    def __missing__(self, key: str) -> str:
        return "http.response.body"


MAPPINGS: list[Any] = [dict] * 12 + [
    types.MappingProxyType, collections.UserDict, collections.OrderedDict, Missing, Bare, list, repr,
]  # fmt: skip
TYPES: list[Any] = [
    *["http.response.start", "http.response.body"] * 8,
    *["http.response.zerocopysend", "http.response.pathsend", "http.response.early_hint"] * 2,
    *["http.response.trailers"] * 4,
    "http.response.debug", "http.response.push", "websocket.accept", "", None, 5, b"http.response.body", [],
    Text("http.response.start"), Text("http.response.body"), "http.response.st\xe4rt", "HTTP.RESPONSE.BODY",
]  # fmt: skip
STATUSES: list[Any] = [
    *[200] * 12, 204, 205, 304, 404, 599, 600, 199, 103, 0, -1, 2**31, 2**63, -(2**70), True, "200", None, 200.0,
    http.HTTPStatus.ACCEPTED, Number(201),
]  # fmt: skip
NAMES: list[Any] = [
    b"a", b"x-a", b"X-Upper-Case", b"content-type", b"Content-Type", b"a-name-of-more-than-eight", b"Zz[@`{",
    b"content-length", b"Content-Length", b"connection", b"transfer-encoding", b"date", b"keep-alive", b"te",
    b"", b"a b", b"\xc4", b":status", "a", "A", 5, None, Octets(b"X-B"), bytearray(b"x-c"), memoryview(b"x-d"),
]  # fmt: skip
VALUES: list[Any] = [
    b"", b"b", b"text/plain", b"3", b"4", b"0", b"close", b"upgrade, close", b"chunked", b"gzip", b"\xff", b"a\r\nb",
    b"\0", "b", 5, None, Octets(b"c"), bytearray(b"d"), memoryview(b"e"),
]  # fmt: skip
USUAL = st.tuples(st.sampled_from(NAMES[:8]), st.sampled_from(VALUES[:3]))
PAIRS = st.one_of(
    *[USUAL] * 6,
    USUAL.map(list),
    st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)),
    st.sampled_from([(), (b"a",), (b"a", b"b", b"c"), [b"a"], "ab", b"ab", 5, None]),
)
SEQUENCES: list[Any] = [list] * 6 + [tuple, iter, dict.fromkeys, repr]
HEADERS = st.one_of(
    *[st.tuples(st.sampled_from(SEQUENCES), st.lists(PAIRS, max_size=4))] * 4,
    st.tuples(st.sampled_from([list, tuple]), st.lists(USUAL, min_size=11, max_size=14)),
    st.sampled_from([(lambda _, value=value: value, []) for value in (None, 5, "ab", b"ab", {b"ab": b"c"})]),
)
BODIES: list[Any] = [
    *[b"abc"] * 6, b"", b"x" * 70000, Octets(b"abc"), bytearray(b"abc"), memoryview(b"abc"), memoryview(b"a-b-c")[::2],
    "abc", None, 5, [],
]  # fmt: skip
TRUTHS: list[Any] = [*[True] * 4, *[False] * 4, 1, 0, "x", "", None, [], Unclear()]
LINKS: list[Any] = [[b"</a>"], (b"</a>", b"</b>"), [], ["</a>"], [b"a\r\nb"], b"</a>", "</a>", None, 5]
FILES: list[Any] = [__file__, "relative", None, __file__ + "-", 5]


@st.composite
def messages(draw: Any) -> tuple[Any, dict[str, Any]]:
    """A mapping's type, and what is in it."""
    kind = draw(st.sampled_from(TYPES))
    message: dict[str, Any] = {"type": kind}
    usual: dict[Any, dict[str, Any]] = {
        "http.response.start": {
            "status": st.sampled_from(STATUSES), "headers": HEADERS, "trailers": st.sampled_from(TRUTHS)
        },
        "http.response.body": {"body": st.sampled_from(BODIES), "more_body": st.sampled_from(TRUTHS)},
        "http.response.zerocopysend": {
            "file": st.sampled_from(["open", *FILES]), "offset": st.sampled_from([0, 1, 3, None, -1, "0"]),
            "count": st.sampled_from([0, 1, 2, None, -1, "0"]), "more_body": st.sampled_from(TRUTHS),
        },
        "http.response.pathsend": {"path": st.sampled_from(FILES)},
        "http.response.early_hint": {"links": st.sampled_from(LINKS)},
        "http.response.trailers": {"headers": HEADERS, "more_trailers": st.sampled_from(TRUTHS)},
        "http.response.debug": {"info": st.sampled_from([{"a": 1}, None])},
    }.get(str(kind), {})  # fmt: skip
    for key, values in usual.items():
        # What is seldom given is seldom given here; what is always given is left out now and then.
        often = key not in ("trailers", "offset", "count", "more_trailers")
        if draw(st.integers(0, 9)) < (9 if often else 4):
            message[key] = draw(values)
    if draw(st.integers(0, 29)) == 0:
        del message["type"]
    return draw(st.sampled_from(MAPPINGS)), message


def make_message(description: tuple[Any, dict[str, Any]], file: Any) -> Any:
    """The message that is described: an iterator in it is as new for one twin as for the other."""
    mapping, parts = description
    message = dict(parts)
    if isinstance(parts.get("headers"), tuple):
        sequence, pairs = parts["headers"]
        try:
            message["headers"] = sequence(pairs)
        except TypeError:  # pairs that no dictionary takes
            message["headers"] = pairs
    if message.get("file") == "open":
        message["file"] = file
    return mapping(message)


# -- moves ----------------------------------------------------------------------------------------------------------

PEER_MOVES = st.sampled_from(["supply", "complete", "leave", "close", "fail", "break", "fill", "take"])
MOVES = st.one_of(
    *[st.tuples(st.just("send"), messages())] * 6,
    st.tuples(st.just("receive"), st.none()),
    st.tuples(st.just("peer"), PEER_MOVES),
)
ENDS: list[Any] = [
    *[None] * 6, ValueError("the application's own"), SystemExit(1), asyncio.CancelledError("stop"),
    KeyboardInterrupt(), RuntimeError("chained"), ExceptionGroup("grouped", [Disconnected("left")]),
]  # fmt: skip
FACTS: list[dict[str, Any]] = [
    *[{}] * 3, {"method": "HEAD"}, {"method": "get", "target": b"/\x1b\xff"}, {"has_body": True},
    {"has_body": True, "content_length": 4}, {"headers": [(b"host", b"a"), (b"te", b"gzip, Trailers")]},
    {"headers": [(b"host", b"a"), (b"a", b"b")], "authority": b"b"},
    {"peer": Peer("", "/run/a.sock", "https"), "raw_path": b"/%41%zz%f", "query": b"a"},
]  # fmt: skip
HEAD = (dict, {"type": "http.response.start", "status": 200, "headers": (list, [(b"X-A", b"b"), [b"c", b"d"]])})
TRAILING = (dict, {**HEAD[1], "trailers": True})
MORE = (dict, {"type": "http.response.body", "body": b"abc", "more_body": True})
LAST = (dict, {"type": "http.response.body", "body": b"abc"})
TRAILERS = (dict, {"type": "http.response.trailers", "headers": (list, [(b"X-Sum", b"1")])})
BEGINNINGS: list[list[Any]] = [[], [HEAD], [HEAD, MORE], [TRAILING], [TRAILING, LAST], [HEAD, LAST]]
"""What is sent before chance takes over: it seldom comes far by itself."""

APPLICATIONS = st.fixed_dictionaries(
    {
        "moves": st.builds(
            lambda begun, moves: [*(("send", message) for message in begun), *moves],
            st.sampled_from(BEGINNINGS),
            st.lists(MOVES, max_size=8),
        ),
        "while_waiting": st.lists(PEER_MOVES | st.sampled_from(["throw", "cancel", "let go"]), max_size=6),
        "catches": st.booleans(),
        "end": st.sampled_from(ENDS),
        "facts": st.sampled_from(FACTS),
        "debug": st.booleans(),
        "root_path": st.sampled_from(["", "/api", "/A"]),
    }
)


class Pause:
    """Suspends whoever awaits it."""

    def __await__(self) -> Any:
        yield self


def told(error: BaseException) -> tuple[str, str]:
    return type(error).__name__, without_addresses(str(error))


def without_addresses(text: str) -> str:
    """Each twin has objects of its own."""
    return re.sub(r"0x[0-9a-f]+", "0x", text)


def line_of(record: logging.LogRecord) -> tuple[Any, ...]:
    error = told(record.exc_info[1]) if record.exc_info and record.exc_info[1] else None
    return record.levelname, without_addresses(record.getMessage()), error


class Play:
    """One run of an application upon one twin, and all that is seen of it."""

    def __init__(self, bench: Any, application: dict[str, Any], file: Any) -> None:
        self.bench = bench
        self.application = application
        self.file = file
        self.seen: list[Any] = []
        self.peer: Any = None

    async def wait(self, exchange: Any, want: Any) -> None:
        self.seen.append(want.name)
        await Pause()

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(repr(scope))
        for move, what in self.application["moves"]:
            try:
                if move == "send":
                    self.seen.append(await send(make_message(what, self.file)))
                elif move == "receive":
                    self.seen.append(await receive())
                else:
                    self.peer(what)
            except Exception as error:
                self.seen.append(told(error))
                if not self.application["catches"]:
                    raise
        if self.application["end"] is not None:
            raise self.application["end"].with_traceback(None)

    def run(self, exchange: Any, peer: Any) -> list[Any]:
        self.peer = peer
        handler = self.bench.handler(
            self.app, root_path=self.application["root_path"], asgi_debug=self.application["debug"]
        )
        call = handler(exchange, self.wait)
        meanwhile = iter(self.application["while_waiting"])
        step: Any = lambda: call.send(None)  # noqa: E731
        try:
            while True:
                assert isinstance(step(), Pause)
                move = next(meanwhile, "cancel")
                self.seen.append(move)
                if move == "throw":
                    step = lambda: call.throw(ValueError("thrown"))  # noqa: E731
                elif move == "cancel":
                    step = lambda: call.throw(asyncio.CancelledError())  # noqa: E731
                else:
                    step = lambda: call.send(None)  # noqa: E731
                    peer(move)
        except BaseException as error:
            self.seen.append(told(error))
        return self.seen


def log_lines(caplog: Any) -> list[Any]:
    """What was logged since the last call."""
    lines = [line_of(record) for record in caplog.records if record.name == "asteri.test"]
    caplog.clear()
    return lines


@pytest.fixture
def file(tmp_path: Any) -> Any:
    path = tmp_path / "content"
    path.write_bytes(b"0123")
    with path.open("rb") as file:
        yield file


def known(number: int) -> Any:
    """Applications that every run tries: what is usual, which is seldom hit upon."""
    moves: list[list[Any]] = [
        [HEAD, LAST],
        [HEAD, MORE, "fill", MORE, MORE, LAST],
        [TRAILING, MORE, LAST, TRAILERS, LAST],
        ["receive", "supply", "receive", "complete", "receive", "leave", "receive"],
        [HEAD, "close", MORE, MORE],
        ["receive", "break", "receive", HEAD],
    ]
    described = [
        ("send", move) if isinstance(move, tuple) else (move, None) if move == "receive" else ("peer", move)
        for move in moves[number]
    ]
    return {
        "moves": described, "while_waiting": ["take", "supply", "complete", "leave"], "catches": True, "end": None,
        "facts": FACTS[7 if number == 2 else 5], "debug": False, "root_path": "",
    }  # fmt: skip


def upon_memory(play: Play, make_exchange: Any) -> list[Any]:
    exchange = make_exchange(**play.application["facts"])

    def peer(move: str) -> None:
        {
            "supply": lambda: exchange.supply(b"ab"),
            "complete": exchange.complete,
            "leave": exchange.leave,
            "close": exchange.close,
            "fail": lambda: exchange.fail(Disconnected("cut")),
            "break": lambda: exchange.fail(RemoteProtocolError("too large", 413)),
            "fill": lambda: setattr(exchange, "full", True),
            "take": exchange.take,
            "let go": lambda: None,
        }[move]()

    seen = play.run(exchange, peer)
    return [
        *seen, exchange.status, list(exchange.response_headers), exchange.pieces, exchange.interim,
        exchange.sent_trailers, exchange.complete_response, exchange.aborted, exchange.buffered,
    ]  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(APPLICATIONS)
@example(known(0))
@example(known(1))
@example(known(2))
@example(known(3))
@example(known(4))
@example(known(5))
def test_twins_do_the_same_upon_an_exchange_in_python(benches, make_exchange, caplog, file, application):
    caplog.set_level(logging.DEBUG, "asteri.test")
    outcomes = []
    for bench in benches.values():
        file.seek(0)
        outcomes.append(upon_memory(Play(bench, application, file), make_exchange) + log_lines(caplog))
    assert outcomes[0] == outcomes[1]


# -- upon HTTP/1.1 --------------------------------------------------------------------------------------------------

REQUESTS = [
    b"GET /a%20b?c HTTP/1.1\r\nHost: example.org\r\nTE: trailers\r\nConnection: te\r\n\r\n",
    b"HEAD http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
]


class Wire:
    """The peer's side of a connection."""

    def __init__(self, bind: Any, request: bytes) -> None:
        self.connection = bind(SETTINGS)(Peer(("192.0.2.1", 1), ("192.0.2.9", 80)), 0.0)
        self.chunked = b"chunked" in request
        self.received: list[bytes] = []
        self.connection.receive_data(request, 0.0)
        (started,) = self.connection.events()
        assert isinstance(started, Started)
        self.exchange = started.exchange
        self.lost = False

    def move(self, move: str) -> None:
        if self.lost:
            return
        if move == "supply":
            self.feed(b"1\r\na\r\n" if self.chunked else b"ab")
        elif move == "complete":
            self.feed(b"0\r\nx-a: b\r\n\r\n" if self.chunked else b"cd")
        elif move == "break":
            self.feed(b"zz\r\n")
        elif move == "leave":
            self.connection.receive_eof(0.0)
        elif move in ("close", "fail"):
            self.lost = True
            self.connection.lost(0.0)
        elif move == "take":
            self.take()

    def feed(self, data: bytes) -> None:
        if self.connection.wants_data:
            self.connection.receive_data(data, 0.0)

    def take(self) -> None:
        for piece in self.connection.data_to_send(0.0):
            if isinstance(piece, FileSlice):
                self.received.append(os.pread(piece.file.fileno(), piece.length, piece.offset))
            else:
                self.received.append(bytes(piece) or repr(piece)[:7].encode())


def upon_wire(play: Play, bind: Any, request: bytes) -> list[Any]:
    wire = Wire(bind, request)
    exchange = wire.exchange
    seen = play.run(exchange, wire.move)
    if not wire.lost:
        wire.take()
    events = [type(event).__name__ for event in wire.connection.events()]
    received = b"".join(wire.received)
    return [*seen, received, events, exchange.status, list(exchange.response_headers), exchange.sent]


@pytest.mark.parametrize("bind", [bind_python, bind_native], ids=["http1-py", "http1-c"])
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(APPLICATIONS, st.sampled_from(REQUESTS))
@example(known(0), REQUESTS[0])
@example(known(1), REQUESTS[0])
@example(known(2), REQUESTS[0])
@example(known(3), REQUESTS[4])
@example(known(4), REQUESTS[0])
@example(known(5), REQUESTS[4])
def test_twins_send_the_same_bytes(benches, caplog, file, bind, application, request_bytes):
    caplog.set_level(logging.DEBUG, "asteri.test")
    outcomes = []
    for bench in benches.values():
        file.seek(0)
        outcomes.append(upon_wire(Play(bench, application, file), bind, request_bytes) + log_lines(caplog))
    assert outcomes[0] == outcomes[1]
