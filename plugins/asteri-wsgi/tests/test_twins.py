"""The twins give an application the same environ, and the peer the same bytes, whatever either of them does.

What a request may say and what an application may do are put together at random, by hypothesis; the Python twin says
what is right.
"""

from __future__ import annotations

import io
import logging

import pytest
from asteri_core.api import Disconnected, Peer, RemoteProtocolError
from asteri_core.testing import MemoryExchange
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# -- environs --------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    [
        b"host", b"cookie", b"content-type", b"content-length", b"accept", b"x-a", b"x_a", b"X-A", b"proxy", b"te",
        b"transfer-encoding", b"", b"x-\xfc", b"\xb5", b"wsgi.input", b"x-forwarded-for",
    ]
) | st.binary(max_size=12)  # fmt: skip
VALUES = st.sampled_from([b"", b"a", b"b", b"\xff", b"a=1; b=2"]) | st.binary(max_size=30)
PATHS = st.lists(
    st.sampled_from([b"/", b"/api", b"/%61pi", b"a", b"%", b"%4", b"%41", b"%zz", b"%fF", b"*", b"\xfc", b"?", b"%25"]),
    max_size=6,
).map(b"".join)
ADDRESSES = st.sampled_from([("192.0.2.1", 1), ("::1", 65535), ("a", 0), "", "/run/app.sock", ("a", 70_000)])


@st.composite
def exchanges(draw):
    """Makes equal exchanges, each with a body of its own."""
    facts = {
        "method": draw(st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "Odd"])),
        "target": draw(PATHS),
        "headers": draw(st.lists(st.tuples(NAMES, VALUES), max_size=30)),
        "version": draw(st.sampled_from(["1.1", "1.0", "2", "3", "4"])),
    }
    scheme = draw(st.sampled_from(["http", "https", "odd"]))
    rest = {
        "scheme": scheme,
        "peer": Peer(draw(ADDRESSES), draw(ADDRESSES), scheme),
        "authority": draw(st.sampled_from([b"", b"example.org", b"e:8000"])),
        "raw_path": draw(PATHS),
        "query": draw(st.sampled_from([b"", b"a=%20b", b"\xfc"])),
        "has_body": draw(st.booleans()),
        "content_length": draw(st.sampled_from([None, 0, 5, 2**40])),
        "trailers": [(b"x-sum", b"1")],
    }
    body = draw(st.sampled_from([None, b"", b"hello"]))

    def make():
        exchange = MemoryExchange(**facts)
        vars(exchange).update(rest)
        exchange.body = None if body is None else io.BytesIO(body)
        return exchange

    return make


def described(environ, exchange):
    """An environ with its objects replaced by what is to be the same of them."""
    described = dict(environ)
    taken = described["wsgi.input"]
    described["wsgi.input"] = "body" if taken is exchange.body else (type(taken), taken.read())
    described["wsgi.errors"] = type(described["wsgi.errors"])
    described["wsgi.early_hints"] = callable(described["wsgi.early_hints"])
    if "asteri.trailers" in described:
        assert described["asteri.trailers"] is exchange.trailers
    return described


@QUICK
@given(exchanges(), st.sampled_from(["", "/api", "/\xfc", "/"]), st.booleans())
def test_environs_are_equal(clients, make, root_path, threads):
    seen = []

    def application(environ, start_response):
        seen.append(described(environ, exchange))
        start_response("204 No Content", [])
        return []

    statuses = []
    for twin in ("py", "c"):
        client = clients[twin](application, root_path, threads=threads)
        for _ in range(2):
            exchange = make()
            client.handler(exchange, lambda exchange, want: None)
            statuses.append(exchange.status)
    assert len(set(statuses)) == 1
    assert seen[1:] == seen[:-1]
    assert len(seen) == (0 if statuses[0] == 500 else 4)


# -- responses -------------------------------------------------------------------------------------------------------


class Stop(BaseException):
    """What an executor ends a request with."""


class Safe(str):
    """A str that is not exactly one."""


def mostly(good, bad):
    """One of the good values, now and then one of the bad ones: an application that does all wrong ends too soon."""
    return st.integers(0, 11).flatmap(lambda number: st.sampled_from(bad if number == 11 else good))


STATUS_VALUES = (
    ["200 OK", "404", "204 No Content", "304 Not Modified", "205 Reset", "299 Gr\xfc\xdfe", Safe("200 Safe")],
    ["100 Continue", "x", "200 \u20ac", "200 OK\n", 200, None],
)
FIELD_VALUES = (
    [("Content-Type", "text/plain"), ("X-A", "1"), ("x-a", "\xfc\t"), ("Set-Cookie", "a=b"), ("Content-Length", "5"),
     ("content-length", "0"), ("Content-Length", "70005"), (Safe("X-Safe"), Safe("yes")), ("X-New", Safe("new"))],
    [("Connection", "close"), ("X-A", "\n"), ("X-A", "\u20ac"), ("X A", "1"), ("X-A", 5), (b"X-A", "1"), ("X-A",), None,
     ["X-A", "1"], ("Content-Length", "x"), ("Content-Length", "9" * 19), ("Content-Length", "0" * 18), ("", ""),
     ([], ""), ("Content-Length", "\xb2"), ("Transfer-Encoding", "chunked")],
)  # fmt: skip
LIST_VALUES = [[("X", "y")] * 20, (), None, "text"]
BLOCK_VALUES = (
    [b"", b"hello", b"a", b"b" * 70_000, b"c" * 40_000, type("Bytes", (bytes,), {})(b"d")],
    ["text", None, bytearray(b"x")],
)
ERROR_VALUES = [ValueError("bad"), Disconnected("left"), RemoteProtocolError("body", 413), SystemExit(1), Stop()]
MISUSES = [(), ("200 OK",), ("200 OK", [], None, None)]
STATUSES, FIELDS, BLOCKS = mostly(*STATUS_VALUES), mostly(*FIELD_VALUES), mostly(*BLOCK_VALUES)
LISTS = st.lists(FIELDS, max_size=3)
HEADERS = st.integers(0, 9).flatmap(lambda number: LISTS if number < 9 else st.sampled_from(LIST_VALUES))
ERRORS = st.sampled_from(ERROR_VALUES)
CALLS = st.sampled_from(["write", "write", "replace", "replace", "hints", "start", "raise", "misuse"]).flatmap(
    lambda kind: {
        "start": st.tuples(st.just(kind), STATUSES, HEADERS),
        "replace": st.tuples(st.just(kind), STATUSES, HEADERS),
        "write": st.tuples(st.just(kind), BLOCKS),
        "hints": st.tuples(st.just(kind), HEADERS),
        "raise": st.tuples(st.just(kind), ERRORS),
        "misuse": st.tuples(st.just(kind), st.sampled_from(MISUSES)),
    }[kind]
)
STARTS = st.tuples(st.just("start"), STATUSES, HEADERS)


