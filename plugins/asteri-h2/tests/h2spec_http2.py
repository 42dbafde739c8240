"""The cases of h2spec for RFC 9113: ``http2`` sections 3 to 8. Each is named by its section and its number there."""

from __future__ import annotations

import struct
from typing import Any

from h2_frames import (
    ACK,
    CLOSED,
    COMPRESSION,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FLOW,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PRIORITISED,
    PRIORITY,
    PROTOCOL,
    PUSH,
    REFUSED,
    RST,
    SETTINGS,
    SIZE,
    WINDOW,
    cancel,
    frame,
    head,
    post,
    setting,
    without,
)
from h2_outcomes import ANSWER, ANSWERED, connection_error, stream_error
from h2_talk import REQUEST, Talk

PONG = b"pingpong"


def ping(stream: int = 0, flags: int = 0) -> bytes:
    return frame(PING, flags, stream, PONG)


def pongs(talk: Talk) -> None:
    assert (PING, ACK, 0, PONG) in talk.frames
    assert not talk.closed


def a_pong_before_the_end(talk: Talk) -> None:
    assert (PING, ACK, 0, PONG) in talk.frames
    assert talk.goaways() in ([], [(1, 0)])


def no_pong(talk: Talk) -> None:
    assert not any(kind == PING for kind, _, _, _ in talk.frames)
    assert not talk.closed


def settings_first(talk: Talk) -> None:
    assert talk.frames[0][0] == SETTINGS


def acknowledged(talk: Talk) -> None:
    assert sum(kind == SETTINGS and flags & ACK for kind, flags, _, _ in talk.frames) == 2  # and that of the opening


def contents(*sizes: int) -> Any:
    def check(talk: Talk) -> None:
        assert [len(payload) for kind, _, _, payload in talk.frames if kind == DATA] == list(sizes)

    return check


def more(talk: Talk, count: int = 1) -> bytes:
    """A block of further fields."""
    return talk.block([(f"x-dummy-{number}", "y") for number in range(count)])


def opened(talk: Talk, stream: int = 1) -> bytes:
    """A header block that goes on."""
    return head(talk, stream, END_STREAM)


def trailing(talk: Talk, flags: int, fields: list[tuple[str, str]]) -> bytes:
    return frame(HEADERS, flags, 1, talk.block(fields))


def with_(*fields: tuple[str, str]) -> Any:
    return lambda t: [head(t, fields=[*REQUEST, *fields])]


def one_less(name: str) -> Any:
    return lambda t: [head(t, fields=without(name))]


def twice(index: int) -> Any:
    return lambda t: [head(t, fields=[REQUEST[index], *REQUEST])]


