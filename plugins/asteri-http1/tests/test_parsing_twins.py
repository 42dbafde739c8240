"""The parsers of both languages side by side: for the same bytes, cut in the same way, they give the same heads and the
same content, or the same error in the same words.

The cases are the seed corpus of the fuzz target, and tables for what is not readable as a file.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from asteri_core.api import RemoteProtocolError
from asteri_http.settings import HttpSettings
from asteri_http1 import _native, chunked, parser

FUZZ = runpy.run_path(str(Path(__file__).parents[1] / "fuzz" / "fuzz_twins.py"))
HEADS: dict[str, bytes] = FUZZ["HEADS"]
CHUNKS: dict[str, bytes] = FUZZ["CHUNKS"]
read_heads, decode = FUZZ["read_heads"], FUZZ["decode"]

PARSERS = {"py": parser.HeadParser, "c": _native.HeadParser}
DECODERS = {"py": chunked.ChunkDecoder, "c": _native.ChunkDecoder}

DEFAULT = HttpSettings()
SMALL = HttpSettings(
    limit_request_line=60,
    limit_request_field_size=40,
    limit_request_fields=4,
    limit_request_head=150,
    limit_request_body=20,
)
SETTINGS = {"default limits": DEFAULT, "small limits": SMALL}

GOOD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def head(*lines: bytes, request_line: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join([request_line, b"Host: a", *lines]) + b"\r\n\r\n"


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """Whole, byte by byte, with bytes behind it, and in two pieces at every index."""
    yield [data]
    yield [data[index : index + 1] for index in range(len(data))]
    yield [data + b"rest"]
    yield [data + GOOD]
    for index in range(1, min(len(data), 400)):
        yield [data[:index], data[index:]]


def assert_same_heads(data: bytes, settings: HttpSettings) -> list[object]:
    for pieces in cuts(data):
        expected = read_heads(parser.HeadParser(settings), pieces)
        assert read_heads(_native.HeadParser(settings), pieces) == expected, pieces
    return read_heads(_native.HeadParser(settings), [data])


def assert_same_content(data: bytes, settings: HttpSettings) -> list[object]:
    for pieces in cuts(data):
        expected = decode(chunked.ChunkDecoder(settings), pieces)
        assert decode(_native.ChunkDecoder(settings), pieces) == expected, pieces
    return decode(_native.ChunkDecoder(settings), [data])


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("data", HEADS.values(), ids=HEADS)
def test_a_head_of_the_corpus_is_read_alike(data, settings):
    assert_same_heads(data, settings)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("data", CHUNKS.values(), ids=CHUNKS)
def test_a_body_of_the_corpus_is_decoded_alike(data, settings):
    assert_same_content(data, settings)


LIMITS = HttpSettings(
    limit_request_line=40,
    limit_request_field_size=40,
    limit_request_fields=4,
    limit_request_head=120,
    limit_request_body=20,
)
AT_LIMITS: dict[str, tuple[bytes, int]] = {
    "a line of 40 bytes": (head(request_line=b"GET /" + b"a" * 26 + b" HTTP/1.1"), 0),
    "a line of 41 bytes": (head(request_line=b"GET /" + b"a" * 27 + b" HTTP/1.1"), 414),
    "a line of 39 bytes behind an empty one": (b"\r\n" + head(request_line=b"GET /" + b"a" * 25 + b" HTTP/1.1"), 414),
    "a line of 38 bytes behind an empty one": (b"\r\n" + head(request_line=b"GET /" + b"a" * 24 + b" HTTP/1.1"), 0),
    "a field of 40 bytes": (head(b"X: " + b"a" * 37), 0),
    "a field of 41 bytes": (head(b"X: " + b"a" * 38), 431),
    "a field of 40 bytes and space": (head(b"X: " + b" " * 37), 0),
    "4 fields": (head(*[b"X: a"] * 3), 0),
    "5 fields": (head(*[b"X: a"] * 4), 431),
    "5 fields, one of them dropped": (head(*[b"X_Y: a"] * 4), 431),
    "a head of 120 bytes": (head(b"X: " + b"a" * 35, b"Y: " + b"a" * 35, b"Z: " + b"a" * 8), 0),
    "a head of 121 bytes": (head(b"X: " + b"a" * 35, b"Y: " + b"a" * 35, b"Z: " + b"a" * 9), 431),
    "a limit before a bad byte": (b"G" * 43 + b"\x00", 414),
    "a bad byte at the limit": (b"G" * 42 + b"\x00", 400),
    "a bad byte in too long a field": (head(b"X: " + b"a" * 40 + b"\x00"), 431),
    "a version of no meaning in too long a line": (head(request_line=b"GET /" + b"a" * 27 + b" HTTP/9.9"), 414),
}
"""Heads at a limit, one below and one above; the status, 0 for a good one."""


@pytest.mark.parametrize(("data", "status"), AT_LIMITS.values(), ids=AT_LIMITS)
def test_limits_hold_to_the_byte_in_both(data, status):
    last = assert_same_heads(data, LIMITS)[-1]
    assert (last[1] if len(last) == 3 else 0) == status


@pytest.mark.parametrize("field", ["limit_request_line", "limit_request_field_size", "limit_request_head"])
@pytest.mark.parametrize("limit", [64, 90])
def test_every_size_around_a_limit_is_judged_alike(field, limit):
    settings = HttpSettings(**{field: limit})
    for size in range(limit - 8, limit + 8):
        for data in (
            head(request_line=b"GET /" + b"a" * (size - 14) + b" HTTP/1.1"),
            head(b"X: " + b"a" * (size - 3)),
            head(b"X: " + b"a" * (size - len(head(b"X: ")))),
            head(b"X: " + b"a" * (size - len(head(b"X: "))), b"Y: b"),
        ):
            for pieces in ([data], [data + GOOD], [data[:30], data[30:]]):
                expected = read_heads(parser.HeadParser(settings), pieces)
                assert read_heads(_native.HeadParser(settings), pieces) == expected, pieces


LARGE = {
    "of 100 fields": head(*[b"X-%d: a" % number for number in range(99)]),
    "of 101 fields": head(*[b"X-%d: a" % number for number in range(100)]),
    "with a line of 8190 bytes": head(request_line=b"GET /" + b"a" * 8176 + b" HTTP/1.1"),
    "with a line of 8191 bytes": head(request_line=b"GET /" + b"a" * 8177 + b" HTTP/1.1"),
    "with a field of 8190 bytes": head(b"X: " + b"a" * 8187),
    "with a field of 8191 bytes": head(b"X: " + b"a" * 8188),
    "of 60 kB": head(*[b"X: " + b"a" * 6000] * 10),
    "of 70 kB": head(*[b"X: " + b"a" * 7000] * 10),
    "without an end of its method": b"G" * 70000,
    "without an end of its name": b"GET / HTTP/1.1\r\n" + b"X" * 70000,
}


@pytest.mark.parametrize("data", LARGE.values(), ids=LARGE)
def test_a_large_head_is_read_alike(data):
    for size in (1, 7, 512, 4096, 8191, 100000):
        pieces = [data[index : index + size] for index in range(0, len(data), size)]
        assert read_heads(_native.HeadParser(DEFAULT), pieces) == read_heads(parser.HeadParser(DEFAULT), pieces)


def test_a_change_of_any_byte_to_any_other_is_judged_alike():
    data = b"GET /a%41 HTTP/1.1\r\nHost: a:8\r\nX-Y: z\r\n\r\n"
    for index in range(len(data)):
        for byte in range(256):
            changed = data[:index] + bytes([byte]) + data[index + 1 :]
            for pieces in ([changed], [changed[:20], changed[20:]]):
                expected = read_heads(parser.HeadParser(DEFAULT), pieces)
                assert read_heads(_native.HeadParser(DEFAULT), pieces) == expected, pieces


def test_a_change_of_any_byte_of_a_body_is_judged_alike():
    data = b'5;a="b\\c";d=e\r\nhello\r\n0\r\nX-A: b\r\n\r\n'
    for index in range(len(data)):
        for byte in range(256):
            changed = data[:index] + bytes([byte]) + data[index + 1 :]
            for pieces in ([changed], [changed[:16], changed[16:]]):
                expected = decode(chunked.ChunkDecoder(DEFAULT), pieces)
                assert decode(_native.ChunkDecoder(DEFAULT), pieces) == expected, pieces


BODIES: dict[str, tuple[bytes, HttpSettings]] = {
    "at its limit": (b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", SMALL),
    "above its limit": (b"a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", SMALL),
    "far above its limit": (b"1\r\na\r\nffffffffffffffff\r\n", SMALL),
    "above every limit": (b"ffffffffffffffff\r\nab", HttpSettings(limit_request_body=0)),
    "without a limit that could be reached": (
        b"1\r\na\r\nffffffffffffffff\r\nab",
        HttpSettings(limit_request_body=1 << 70),
    ),
    "at the largest limit": (b"1\r\na\r\n7ffffffffffffffe\r\nab", HttpSettings(limit_request_body=(1 << 63) - 1)),
    "above the largest limit": (b"1\r\na\r\n7fffffffffffffff\r\nab", HttpSettings(limit_request_body=(1 << 63) - 1)),
    "with 8192 bytes of extensions": (b"1;" + b"a" * 8191 + b"\r\nx\r\n0\r\n\r\n", DEFAULT),
    "with 8193 bytes of extensions": (b"1;" + b"a" * 8192 + b"\r\nx\r\n0\r\n\r\n", DEFAULT),
    "with as many trailers as it may have": (b"0\r\n" + b"X-A: b\r\n" * 4 + b"\r\n", SMALL),
    "with a trailer too many": (b"0\r\n" + b"X-A: b\r\n" * 5 + b"\r\n", SMALL),
    "with a trailer of 40 bytes": (b"0\r\nX-A: " + b"b" * 35 + b"\r\n\r\n", SMALL),
    "with a trailer of 41 bytes": (b"0\r\nX-A: " + b"b" * 36 + b"\r\n\r\n", SMALL),
    "with 150 bytes of trailers": (b"0\r\n" + (b"X-A: " + b"b" * 30 + b"\r\n") * 4 + b"\r\n", SMALL),
    "with 152 bytes of trailers": (
        b"0\r\n" + (b"X-A: " + b"b" * 31 + b"\r\n") * 3 + b"X-A: " + b"b" * 30 + b"\r\n\r\n",
        SMALL,
    ),
}


@pytest.mark.parametrize(("data", "settings"), BODIES.values(), ids=BODIES)
def test_limits_of_a_body_hold_to_the_byte_in_both(data, settings):
    sizes = (1, 3, 4096, 100000)
    for pieces in [[data[index : index + size] for index in range(0, len(data), size)] for size in sizes]:
        expected = decode(chunked.ChunkDecoder(settings), pieces)
        assert decode(_native.ChunkDecoder(settings), pieces) == expected


def test_a_content_length_of_any_size_is_read_alike():
    for text in (b"0", b"1", b"9223372036854775807", b"9223372036854775808", b"9" * 19, b"9" * 20):
        assert_same_heads(head(b"Content-Length: " + text), DEFAULT)


# -- what the C parser keeps -------------------------------------------------------------------------------------------


def test_heads_that_come_again_are_read_as_the_first_time():
    """More heads than are kept, of sizes around the largest that is, in an order that finds and replaces them."""
    heads = [head(b"X-Number: %d" % number) for number in range(200)]
    heads += [head(b"X: " + b"a" * (size - len(head(b"X: ")))) for size in range(1016, 1032)]
    heads += [head(request_line=b"GET /%d HTTP/1.1" % number) for number in range(64)]
    native, python = _native.HeadParser(DEFAULT), parser.HeadParser(DEFAULT)
    twice = [piece for data in heads for piece in (data, data, data + GOOD)]
    for data in [*heads, *heads, *reversed(heads), *twice]:
        assert read_heads(native, [data]) == read_heads(python, [data])


def test_a_head_that_begins_as_the_last_one_is_not_taken_for_it():
    native, python = _native.HeadParser(DEFAULT), parser.HeadParser(DEFAULT)
    for data in (GOOD, GOOD[:-2] + b"X: b\r\n\r\n", GOOD + GOOD, GOOD[:-1], b"\nGET"):
        assert read_heads(native, [data]) == read_heads(python, [data])


def test_a_head_that_was_refused_is_refused_again():
    native = _native.HeadParser(DEFAULT)
    assert native.feed(GOOD)
    for _ in range(2):
        with pytest.raises(RemoteProtocolError, match="expected host"):
            native.feed(b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n")


@pytest.mark.parametrize("make", PARSERS.values(), ids=PARSERS)
def test_a_usual_name_is_one_object_in_every_request(make):
    for name in parser.USUAL_NAMES:
        if name in (b"content-length", b"transfer-encoding", b"expect", b"host"):
            continue
        found = []
        for spelling in (name, name.title()):
            request, _ = make(DEFAULT).feed(head(spelling + b": a"))
            found.append(request.headers[-1][0])
        assert found[0] is found[1]
        assert found[0] == name


@pytest.mark.parametrize("make", PARSERS.values(), ids=PARSERS)
def test_framing_and_host_fields_have_one_object_for_their_name_too(make):
    for field in (b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Expect: 100-continue"):
        names = [make(DEFAULT).feed(head(field + behind))[0].headers[-1][0] for behind in (b"", b" ")]
        assert names[0] is names[1]
    hosts = [make(DEFAULT).feed(GOOD + rest)[0].headers[0][0] for rest in (b"", b"x")]
    assert hosts[0] is hosts[1]


def test_a_usual_method_is_an_interned_string():
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"):
        found, _ = _native.HeadParser(DEFAULT).feed(head(request_line=method.encode() + b" / HTTP/1.1"))
        assert found.method is sys.intern(method)
        assert found.version is sys.intern("1.1")


# -- memory -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", HEADS.values(), ids=HEADS)
def test_no_byte_before_or_behind_a_head_is_touched(data, guarded):
    for place in (guarded.at_end, guarded.at_start):
        for size in range(len(data) + 1):
            pieces = [data[:size], data[size:]]
            expected = read_heads(parser.HeadParser(DEFAULT), pieces)
            assert read_heads(_native.HeadParser(DEFAULT), (place(piece) for piece in pieces)) == expected


@pytest.mark.parametrize("data", CHUNKS.values(), ids=CHUNKS)
def test_no_byte_before_or_behind_a_body_is_touched(data, guarded):
    for place in (guarded.at_end, guarded.at_start):
        for size in range(len(data) + 1):
            pieces = [data[:size], data[size:]]
            expected = decode(chunked.ChunkDecoder(DEFAULT), pieces)
            assert decode(_native.ChunkDecoder(DEFAULT), (place(piece) for piece in pieces)) == expected


@pytest.mark.parametrize("make", [_native.HeadParser, _native.ChunkDecoder])
@pytest.mark.parametrize("limits", [(), (None,), (object(),), (DEFAULT, DEFAULT)])
def test_a_native_parser_needs_settings(make, limits):
    with pytest.raises((TypeError, AttributeError)):
        make(*limits)


def test_a_native_parser_takes_bytes_of_any_kind_and_nothing_else():
    for data in (GOOD, bytearray(GOOD), memoryview(GOOD)):
        assert _native.HeadParser(DEFAULT).feed(data) == parser.HeadParser(DEFAULT).feed(GOOD)
    for feed in (_native.HeadParser(DEFAULT).feed, _native.ChunkDecoder(DEFAULT).decode):
        with pytest.raises(TypeError):
            feed("text")
