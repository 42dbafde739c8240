"""The cases of h2spec that any server has to serve, ``generic``, and those for RFC 7541, ``hpack``."""

from __future__ import annotations

from typing import Any

from h2_frames import (
    COMPRESSION,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PRIORITISED,
    PRIORITY,
    WINDOW,
    cancel,
    frame,
    head,
    post,
    setting,
)
from h2_outcomes import ANSWER, ANSWERED, connection_error, status_of
from h2_talk import POST, REQUEST, Talk
from h2spec_http2 import acknowledged, ping, pongs

UNDEPENDENT = b"\0\0\0\0\xff"
AGENT, H_AGENT = b"\x0auser-agent", b"\x87\xb5\x05\xb1\x61\xcc\x5a\x93"
TEST, H_TEST = b"\x06x-test", b"\x85\xf2\xb2\x4a\x84\xff"
VALUE, H_VALUE = b"\x06h2spec", b"\x84\x9c\x48\xac\xa4"


def closes(talk: Talk) -> None:
    """Answered first, and ended in peace."""
    assert status_of(talk) == 200
    assert talk.goaways() in ([], [(1, 0)])


def quiet(talk: Talk) -> None:
    assert talk.goaways() == []
    assert not talk.closed


def behind(literal: bytes) -> Any:
    """A request with one more field in its block."""
    return lambda t: [frame(HEADERS, 5, 1, t.block() + literal)]


def before(update: bytes) -> Any:
    return lambda t: [frame(HEADERS, 5, 1, update + t.block())]


def prioritised(payload: bytes) -> Any:
    return lambda t: [frame(PRIORITY, 0, 1, payload), head(t)]


def in_pieces(*cuts: int) -> Any:
    def frames(talk: Talk) -> list[bytes]:
        block = talk.block([*REQUEST, ("x-long", "y" * 20)])
        pieces = [block[start:end] for start, end in zip((0, *cuts), (*cuts, len(block)), strict=True)]
        made = [frame(HEADERS if not at else CONTINUATION, END_STREAM if not at else 0, 1, piece)
                for at, piece in enumerate(pieces)]  # fmt: skip
        made[-1] = frame(CONTINUATION, END_HEADERS, 1, pieces[-1])
        return made

    return frames


