"""24. Frames of HTTP/2 that no client may send, states that do not allow them, and header blocks that cannot be read.

RFC 9113 sections 4 to 6, RFC 7541. An error of the connection ends it with its code, and what stands behind it does not
run; an error of a stream ends that one. CVE-2016-1544 and CVE-2019-9517 (nghttp2, Apache httpd), CVE-2016-6581 (hpack:
"HPACK bomb"), CVE-2024-27316 and its relatives (CONTINUATION).
"""

from __future__ import annotations

import struct

from ..http2 import (
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GET,
    GOAWAY,
    HEADERS,
    MAX_FRAME,
    NO_ERROR,
    PADDED,
    PING,
    PRIORITISED,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    Http2Client,
    data,
    fields,
    frame,
    reset,
    settings,
    window,
)
from ..streams import Reset, StreamCase, ends, unique

BOTH = END_STREAM | END_HEADERS
ROOT = ("GET /", b"")


def get(peer: Http2Client, stream: int = 1) -> bytes:
    return peer.head(stream, GET)


def post(peer: Http2Client, stream: int = 1) -> bytes:
    return peer.head(stream, fields(method=b"POST"), False)


def block(peer: Http2Client, before: bytes = b"", behind: bytes = b"", stream: int = 1) -> bytes:
    """A whole request with other bytes of HPACK around its block."""
    return frame(HEADERS, BOTH, stream, before + peer.encoder.encode(GET) + behind)