@st.composite
def steps(draw):
    """What an application does when it is called: mostly it starts a response, and then this and that."""
    before = draw(st.lists(CALLS, max_size=2)) if draw(st.integers(0, 3)) == 3 else []
    start = [draw(STARTS)] if draw(st.integers(0, 9)) else []
    return [*before, *start, *draw(st.lists(CALLS, max_size=2))]


def perform(doing, environ, start_response, caught, seen=None):
    """Do what the steps say: an error of ours is noted where ``caught`` is a list, and goes on else. What is read is
    noted in ``seen``."""
    write = None
    for kind, *arguments in doing:
        try:
            if kind == "start":
                write = start_response(*arguments)
            elif kind == "replace":
                error = ValueError("the reason")
                write = start_response(*arguments, exc_info=(ValueError, error, None))
            elif kind == "write" and write is not None:
                write(*arguments)
            elif kind == "hints":
                environ["wsgi.early_hints"](*arguments)
            elif kind == "raise":
                raise arguments[0].with_traceback(None)
            elif kind == "misuse":
                start_response(*arguments[0])
            elif kind == "read":
                method, *sizes = arguments
                seen.append(getattr(environ["wsgi.input"], method)(*sizes))
            elif kind == "log":
                environ["wsgi.errors"].write(*arguments)
            elif kind == "call":
                arguments[0]()
        except (ValueError, TypeError, AssertionError) as error:
            if caught is None or kind == "raise":
                raise
            caught.append((type(error), str(error)))


class Returned:
    """An iterable that acts between its blocks and counts its closing."""

    def __init__(self, blocks, act, on_close):
        self.blocks, self.act, self.on_close, self.closed = blocks, act, on_close, 0

    def __iter__(self):
        for number, block in enumerate(self.blocks):
            yield block
            self.act(number)

    def close(self):
        self.closed += 1
        if self.on_close is not None:
            raise self.on_close.with_traceback(None)


class Sized(Returned):
    """One that has a length, perhaps a wrong one."""

    length = 0

    def __len__(self):
        return self.length


@st.composite
def applications(draw):
    """Makes applications that do the same."""
    called = draw(steps())
    catches = draw(st.booleans())
    between = draw(st.lists(CALLS, max_size=1))
    blocks = draw(st.lists(BLOCKS, max_size=4))
    kind = draw(mostly(["list", "tuple", "iterable", "generator", "file"], ["None", "bytes"]))
    length = draw(st.none() | st.integers(0, 2))
    on_close = draw(st.none() | st.none() | ERRORS)

    def make(caught):
        noted = caught if catches else None

        def application(environ, start_response):
            perform(called, environ, start_response, noted)

            def act(number):
                if not number:
                    perform(between, environ, start_response, noted)

            if kind == "file":
                content = b"".join(block for block in blocks if type(block) is bytes)
                return environ["wsgi.file_wrapper"](io.BytesIO(content))
            returned = (Returned if length is None else Sized)(blocks, act, on_close)
            returned.length = length
            caught.append(returned)
            return {
                "list": list(blocks), "tuple": tuple(blocks), "iterable": returned, "generator": iter(returned),
                "None": None, "bytes": b"bytes",
            }[kind]  # fmt: skip

        return application

    return make


REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: e\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: e\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 5\r\n\r\nhello",
]


def error_of(record):
    error = record.exc_info and record.exc_info[1]
    return error and (type(error), str(error), type(error.__context__))


def outcome(client, raw, caught, records):
    """All that a peer, an application, an executor and a log can see of a request."""
    raised = None
    try:
        client.request(raw)
    except BaseException as error:
        raised = type(error), str(error), type(error.__context__)
    client.flush()
    logged = [(record.levelname, record.getMessage(), error_of(record)) for record in records]
    closed = [item.closed if isinstance(item, Returned) else item for item in caught]
    exchange = client.exchange
    facts = {"status": exchange.status, "headers": list(exchange.response_headers), "content": exchange.sent}
    return {"sent": client.sent, "waits": client.waits, "raised": raised, "logged": logged, "caught": closed} | facts


@pytest.mark.parametrize("raw", REQUESTS, ids=["get", "head", "old", "post"])
@QUICK
@given(applications())
def test_responses_are_equal(clients, caplog, raw, make):
    caplog.set_level(logging.DEBUG, "tests.asteri_wsgi")
    outcomes = {}
    for twin, client in clients.items():
        caplog.clear()
        caught = []
        outcomes[twin] = outcome(client(make(caught)), raw, caught, caplog.records)
    assert outcomes["c"] == outcomes["py"]
    assert outcomes["c-adapted"] == outcomes["py"]
