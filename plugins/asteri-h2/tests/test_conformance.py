"""What RFC 9113 and RFC 7541 ask of a server, case by case in their order; the public list of h2spec is `test_h2spec`.

A case is what the client sends behind its preface, and what has to come of it: an answer, an error of the stream, or an
error of the connection. Where the RFC lets a server choose, the case says what we have chosen.
"""

from __future__ import annotations

from typing import Any

import pytest
from asteri_core.api import Peer
from asteri_h2.frames import PREFACE
from h2_frames import (
    ACK,
    CALM,
    CLOSED,
    COMPRESSION,
    CONTINUATION,
    DATA,
    END_STREAM,
    FLOW,
    GOAWAY,
    HEADERS,
    HTTP_1_1,
    PING,
    PRIORITY,
    PROTOCOL,
    PUSH,
    REFUSED,
    RST,
    SETTINGS,
    SIZE,
    WINDOW,
    frame,
    head,
    post,
    setting,
    without,
)
from h2_outcomes import ANSWERED, Case, connection_error, outcome, play, stream_error
from h2_talk import POST, REQUEST, Talk

CASES: list[tuple[str, Case, Any]] = [
    # -- RFC 9113 section 4: frames
    ("4.1 a frame of an unknown type is ignored", lambda t: [frame(0x16, 0, 0, bytes(8)), head(t)], ANSWERED),
    ("4.1 undefined flags are ignored", lambda t: [frame(PING, 0x16, 0, bytes(8)), head(t)], ANSWERED),
    ("4.1 a reserved bit is ignored", lambda t: [frame(PING, 0, 1 << 31, bytes(8)), head(t)], ANSWERED),
    ("4.2 DATA of 2^14 bytes is taken", lambda t: [post(t), frame(DATA, 1, 1, bytes(1 << 14))], ANSWERED),
    (
        "4.2 DATA that is too large",
        lambda t: [post(t), frame(DATA, 1, 1, bytes((1 << 14) + 1))],
        connection_error(SIZE),
    ),
    ("4.2 HEADERS that are too large", lambda t: [frame(HEADERS, 5, 1, bytes((1 << 14) + 1))], connection_error(SIZE)),
    (
        "4.3 a header block that cannot be read",
        lambda t: [frame(HEADERS, 5, 1, b"\x40")],
        connection_error(COMPRESSION),
    ),
    (
        "4.3 PRIORITY within a header block",
        lambda t: [head(t, flags=END_STREAM), frame(PRIORITY, 0, 1, b"\0\0\0\0\xff")],
        connection_error(PROTOCOL),
    ),
    (
        "4.3 another stream within a header block",
        lambda t: [head(t, flags=END_STREAM), head(t, 3)],
        connection_error(PROTOCOL),
    ),
    # -- section 5: streams
    ("5.1 DATA to an idle stream", lambda t: [frame(DATA, 1, 1, b"x")], connection_error(PROTOCOL)),
    ("5.1 RST_STREAM to an idle stream", lambda t: [frame(RST, 0, 1, bytes(4))], connection_error(PROTOCOL)),
    ("5.1 WINDOW_UPDATE to an idle stream", lambda t: [frame(WINDOW, 0, 1, b"\0\0\0\1")], connection_error(PROTOCOL)),
    (
        "5.1 CONTINUATION to an idle stream",
        lambda t: [frame(CONTINUATION, 4, 1, t.block())],
        connection_error(PROTOCOL),
    ),
    ("5.1 DATA to a half-closed stream", lambda t: [head(t), frame(DATA, 1, 1, b"x")], stream_error(CLOSED)),
    ("5.1 HEADERS to a half-closed stream", lambda t: [head(t), head(t)], stream_error(CLOSED)),
    (
        "5.1 DATA after RST_STREAM",
        lambda t: [post(t), frame(RST, 0, 1, b"\0\0\0\x08"), frame(DATA, 1, 1, b"x")],
        stream_error(CLOSED),
    ),
    ("5.1.1 an even stream", lambda t: [head(t, 2)], connection_error(PROTOCOL)),
    (
        "5.1.1 a stream below one that was opened",
        lambda t: [head(t, 5), head(t, 3)],
        connection_error(PROTOCOL, CLOSED),
    ),
    (
        "5.3.1 a stream that depends on itself",
        lambda t: [frame(PRIORITY, 0, 3, b"\0\0\0\3\xff"), head(t)],
        connection_error(PROTOCOL),
    ),
    (
        "5.4.1 what comes after an error of the connection is not read",
        lambda t: [frame(DATA, 1, 1, b"x"), head(t)],
        connection_error(PROTOCOL),
    ),
    # -- section 6: each frame
    ("6.1 DATA to stream 0", lambda t: [frame(DATA, 1, 0, b"x")], connection_error(PROTOCOL)),
    ("6.1 DATA with too much padding", lambda t: [post(t), frame(DATA, 9, 1, b"\6xxxx")], connection_error(PROTOCOL)),
    ("6.2 HEADERS to stream 0", lambda t: [head(t, 0)], connection_error(PROTOCOL)),
    (
        "6.2 HEADERS with too much padding",
        lambda t: [frame(HEADERS, 13, 1, b"\x40" + t.block())],
        connection_error(PROTOCOL),
    ),
    (
        "6.2 HEADERS with padding and priority",
        lambda t: [frame(HEADERS, 0x2D, 1, b"\2\0\0\0\0\xff" + t.block() + b"\0\0")],
        ANSWERED,
    ),
    ("6.3 PRIORITY to stream 0", lambda t: [frame(PRIORITY, 0, 0, b"\0\0\0\1\xff")], connection_error(PROTOCOL)),
    ("6.3 PRIORITY of another size", lambda t: [head(t), frame(PRIORITY, 0, 1, bytes(4))], connection_error(SIZE)),
    ("6.4 RST_STREAM to stream 0", lambda t: [frame(RST, 0, 0, bytes(4))], connection_error(PROTOCOL)),
    ("6.4 RST_STREAM of another size", lambda t: [post(t), frame(RST, 0, 1, bytes(3))], connection_error(SIZE)),
    ("6.5 SETTINGS with ACK and a payload", lambda t: [frame(SETTINGS, 1, 0, bytes(6))], connection_error(SIZE)),
    ("6.5 SETTINGS to a stream", lambda t: [frame(SETTINGS, 0, 1, b"")], connection_error(PROTOCOL)),
    ("6.5 SETTINGS of another size", lambda t: [frame(SETTINGS, 0, 0, bytes(5))], connection_error(SIZE)),
    ("6.5.2 ENABLE_PUSH is neither 0 nor 1", lambda t: [setting(2, 2)], connection_error(PROTOCOL)),
    ("6.5.2 a window above 2^31 - 1", lambda t: [setting(4, 1 << 31)], connection_error(FLOW)),
    ("6.5.2 frames below 2^14", lambda t: [setting(5, (1 << 14) - 1)], connection_error(PROTOCOL)),
    ("6.5.2 frames of 2^24 and above", lambda t: [setting(5, 1 << 24)], connection_error(PROTOCOL)),
    ("6.5.2 an unknown setting is ignored", lambda t: [setting(0xFF, 1), head(t)], ANSWERED),
    ("6.5.3 SETTINGS are acknowledged", lambda t: [setting(3, 7), head(t)], ANSWERED),
    (
        "6.6 PUSH_PROMISE of a client",
        lambda t: [frame(PUSH, 4, 1, b"\0\0\0\2" + t.block())],
        connection_error(PROTOCOL),
    ),
    ("6.7 PING to a stream", lambda t: [frame(PING, 0, 1, bytes(8))], connection_error(PROTOCOL)),
    ("6.7 PING of another size", lambda t: [frame(PING, 0, 0, bytes(6))], connection_error(SIZE)),
    ("6.8 GOAWAY to a stream", lambda t: [frame(GOAWAY, 0, 1, bytes(8))], connection_error(PROTOCOL)),
    ("6.9 WINDOW_UPDATE of 0", lambda t: [frame(WINDOW, 0, 0, bytes(4))], connection_error(PROTOCOL)),
    (
        "6.9 WINDOW_UPDATE of 0 to a stream",
        lambda t: [post(t), frame(WINDOW, 0, 1, bytes(4))],
        connection_error(PROTOCOL),
    ),
    ("6.9 WINDOW_UPDATE of another size", lambda t: [frame(WINDOW, 0, 0, bytes(3))], connection_error(SIZE)),
    (
        "6.9.1 a window that grows above 2^31 - 1",
        lambda t: [frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff")] * 2,
        connection_error(FLOW),
    ),
    (
        "6.9 DATA beyond the window of its stream",
        lambda t: [post(t)] + [frame(DATA, 0, 1, bytes(1 << 14))] * 17,
        connection_error(FLOW),
    ),
    (
        "6.10 CONTINUATION goes on",
        lambda t: [frame(HEADERS, 1, 1, t.block()[:3]), frame(CONTINUATION, 4, 1, Talk().block()[3:])],
        ANSWERED,
    ),
    (
        "6.10 CONTINUATION to stream 0",
        lambda t: [frame(HEADERS, 1, 1, t.block()[:3]), frame(CONTINUATION, 4, 0, b"")],
        connection_error(PROTOCOL),
    ),
    (
        "6.10 CONTINUATION after END_HEADERS",
        lambda t: [post(t), frame(CONTINUATION, 4, 1, b"")],
        connection_error(PROTOCOL),
    ),
    (
        "7 an unknown error code",
        lambda t: [frame(GOAWAY, 0, 0, bytes(4) + b"\0\0\0\xff"), frame(PING, 0, 0, bytes(8))],
        None,
    ),
    # -- section 8: requests
    (
        "8.1 a second HEADERS without END_STREAM",
        lambda t: [post(t), frame(HEADERS, 4, 1, t.block([("x-a", "b")]))],
        connection_error(PROTOCOL),
    ),
    ("8.2.1 a field name in upper case", lambda t: [head(t, X_Upper="x")], stream_error(PROTOCOL)),
    ("8.2.1 a value with a line end", lambda t: [head(t, x_a="b\nc")], stream_error(PROTOCOL)),
    ("8.2.1 a value with a space before it", lambda t: [head(t, x_a=" b")], stream_error(PROTOCOL)),
    ("8.2.1 an empty field name", lambda t: [head(t, fields=[*REQUEST, ("", "x")])], stream_error(PROTOCOL)),
    ("8.2.2 Connection", lambda t: [head(t, connection="keep-alive")], stream_error(PROTOCOL)),
    ("8.2.2 Transfer-Encoding", lambda t: [head(t, transfer_encoding="chunked")], stream_error(PROTOCOL)),
    ("8.2.2 Upgrade", lambda t: [head(t, upgrade="h2c")], stream_error(PROTOCOL)),
    ("8.2.2 TE is not trailers", lambda t: [head(t, te="gzip")], stream_error(PROTOCOL)),
    ("8.2.2 TE is trailers", lambda t: [head(t, te="trailers")], ANSWERED),
    (
        "8.3 an unknown pseudo-header field",
        lambda t: [head(t, fields=[*REQUEST, (":test", "x")])],
        stream_error(PROTOCOL),
    ),
    ("8.3 one of responses", lambda t: [head(t, fields=[*REQUEST, (":status", "200")])], stream_error(PROTOCOL)),
    (
        "8.3 one in trailers",
        lambda t: [post(t), frame(HEADERS, 5, 1, t.block([(":method", "GET")]))],
        stream_error(PROTOCOL),
    ),
    ("8.3 one after a field", lambda t: [head(t, fields=[("x-a", "b"), *REQUEST])], stream_error(PROTOCOL)),
    ("8.3.1 an empty :path", lambda t: [head(t, fields=[*without(":path"), (":path", "")])], stream_error(PROTOCOL)),
    ("8.3.1 no :method", lambda t: [head(t, fields=without(":method"))], stream_error(PROTOCOL)),
    ("8.3.1 no :scheme", lambda t: [head(t, fields=without(":scheme"))], stream_error(PROTOCOL)),
    ("8.3.1 no :path", lambda t: [head(t, fields=without(":path"))], stream_error(PROTOCOL)),
    ("8.3.1 two :method", lambda t: [head(t, fields=[REQUEST[0], *REQUEST])], stream_error(PROTOCOL)),
    ("8.3.1 two :scheme", lambda t: [head(t, fields=[REQUEST[1], *REQUEST])], stream_error(PROTOCOL)),
    ("8.3.1 two :path", lambda t: [head(t, fields=[REQUEST[2], *REQUEST])], stream_error(PROTOCOL)),
    ("8.3.1 two :authority", lambda t: [head(t, fields=[REQUEST[3], *REQUEST])], stream_error(PROTOCOL)),
    (
        "8.3.1 a forged :scheme",
        lambda t: [head(t, fields=[*without(":scheme"), (":scheme", "http://evil/")])],
        stream_error(PROTOCOL),
    ),
    ("8.3.1 :authority and another Host", lambda t: [head(t, host="b")], 400),
    ("8.3.1 neither :authority nor Host", lambda t: [head(t, fields=without(":authority"))], 400),
    ("8.3.1 a target that is no path", lambda t: [head(t, fields=[*without(":path"), (":path", "http://a/")])], 400),
    ("8.3.1 a target with a fragment", lambda t: [head(t, fields=[*without(":path"), (":path", "/#x")])], 400),
    ("8.3.1 a user in :authority", lambda t: [head(t, fields=[*without(":authority"), (":authority", "u@a")])], 400),
    ("8.5 CONNECT", lambda t: [head(t, fields=[(":method", "CONNECT"), (":authority", "a:80")])], 501),
    (
        "8.5 CONNECT with a :path",
        lambda t: [head(t, fields=[(":method", "CONNECT"), *REQUEST[1:]])],
        stream_error(PROTOCOL),
    ),
    (
        "RFC 8441 :protocol without CONNECT",
        lambda t: [head(t, fields=[*REQUEST, (":protocol", "x")])],
        stream_error(PROTOCOL),
    ),
    ("8.1.1 content-length without content", lambda t: [head(t, content_length="1")], stream_error(PROTOCOL)),
    (
        "8.1.1 DATA is more than content-length",
        lambda t: [post(t, content_length="1"), frame(DATA, 1, 1, b"test")],
        stream_error(PROTOCOL),
    ),
    (
        "8.1.1 DATA in frames is more",
        lambda t: [post(t, content_length="1"), frame(DATA, 0, 1, b"t"), frame(DATA, 1, 1, b"t")],
        stream_error(PROTOCOL),
    ),
    ("8.1.1 DATA is less", lambda t: [post(t, content_length="5"), frame(DATA, 1, 1, b"test")], stream_error(PROTOCOL)),
    ("a content-length that is no number", lambda t: [post(t, content_length="0x5")], 400),
    ("two that differ", lambda t: [head(t, fields=[*POST, *[("content-length", n) for n in "56"]])], 400),
    ("a second Host", lambda t: [head(t, fields=[*without(":authority"), ("host", "a"), ("host", "a")])], 400),
    ("an unknown expectation", lambda t: [head(t, fields=[*REQUEST, ("expect", "tea")])], 417),
    ("a long path", lambda t: [head(t, fields=[*without(":path"), (":path", "/" + "a" * 8200)])], 414),
    ("many fields", lambda t: [head(t, fields=[*REQUEST, *[("x", "y")] * 101])], 431),
    # -- RFC 7541: HPACK
    (
        "2.3.3 an index that is not in the tables",
        lambda t: [frame(HEADERS, 5, 1, b"\xc6")],
        connection_error(COMPRESSION),
    ),
    (
        "4.2 a table size that comes too late",
        lambda t: [frame(HEADERS, 5, 1, t.block() + b"\x20")],
        connection_error(COMPRESSION),
    ),
    (
        "5.2 a Huffman string that is not ended well",
        lambda t: [frame(HEADERS, 5, 1, b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff")],
        connection_error(COMPRESSION),
    ),
    ("6.1 the index 0", lambda t: [frame(HEADERS, 5, 1, b"\x80")], connection_error(COMPRESSION)),
    (
        "6.3 a table size above the limit",
        lambda t: [frame(HEADERS, 5, 1, b"\x3f\xe1\x7f" + t.block())],
        connection_error(COMPRESSION),
    ),
    (
        "5.1 an integer without end",
        lambda t: [frame(HEADERS, 5, 1, b"\x0f" + b"\xff" * 200)],
        connection_error(COMPRESSION, CALM),
    ),
]


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize(("frames", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_answer_is_what_the_rfc_asks(bare: Talk, frames: Case, expected: Any, step: int) -> None:
    play(bare, [b"".join(frames(bare))], expected, step)


def test_the_answer_to_a_ping_has_its_bytes(bare: Talk) -> None:
    bare.raw(frame(PING, 0, 0, b"12345678"))
    assert (PING, ACK, 0, b"12345678") in bare.frames


def test_settings_come_first_and_are_acknowledged() -> None:
    made = Talk().begin()
    assert made.frames[0][0] == SETTINGS
    assert any(kind == SETTINGS and flags & ACK for kind, flags, _, _ in made.frames)


NO_PREFACE = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n",
    PREFACE + frame(PING, 0, 0, bytes(8)),  # section 3.4: behind it are the client's settings
    PREFACE + frame(SETTINGS, ACK, 0),
]


@pytest.mark.parametrize("data", NO_PREFACE)
def test_what_is_no_preface_ends_the_connection(data: bytes) -> None:
    made = Talk()
    made.raw(data)
    made.take()
    assert made.closed
    assert made.goaways() == [(0, PROTOCOL)]


def test_streams_beyond_the_limit_are_refused_and_others_go_on(talk: Any) -> None:
    made = talk(own={"http2_max_concurrent_streams": 3})
    made.follows = False
    for stream in (1, 3, 5, 7):
        made.raw(head(made, stream))
    assert len(made.started) == 3
    assert made.resets(7) == [REFUSED]
    assert not made.closed


def test_the_window_of_settings_moves_that_of_running_streams(bare: Talk) -> None:
    bare.raw(setting(4, 1), head(bare))
    outcome(bare)
    assert [payload for kind, _, _, payload in bare.frames if kind == DATA] == [b"h"]
    bare.raw(setting(4, 3))
    assert b"".join(payload for kind, _, _, payload in bare.frames if kind == DATA) == b"hel"
    bare.raw(frame(WINDOW, 0, 1, b"\0\0\0\2"))
    assert b"".join(payload for kind, _, _, payload in bare.frames if kind == DATA) == b"hello"


def test_those_that_may_not_speak_it_in_cleartext_are_told() -> None:
    made = Talk(Peer(("192.0.2.1", 5), ("192.0.2.2", 80)))
    made.take_events()
    made.take()
    assert made.closed
    assert made.goaways() == [(0, HTTP_1_1)]
    assert len(made.failed) == 1