GENERIC: list[tuple[str, Any, Any]] = [
    ("1/1 the preface", lambda t: [ping()], pongs),
    ("2/1 PRIORITY on an idle stream", lambda t: [frame(PRIORITY, 0, 1, UNDEPENDENT), ping()], pongs),
    ("2/2 WINDOW_UPDATE on a half-closed one", lambda t: [head(t), frame(WINDOW, 0, 1, b"\0\0\0\1")], ANSWERED),
    ("2/3 PRIORITY on a half-closed one", lambda t: [head(t), frame(PRIORITY, 0, 1, UNDEPENDENT)], ANSWERED),
    ("2/4 RST_STREAM on a half-closed one", lambda t: [head(t), cancel(), ping()], pongs),
    ("2/5 PRIORITY on a closed one", lambda t: [head(t), ANSWER, frame(PRIORITY, 0, 1, UNDEPENDENT), ping()], pongs),
    ("3.1/1 DATA", lambda t: [post(t), frame(DATA, 1, 1, b"test")], ANSWERED),
    ("3.1/2 more DATA", lambda t: [post(t), frame(DATA, 0, 1, b"test"), frame(DATA, 1, 1, b"test")], ANSWERED),
    ("3.1/3 padded DATA", lambda t: [post(t), frame(DATA, 1 | PADDED, 1, b"\2test\0\0")], ANSWERED),
    ("3.2/1 HEADERS", lambda t: [head(t)], ANSWERED),
    ("3.2/2 padded HEADERS", lambda t: [frame(HEADERS, 5 | PADDED, 1, b"\2" + t.block() + bytes(2))], ANSWERED),
    ("3.2/3 with a priority", lambda t: [frame(HEADERS, 5 | PRIORITISED, 1, UNDEPENDENT + t.block())], ANSWERED),
    ("3.3/1 PRIORITY of 1", prioritised(bytes(5)), ANSWERED),
    ("3.3/2 of 256", prioritised(UNDEPENDENT), ANSWERED),
    ("3.3/3 that depends", lambda t: [frame(PRIORITY, 0, 3, b"\0\0\0\1\0"), head(t)], ANSWERED),
    ("3.3/4 exclusive", prioritised(b"\x80\0\0\0\xff"), ANSWERED),
    ("3.3/5 of a higher stream", lambda t: [frame(PRIORITY, 0, 3, UNDEPENDENT), head(t)], ANSWERED),
    ("3.4/1 RST_STREAM", lambda t: [post(t), cancel(), ping()], pongs),
    ("3.5/1 SETTINGS", lambda t: [setting(3, 100)], acknowledged),
    ("3.7/1 PING", lambda t: [ping()], pongs),
    ("3.8/1 GOAWAY", lambda t: [head(t), frame(GOAWAY, 0, 0, bytes(8))], closes),
    ("3.9/1 WINDOW_UPDATE", lambda t: [frame(WINDOW, 0, 0, b"\0\0\0\1"), head(t)], ANSWERED),
    ("3.9/2 of a stream", lambda t: [head(t), frame(WINDOW, 0, 1, b"\0\0\0\1")], ANSWERED),
    ("3.10/1 CONTINUATION", in_pieces(5), ANSWERED),
    ("3.10/2 more of them", in_pieces(5, 10), ANSWERED),
    ("4/1 GET", lambda t: [head(t)], ANSWERED),
    ("4/2 HEAD", lambda t: [head(t, fields=[(":method", "HEAD"), *REQUEST[1:]])], ANSWERED),
    ("4/3 POST", lambda t: [post(t), frame(DATA, 1, 1, b"test")], ANSWERED),
    ("4/4 POST with trailers",
     lambda t: [head(t, flags=4, fields=[*POST, ("trailer", "x-test")]), frame(DATA, 0, 1, b"test"),
                frame(HEADERS, 5, 1, t.block([("x-test", "ok")]))], ANSWERED),
    ("5/1 indexed", behind(b"\x90"), ANSWERED),
    ("5/2 incremental, indexed name", behind(b"\x7a" + VALUE), ANSWERED),
    ("5/3 the same in Huffman code", behind(b"\x7a" + H_VALUE), ANSWERED),
    ("5/4 incremental, new name", behind(b"\x40" + TEST + VALUE), ANSWERED),
    ("5/5 the same in Huffman code", behind(b"\x40" + H_TEST + H_VALUE), ANSWERED),
    ("5/6 without indexing, indexed name", behind(b"\x0f\x2b" + VALUE + b"\0" + AGENT + VALUE), ANSWERED),
    ("5/7 the same in Huffman code", behind(b"\x0f\x2b" + H_VALUE + b"\0" + H_AGENT + H_VALUE), ANSWERED),
    ("5/8 without indexing, new name", behind(b"\0" + TEST + VALUE), ANSWERED),
    ("5/9 the same in Huffman code", behind(b"\0" + H_TEST + H_VALUE), ANSWERED),
    ("5/10 never indexed, indexed name", behind(b"\x1f\x2b" + VALUE + b"\x10" + AGENT + VALUE), ANSWERED),
    ("5/11 the same in Huffman code", behind(b"\x1f\x2b" + H_VALUE + b"\x10" + H_AGENT + H_VALUE), ANSWERED),
    ("5/12 never indexed, new name", behind(b"\x10" + TEST + VALUE), ANSWERED),
    ("5/13 the same in Huffman code", behind(b"\x10" + H_TEST + H_VALUE), ANSWERED),
    ("5/14 a table size", before(b"\x3f\x61"), ANSWERED),
    ("5/15 two table sizes", before(b"\x3f\x61\x3f\xe1\x1f"), ANSWERED),
]  # fmt: skip
BROKEN = connection_error(COMPRESSION)
HPACK: list[tuple[str, Any, Any]] = [
    ("2.3.3/1 an index beyond the tables", behind(b"\xc6"), BROKEN),
    ("2.3.3/2 a name beyond the tables", behind(b"\x7f\x07\0"), BROKEN),
    ("4.2/1 a table size at the end", behind(b"\x21"), BROKEN),
    ("5.2/1 padding of more than 7 bits", behind(b"\0" + H_TEST + b"\x84\x49\x50\x9f\xff"), BROKEN),
    ("5.2/2 padding of zeros", behind(b"\0" + H_TEST + b"\x83\x49\x50\x90"), BROKEN),
    ("5.2/3 the end of strings in a string", behind(b"\0" + H_TEST + b"\x87\x49\x51\xff\xff\xff\xfa\x7f"), BROKEN),
    ("6.1/1 the index 0", behind(b"\x80"), BROKEN),
    ("6.3/1 a table size above the limit", before(b"\x3f\xe2\x1f"), BROKEN),
]  # fmt: skip