STREAMS = [
    *(
        ends(f"stream {second} behind 5", PROTOCOL_ERROR, lambda t, n=second: post(t, 5) + block(t, stream=n))
        for second in (4, 2, 3, 1)
    ),
    ends("stream 2", PROTOCOL_ERROR, lambda t: frame(HEADERS, BOTH, 2, t.encoder.encode(GET))),
    ends("HEADERS on stream 0", PROTOCOL_ERROR, lambda t: frame(HEADERS, BOTH, 0, t.encoder.encode(GET))),
    ends("DATA on an idle stream", PROTOCOL_ERROR, lambda t: data(1, b"x")),
    ends("DATA on stream 0", PROTOCOL_ERROR, lambda t: data(0, b"x")),
    ends("RST_STREAM on an idle stream", PROTOCOL_ERROR, lambda t: reset(1)),
    ends("RST_STREAM on stream 0", PROTOCOL_ERROR, lambda t: reset(0)),
    ends("WINDOW_UPDATE on an idle stream", PROTOCOL_ERROR, lambda t: window(1, 1)),
    ends("CONTINUATION from nowhere", PROTOCOL_ERROR, lambda t: frame(CONTINUATION, END_HEADERS, 1, b"")),
    ends("PRIORITY on stream 0", PROTOCOL_ERROR, lambda t: frame(PRIORITY, 0, 0, bytes(5))),
    ends(
        "PUSH_PROMISE",
        PROTOCOL_ERROR,
        lambda t: frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + t.encoder.encode(GET)),
    ),
    StreamCase("HEADERS behind RST_STREAM", lambda t: post(t) + reset(1) + get(t), {1: Reset(STREAM_CLOSED)}),
    StreamCase("DATA behind RST_STREAM", lambda t: post(t) + reset(1) + data(1, b"x"), {1: Reset(STREAM_CLOSED)}),
    StreamCase("a window above 2^31 - 1", lambda t: post(t) + window(1, 2**31 - 1), {1: Reset(FLOW_CONTROL_ERROR)}),
    StreamCase("trailers with a pseudo-header field", lambda t: post(t) + t.head(1, GET), {1: Reset()}),
    ends("trailers that do not end", PROTOCOL_ERROR, lambda t: post(t) + frame(HEADERS, END_HEADERS, 1, b"")),
    ends("a stream that depends on itself", PROTOCOL_ERROR, lambda t: frame(PRIORITY, 0, 1, b"\0\0\0\1\0")),
]
FRAMES = [
    *(
        ends(f"{name} of {size} bytes", FRAME_SIZE_ERROR, lambda t, k=kind, s=stream, n=size: frame(k, 0, s, bytes(n)))
        for name, kind, stream, sizes in (
            ("PING", PING, 0, (0, 7, 9)),
            ("WINDOW_UPDATE", WINDOW_UPDATE, 0, (0, 3, 5)),
            ("SETTINGS", SETTINGS, 0, (1, 5, 7)),
            ("RST_STREAM", RST_STREAM, 1, (0, 3, 5)),
            ("PRIORITY", PRIORITY, 1, (0, 4, 6)),
            ("GOAWAY", GOAWAY, 0, (0, 7)),
            ("DATA", DATA, 1, (MAX_FRAME + 1,)),
            ("HEADERS", HEADERS, 1, (MAX_FRAME + 1,)),
            ("an unknown frame", 0xFF, 0, (MAX_FRAME + 1,)),
        )
        for size in sizes
    ),
    ends("a frame of 16 MiB", FRAME_SIZE_ERROR, lambda t: frame(DATA, 0, 1, b"", length=(1 << 24) - 1)),
    ends("SETTINGS with ACK and a payload", FRAME_SIZE_ERROR, lambda t: frame(SETTINGS, 1, 0, bytes(6))),
    *(
        ends(f"{name} on a stream", PROTOCOL_ERROR, lambda t, k=kind, n=size: frame(k, 0, 1, bytes(n)))
        for name, kind, size in (("PING", PING, 8), ("SETTINGS", SETTINGS, 0), ("GOAWAY", GOAWAY, 8))
    ),
    *(
        ends(f"setting {code} of {value}", error, lambda t, pair=(code, value): settings(pair))
        for code, value, error in (
            (2, 2, PROTOCOL_ERROR),
            (4, 1 << 31, FLOW_CONTROL_ERROR),
            (5, MAX_FRAME - 1, PROTOCOL_ERROR),
            (5, 1 << 24, PROTOCOL_ERROR),
            (8, 2, PROTOCOL_ERROR),
        )
    ),
    ends("WINDOW_UPDATE of 0", PROTOCOL_ERROR, lambda t: window(0, 0)),
    ends("WINDOW_UPDATE of 0 on a stream", PROTOCOL_ERROR, lambda t: post(t) + window(1, 0)),
    ends("a window of the connection above 2^31 - 1", FLOW_CONTROL_ERROR, lambda t: window(0, 2**31 - 1)),
    ends("DATA with too much padding", PROTOCOL_ERROR, lambda t: post(t) + frame(DATA, PADDED, 1, b"\x09xx")),
    ends(
        "DATA that is all padding and more",
        PROTOCOL_ERROR,
        lambda t: post(t) + frame(DATA, PADDED, 1, b"\xff" + bytes(254)),
    ),
    ends(
        "HEADERS with too much padding",
        PROTOCOL_ERROR,
        lambda t: frame(HEADERS, BOTH | PADDED, 1, b"\xff" + t.encoder.encode(GET)),
    ),
    StreamCase("a frame of an unknown kind", lambda t: frame(0xFF, 0xFF, 0, b"x") + get(t), {1: 200}, saw=(ROOT,)),
    StreamCase("an unknown setting", lambda t: settings((0xFFFF, 1)) + get(t), {1: 200}, saw=(ROOT,)),
    StreamCase("reserved bits", lambda t: frame(PING, 0xFE, 1 << 31, bytes(8)) + get(t), {1: 200}, saw=(ROOT,)),
    StreamCase(
        "padding and priority",
        lambda t: frame(
            HEADERS, BOTH | PADDED | PRIORITISED, 1, b"\2" + bytes(4) + b"\xff" + t.encoder.encode(GET) + b"\0\0"
        ),
        {1: 200},
        saw=(ROOT,),
    ),
    StreamCase("PRIORITY first", lambda t: frame(PRIORITY, 0, 1, b"\0\0\0\3\0") + get(t), {1: 200}, saw=(ROOT,)),
]
BLOCKS = [
    ends("a frame within a block", PROTOCOL_ERROR, lambda t: frame(HEADERS, 1, 1, b"") + frame(PING, 0, 0, bytes(8))),
    ends("another stream within a block", PROTOCOL_ERROR, lambda t: frame(HEADERS, 1, 1, b"") + get(t, 3)),
    ends(
        "the block goes on on another stream",
        PROTOCOL_ERROR,
        lambda t: frame(HEADERS, 1, 1, b"") + frame(CONTINUATION, END_HEADERS, 3, t.encoder.encode(GET)),
    ),
    ends(
        "the block goes on behind its end", PROTOCOL_ERROR, lambda t: post(t) + frame(CONTINUATION, END_HEADERS, 1, b"")
    ),
    ends("an index that is not in the tables", COMPRESSION_ERROR, lambda t: block(t, b"\xff\x00")),
    ends("the index 0", COMPRESSION_ERROR, lambda t: block(t, b"\x80")),
    ends("a name of an index that is not in the tables", COMPRESSION_ERROR, lambda t: block(t, behind=b"\x7f\x07\0")),
    *(
        ends(
            f"an integer of {size} bytes, first {first:#04x}",
            COMPRESSION_ERROR,
            lambda t, a=first, n=size: block(t, bytes([a]) + b"\xff" * n + b"\x7f"),
        )
        for first in (0x7F, 0x0F, 0x1F, 0x3F, 0xFF)
        for size in (4, 9, 16, 1000)
    ),
    ends("an integer that never ends", COMPRESSION_ERROR, lambda t: block(t, behind=b"\x0f" + b"\xff" * 200)),
    ends(
        "a string that is longer than the block", COMPRESSION_ERROR, lambda t: block(t, behind=b"\0\x7f\xff\xff\x7fabc")
    ),
    ends("a string of 2^62 bytes", COMPRESSION_ERROR, lambda t: block(t, behind=b"\0\x7f" + b"\xff" * 8 + b"\x3fx")),
    ends("a name without a value", COMPRESSION_ERROR, lambda t: block(t, behind=b"\0\1x")),
    ends(
        "Huffman padded by zeros",
        COMPRESSION_ERROR,
        lambda t: block(t, behind=b"\0\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90"),
    ),
    ends(
        "Huffman with more than 7 bits of padding",
        COMPRESSION_ERROR,
        lambda t: block(t, behind=b"\0\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff"),
    ),
    ends(
        "Huffman with its end in it",
        COMPRESSION_ERROR,
        lambda t: block(t, behind=b"\0\x85\xf2\xb2\x4a\x84\xff\x87\x49\x51\xff\xff\xff\xfa\x7f"),
    ),
    ends("a table size above ours", COMPRESSION_ERROR, lambda t: block(t, b"\x3f\xe2\x1f")),
    ends("a table size of 2^32", COMPRESSION_ERROR, lambda t: block(t, b"\x3f\xe1\xff\xff\xff\x0f")),
    ends("a table size behind a field", COMPRESSION_ERROR, lambda t: block(t, behind=b"\x20")),
    StreamCase("table sizes that go up and down", lambda t: block(t, b"\x20\x3f\xe1\x1f"), {1: 200}, saw=(ROOT,)),
    ends(
        "a bomb: one large field, thousands of times",
        ENHANCE_YOUR_CALM,
        lambda t: t.head(1, fields((b"x", b"y" * 3000)), False) + frame(HEADERS, BOTH, 3, b"\xbe" * MAX_FRAME),
    ),
    ends("a bomb of the static table", ENHANCE_YOUR_CALM, lambda t: frame(HEADERS, BOTH, 1, b"\x90" * MAX_FRAME)),
]
ENDS = [
    StreamCase(
        "GOAWAY, and then the answer", lambda t: get(t) + frame(GOAWAY, 0, 0, bytes(8)), {1: 200}, NO_ERROR, (ROOT,)
    ),
    StreamCase(
        "GOAWAY with an unknown code",
        lambda t: get(t) + frame(GOAWAY, 0, 0, struct.pack("!II", 0, 0xFFFFFFFF)),
        {1: 200},
        NO_ERROR,
        (ROOT,),
    ),
    StreamCase("RST_STREAM with an unknown code", lambda t: post(t) + reset(1, 0xFFFFFFFF)),
]
CASES = unique([*STREAMS, *FRAMES, *BLOCKS, *ENDS])