MALFORMED = stream_error(PROTOCOL)
CASES: list[tuple[str, Any, Any]] = [
    ("3.5/1 the server's preface is first", lambda t: [], settings_first),
    ("3.5/2 no preface", lambda t: [], None),  # below: `test_what_is_no_preface_ends_the_connection`
    ("4.1/1 an unknown type", lambda t: [frame(0x16, 0, 0, bytes(8)), ping()], pongs),
    ("4.1/2 undefined flags", lambda t: [ping(flags=0x16)], pongs),
    ("4.1/3 the reserved bit", lambda t: [ping(1 << 31)], pongs),
    ("4.2/1 DATA of 2^14 bytes", lambda t: [post(t), frame(DATA, 1, 1, bytes(1 << 14))], ANSWERED),
    ("4.2/2 larger DATA", lambda t: [post(t), frame(DATA, 1, 1, bytes((1 << 14) + 1))], stream_error(SIZE)),
    ("4.2/3 larger HEADERS", lambda t: [frame(HEADERS, 5, 1, bytes((1 << 14) + 1))], connection_error(SIZE)),
    ("4.3/1 a broken block", lambda t: [frame(HEADERS, 5, 1, b"\x40")], connection_error(COMPRESSION)),
    ("4.3/2 PRIORITY in a block", lambda t: [opened(t), frame(PRIORITY, 0, 1, bytes(5))], connection_error(PROTOCOL)),
    ("4.3/3 another stream in a block", lambda t: [opened(t), head(t, 3)], connection_error(PROTOCOL)),
    ("5.1/1 idle: DATA", lambda t: [frame(DATA, 1, 1, b"test")], stream_error(PROTOCOL, CLOSED)),
    ("5.1/2 idle: RST_STREAM", lambda t: [cancel()], connection_error(PROTOCOL)),
    ("5.1/3 idle: WINDOW_UPDATE", lambda t: [frame(WINDOW, 0, 1, b"\0\0\0\x64")], connection_error(PROTOCOL)),
    ("5.1/4 idle: CONTINUATION", lambda t: [frame(CONTINUATION, 4, 1, t.block())], connection_error(PROTOCOL)),
    ("5.1/5 half-closed: DATA", lambda t: [head(t), frame(DATA, 1, 1, b"test")], stream_error(CLOSED)),
    ("5.1/6 half-closed: HEADERS", lambda t: [head(t), head(t)], stream_error(CLOSED)),
    ("5.1/7 half-closed: CONTINUATION", lambda t: [head(t), frame(CONTINUATION, 4, 1, more(t))],
     stream_error(CLOSED, PROTOCOL)),
    ("5.1/8 reset: DATA", lambda t: [post(t), cancel(), frame(DATA, 1, 1, b"test")], stream_error(CLOSED)),
    ("5.1/9 reset: HEADERS", lambda t: [post(t), cancel(), head(t)], stream_error(CLOSED)),
    ("5.1/10 reset: CONTINUATION", lambda t: [post(t), cancel(), frame(CONTINUATION, 4, 1, more(t))],
     stream_error(CLOSED, PROTOCOL)),
    ("5.1/11 closed: DATA", lambda t: [head(t), ANSWER, frame(DATA, 1, 1, b"test")], stream_error(CLOSED)),
    ("5.1/12 closed: HEADERS", lambda t: [head(t), ANSWER, head(t)], connection_error(CLOSED)),
    ("5.1/13 closed: CONTINUATION", lambda t: [head(t), ANSWER, frame(CONTINUATION, 4, 1, more(t))],
     connection_error(CLOSED, PROTOCOL)),
    ("5.1.1/1 an even stream", lambda t: [head(t, 2)], connection_error(PROTOCOL)),
    ("5.1.1/2 a smaller one", lambda t: [head(t, 5), head(t, 3)], connection_error(PROTOCOL)),
    ("5.1.2/1 one too many", lambda t: [setting(4, 0), *(head(t, 1 + 2 * n) for n in range(101))],
     stream_error(PROTOCOL, REFUSED)),
    ("5.3.1/1 HEADERS on itself", lambda t: [frame(HEADERS, 5 | PRIORITISED, 1, b"\0\0\0\1\xff" + t.block())],
     MALFORMED),
    ("5.3.1/2 PRIORITY on itself", lambda t: [frame(PRIORITY, 0, 1, b"\0\0\0\1\xff")], MALFORMED),
    ("5.4.1/1 the connection is closed", lambda t: [frame(PING, 0, 3, bytes(8))], connection_error(PROTOCOL)),
    ("5.4.1/2 GOAWAY comes first", lambda t: [frame(PING, 0, 3, bytes(8))], connection_error(PROTOCOL)),
    ("5.5/1 an extension", lambda t: [frame(0x16, 0, 0, bytes(8)), ping()], pongs),
    ("5.5/2 an extension in a block", lambda t: [opened(t), frame(0x16, 0, 0, bytes(8))], connection_error(PROTOCOL)),
    ("6.1/1 DATA on stream 0", lambda t: [frame(DATA, 1, 0, b"test")], connection_error(PROTOCOL)),
    ("6.1/2 DATA on a closed stream", lambda t: [head(t), frame(DATA, 1, 1, b"test")], stream_error(CLOSED)),
    ("6.1/3 its padding", lambda t: [post(t), frame(DATA, 1 | PADDED, 1, b"\6test")], connection_error(PROTOCOL)),
    ("6.2/1 PRIORITY in a block", lambda t: [opened(t), frame(PRIORITY, 0, 1, bytes(5))], connection_error(PROTOCOL)),
    ("6.2/2 another stream in a block", lambda t: [opened(t), head(t, 3)], connection_error(PROTOCOL)),
    ("6.2/3 HEADERS on stream 0", lambda t: [head(t, 0)], connection_error(PROTOCOL)),
    ("6.2/4 its padding", lambda t: [frame(HEADERS, 5 | PADDED, 1, b"\xff" + t.block())], connection_error(PROTOCOL)),
    ("6.3/1 PRIORITY on stream 0", lambda t: [frame(PRIORITY, 0, 0, bytes(5))], connection_error(PROTOCOL)),
    ("6.3/2 its length", lambda t: [head(t), frame(PRIORITY, 0, 1, b"\x80\0\0\1")], stream_error(SIZE)),
    ("6.4/1 RST_STREAM on stream 0", lambda t: [cancel(0)], connection_error(PROTOCOL)),
    ("6.4/2 on an idle stream", lambda t: [cancel()], connection_error(PROTOCOL)),
    ("6.4/3 its length", lambda t: [post(t), frame(RST, 0, 1, bytes(3))], connection_error(SIZE)),
    ("6.5/1 SETTINGS: ACK with a payload", lambda t: [frame(SETTINGS, ACK, 0, bytes(1))], connection_error(SIZE)),
    ("6.5/2 SETTINGS on a stream", lambda t: [frame(SETTINGS, 0, 1, b"\0\3\0\0\0\x64")], connection_error(PROTOCOL)),
    ("6.5/3 its length", lambda t: [frame(SETTINGS, 0, 0, bytes(3))], connection_error(SIZE)),
    ("6.5.2/1 ENABLE_PUSH", lambda t: [setting(2, 2)], connection_error(PROTOCOL)),
    ("6.5.2/2 INITIAL_WINDOW_SIZE", lambda t: [setting(4, 1 << 31)], connection_error(FLOW)),
    ("6.5.2/3 a small MAX_FRAME_SIZE", lambda t: [setting(5, (1 << 14) - 1)], connection_error(PROTOCOL)),
    ("6.5.2/4 a large one", lambda t: [setting(5, 1 << 24)], connection_error(PROTOCOL)),
    ("6.5.2/5 an unknown one", lambda t: [setting(0xFF, 1), ping()], pongs),
    ("6.5.3/1 the last value counts",
     lambda t: [frame(SETTINGS, 0, 0, struct.pack("!HIHI", 4, 100, 4, 1)), head(t)], contents(1)),
    ("6.5.3/2 ACK", lambda t: [setting(2, 0)], acknowledged),
    ("6.7/1 PING", lambda t: [ping()], pongs),
    ("6.7/2 with ACK", lambda t: [ping(flags=ACK)], no_pong),
    ("6.7/3 on a stream", lambda t: [ping(1)], connection_error(PROTOCOL)),
    ("6.7/4 its length", lambda t: [frame(PING, 0, 0, bytes(6))], connection_error(SIZE)),
    ("6.8/1 GOAWAY on a stream", lambda t: [frame(GOAWAY, 0, 1, bytes(8))], connection_error(PROTOCOL)),
    ("6.9/1 WINDOW_UPDATE of 0", lambda t: [frame(WINDOW, 0, 0, bytes(4))], connection_error(PROTOCOL)),
    ("6.9/2 on a stream", lambda t: [post(t), frame(WINDOW, 0, 1, bytes(4))], MALFORMED),
    ("6.9/3 its length", lambda t: [frame(WINDOW, 0, 0, bytes(3))], connection_error(SIZE)),
    ("6.9.1/1 no more than there is room for", lambda t: [setting(4, 1), head(t)], contents(1)),
    ("6.9.1/2 above 2^31 - 1", lambda t: [frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff")] * 2, connection_error(FLOW)),
    ("6.9.1/3 on a stream", lambda t: [post(t), *[frame(WINDOW, 0, 1, b"\x7f\xff\xff\xff")] * 2], stream_error(FLOW)),
    ("6.9.2/1 a change for streams that run", lambda t: [setting(4, 0), head(t), ANSWER, setting(4, 1)], contents(1)),
    ("6.9.2/2 a window below 0",
     lambda t: [setting(4, 3), head(t), ANSWER, setting(4, 2), frame(WINDOW, 0, 1, b"\0\0\0\2")], contents(3, 1)),
    ("6.9.2/3 above 2^31 - 1", lambda t: [setting(4, 1 << 31)], connection_error(FLOW)),
    ("6.10/1 CONTINUATION", lambda t: [opened(t), *(frame(CONTINUATION, end, 1, more(t)) for end in (0, 4))], ANSWERED),
    ("6.10/2 something else behind it",
     lambda t: [opened(t), frame(CONTINUATION, 0, 1, more(t)), frame(DATA, 1, 1, b"test")], connection_error(PROTOCOL)),
    ("6.10/3 on stream 0", lambda t: [opened(t), frame(CONTINUATION, 4, 0, more(t))], connection_error(PROTOCOL)),
    ("6.10/4 behind the end", lambda t: [head(t), frame(CONTINUATION, 4, 1, more(t))], connection_error(PROTOCOL)),
    ("6.10/5 behind an end of its own",
     lambda t: [opened(t), *[frame(CONTINUATION, 4, 1, more(t)) for _ in range(2)]], connection_error(PROTOCOL)),
    ("6.10/6 behind DATA", lambda t: [post(t), frame(DATA, 1, 1, b"test"), frame(CONTINUATION, 0, 1, more(t))],
     connection_error(PROTOCOL)),
    ("7/1 GOAWAY with an unknown code", lambda t: [head(t), frame(GOAWAY, 0, 0, bytes(7) + b"\xff"), ping()],
     a_pong_before_the_end),
    ("7/2 RST_STREAM with one", lambda t: [post(t), frame(RST, 0, 1, b"\0\0\0\xff"), ping()], pongs),
    ("8.1/1 a second HEADERS without END_STREAM",
     lambda t: [post(t), frame(DATA, 0, 1, b"test"), trailing(t, END_HEADERS, [("x-test", "ok")])], MALFORMED),
    ("8.1.2/1 upper case", with_(("X-TEST", "ok")), MALFORMED),
    ("8.1.2.1/1 an unknown pseudo-header field", with_((":test", "ok")), MALFORMED),
    ("8.1.2.1/2 one of responses", with_((":status", "200")), MALFORMED),
    ("8.1.2.1/3 one in trailers",
     lambda t: [post(t), frame(DATA, 0, 1, b"test"), trailing(t, END_STREAM | END_HEADERS, [(":method", "200")])],
     MALFORMED),
    ("8.1.2.1/4 one behind a field", lambda t: [head(t, fields=[("x-test", "ok"), *REQUEST])], MALFORMED),
    ("8.1.2.2/1 a field of connections", with_(("connection", "keep-alive")), MALFORMED),
    ("8.1.2.2/2 TE", with_(("trailers", "test"), ("te", "trailers, deflate")), MALFORMED),
    ("8.1.2.3/1 an empty :path", lambda t: [head(t, fields=[*without(":path"), (":path", "")])], MALFORMED),
    ("8.1.2.3/2 no :method", one_less(":method"), MALFORMED),
    ("8.1.2.3/3 no :scheme", one_less(":scheme"), MALFORMED),
    ("8.1.2.3/4 no :path", one_less(":path"), MALFORMED),
    ("8.1.2.3/5 two :method", twice(0), MALFORMED),
    ("8.1.2.3/6 two :scheme", twice(1), MALFORMED),
    ("8.1.2.3/7 two :path", twice(2), MALFORMED),
    ("8.1.2.6/1 DATA against content-length",
     lambda t: [post(t, content_length="1"), frame(DATA, 1, 1, b"test")], MALFORMED),
    ("8.1.2.6/2 DATA in frames",
     lambda t: [post(t, content_length="1"), frame(DATA, 0, 1, b"test"), frame(DATA, 1, 1, b"test")], MALFORMED),
    ("8.2/1 PUSH_PROMISE", lambda t: [frame(PUSH, 4, 1, b"\0\0\0\2" + t.block())], connection_error(PROTOCOL)),
]  # fmt: skip
