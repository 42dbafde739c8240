"""The readers of both languages side by side: for the same bytes they give the same head, or the same error in the same
words.

The cases are the seed corpus of the fuzz target, and tables for what is not readable as a file.
"""

from __future__ import annotations

import gc
import runpy
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asteri_core.api import Peer, PluginError
from asteri_http.settings import HttpSettings
from asteri_uwsgi import _native, request
from asteri_uwsgi.plugin import bind
from asteri_uwsgi.settings import UwsgiSettings

FUZZ = runpy.run_path(str(Path(__file__).parents[1] / "fuzz" / "fuzz_requests.py"))
CORPUS: dict[str, bytes] = FUZZ["CORPUS"]
PEER: Peer = FUZZ["PEER"]
pack: Callable[[list[tuple[bytes, bytes]]], bytes] = FUZZ["pack"]
read: Callable[[Any, object], Any] = FUZZ["read"]

SETTINGS = dict(zip(("default limits", "small limits", "other limits"), FUZZ["SETTINGS"], strict=True))
DEFAULT = HttpSettings()
USUAL = [(b"REQUEST_METHOD", b"GET"), (b"REQUEST_URI", b"/"), (b"HTTP_HOST", b"a")]
READERS = {"py": request.RequestReader, "c": _native.RequestReader}


def usual(*pairs: tuple[bytes, bytes]) -> bytes:
    """A good packet, where the pairs are."""
    given = {name for name, _ in pairs}
    return pack([*(pair for pair in USUAL if pair[0] not in given), *pairs])


def pieces(data: bytes) -> Iterator[bytes]:
    """Whole, with bytes behind it, and as far as it has come byte by byte."""
    yield data
    yield data + b"\0"
    yield data + usual()
    for size in range(len(data)):
        yield data[:size]


def assert_same(data: bytes, settings: HttpSettings = DEFAULT) -> Any:
    expected = read(request.RequestReader(settings), data)
    assert read(_native.RequestReader(settings), data) == expected, data
    return expected


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("data", CORPUS.values(), ids=CORPUS)
def test_a_packet_of_the_corpus_is_read_alike(data: bytes, settings: HttpSettings) -> None:
    for piece in pieces(data):
        assert_same(piece, settings)


LIMITS = HttpSettings(
    limit_request_line=40, limit_request_field_size=40, limit_request_fields=3, limit_request_head=100
)
AT_LIMITS: dict[str, tuple[bytes, int]] = {
    "a line of 40 bytes": (usual((b"REQUEST_URI", b"/" + b"a" * 26)), 0),
    "a line of 41 bytes": (usual((b"REQUEST_URI", b"/" + b"a" * 27)), 414),
    "a line of 40 bytes by a path": (usual((b"REQUEST_URI", b""), (b"PATH_INFO", b"/" + b"\xe9" * 8 + b"aa")), 0),
    "a line of 41 bytes by a path": (usual((b"REQUEST_URI", b""), (b"PATH_INFO", b"/" + b"\xe9" * 8 + b"aaa")), 414),
    "a field of 40 bytes": (usual((b"HTTP_X", b"a" * 37)), 0),
    "a field of 41 bytes": (usual((b"HTTP_X", b"a" * 38)), 431),
    "a field of 40 bytes and space": (usual((b"HTTP_X", b"a" * 37 + b" " * 40)), 0),
    "3 fields": (usual((b"HTTP_X", b""), (b"HTTP_Y", b"")), 0),
    "4 fields": (usual((b"HTTP_X", b""), (b"HTTP_Y", b""), (b"HTTP_Z", b"")), 431),
    "4 fields, one of them dropped": (usual((b"HTTP_X", b""), (b"HTTP_Y", b""), (b"HTTP_TE", b"")), 0),
    "4 fields, one of its own variable": (usual((b"HTTP_X", b""), (b"HTTP_Y", b""), (b"CONTENT_TYPE", b"a")), 431),
    "a head of 100 bytes": (usual((b"HTTP_X", b"a" * 37), (b"HTTP_Y", b"a" * 26)), 0),
    "a head of 101 bytes": (usual((b"HTTP_X", b"a" * 37), (b"HTTP_Y", b"a" * 27)), 431),
    "a line of 40 bytes by its method": (usual((b"REQUEST_METHOD", b"G" * 29)), 0),
    "a line of 41 bytes by its method": (usual((b"REQUEST_METHOD", b"G" * 30)), 414),
    "a method of 33 bytes": (usual((b"REQUEST_METHOD", b"G" * 33)), 501),
}  # fmt: skip
"""Packets at a limit and one above; the status, 0 for a good one."""


@pytest.mark.parametrize(("data", "status"), AT_LIMITS.values(), ids=AT_LIMITS)
def test_limits_hold_to_the_byte_in_both(data: bytes, status: int) -> None:
    found = assert_same(data, LIMITS)
    assert (found[1] if len(found) == 2 else 0) == status


def test_a_limit_that_no_message_reaches_is_none() -> None:
    data = usual((b"REQUEST_URI", b"/" + b"a" * 60000))
    beyond = HttpSettings(limit_request_line=1 << 70, limit_request_head=1 << 63, limit_request_field_size=1 << 64)
    assert assert_same(data, beyond)[0] is request.RequestHead


LARGE = {
    "of 65535 bytes": usual((b"HTTP_X", b"a" * (65535 - len(usual((b"HTTP_X", b""))) + 4))),
    "of 65535 bytes that are not seen": usual((b"X", b"a" * (65535 - len(usual((b"X", b""))) + 4))),
    "of 5957 variables": pack([(b"%07x" % (number + 0xA000000), b"") for number in range(5957)]),
    "of 5957 variables and the first again": pack(
        [(b"%07x" % (number + 0xA000000), b"") for number in [*range(5956), 0]]
    ),
    "of 13107 variables": pack([(b"A", b"")] * 13107),
    "of 16383 sizes": struct.pack("<BHB", 0, 65532, 0) + b"\0" * 65532,
}


@pytest.mark.parametrize("data", LARGE.values(), ids=LARGE)
def test_a_large_packet_is_read_alike(data: bytes) -> None:
    assert len(data) > 65500
    for piece in (data, data + b"body", data[:-1]):
        assert_same(piece)


def test_a_change_of_any_byte_to_any_other_is_judged_alike() -> None:
    data = usual((b"REQUEST_URI", b"/a%41"), (b"HTTP_X_Y", b"z"), (b"REMOTE_ADDR", b"1.2.3.4"), (b"REMOTE_PORT", b"1"))
    twins = [make(DEFAULT) for make in READERS.values()]
    for index in range(len(data)):
        for byte in range(256):
            changed = data[:index] + bytes([byte]) + data[index + 1 :]
            python, native = (read(reader, changed) for reader in twins)
            assert native == python, changed


ADDRESSES = [
    *(b"%d.0.0.1" % number for number in range(258)), *(b"1.2.3.%d" % number for number in range(258)),
    b"1.2.3", b"1.2.3.", b".1.2.3", b"1..2.3", b"1.2.3.4.", b"1.2.3.4.5", b"01.2.3.4", b"1.2.3.00", b"1.2.3.0004",
    b" 1.2.3.4", b"1.2.3.4 ", b"1.2.3.a", b"1.2.3.-1", b"1.2.3.4/32", b"16909060", b"unix:", b"unix", b"localhost",
    b"\xb9.2.3.4", b"\xc2\xb9.2.3.4", b":", b":::", b"::::", b":1", b"1:", b":1:", b"::1:", b":1::", b"1::2::3",
    b"::00", b"::01", b"::0", b"12345::", b"1:2:3:4:5:6:7:8:9", b"1:2:3:4:5:6:7:8::", b"::1:2:3:4:5:6:7:8",
    b"1:2:3:4:5:6:7::", b"::2:3:4:5:6:7:8", b"1:2:3::5:6:7:8", b"[::1]", b"fe80::1%1", b"2001:DB8::", b"g::", b"::1/64",
    b"::ffff:1.2.3.4", b"::ffff:102:304", b"::fffe:102:304", b"::1:ffff:102:304", b"::1.2.3.4", b"64:ff9b::1.2.3.4",
]  # fmt: skip


def ipv6_addresses() -> Iterator[bytes]:
    """Every pattern of zeros, written out, and shortened in every place and length."""
    for pattern in range(256):
        groups = [b"a%d" % index if pattern >> index & 1 else b"0" for index in range(8)]
        yield b":".join(groups)
        for start in range(9):
            for end in range(start, 9):
                yield b":".join(groups[:start]) + b"::" + b":".join(groups[end:])


def test_every_ipv6_address_is_read_alike() -> None:
    python, native = (make(DEFAULT) for make in READERS.values())
    for address in ipv6_addresses():
        data = pack([*USUAL, (b"REMOTE_ADDR", address)])
        assert read(native, data) == read(python, data), address


@pytest.mark.parametrize("port", [b"", b"80", b"65536"])
def test_every_address_is_read_alike(port: bytes) -> None:
    for address in ADDRESSES:
        assert_same(usual((b"REMOTE_ADDR", address), (b"REMOTE_PORT", port)))


def test_every_byte_of_a_path_is_encoded_alike() -> None:
    for byte in range(256):
        assert_same(usual((b"REQUEST_URI", b""), (b"PATH_INFO", b"/a%cb" % byte), (b"QUERY_STRING", b"q")))


def test_the_twins_drop_the_same_fields() -> None:
    for field in [*request.DROPPED, *(field + b"s" for field in request.DROPPED), b"proxy", b"proxies"]:
        for change in (bytes.upper, bytes.lower):
            assert_same(usual((b"HTTP_" + change(field.replace(b"-", b"_")), b"a")))


# -- memory ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", CORPUS.values(), ids=CORPUS)
def test_no_byte_before_or_behind_a_packet_is_touched(data: bytes, guarded: Any) -> None:
    python, native = (make(DEFAULT) for make in READERS.values())
    for place in (guarded.at_end, guarded.at_start):
        for size in range(len(data) + 1):
            assert read(native, place(data[:size])) == read(python, data[:size])


def test_a_head_stays_when_the_packet_goes() -> None:
    data = bytearray(usual((b"HTTP_X", b"value")))
    [head, size] = _native.RequestReader(DEFAULT).read(data, PEER)  # type: ignore[misc]
    data[:] = b"\xff" * size
    gc.collect()
    assert head == request.RequestReader(DEFAULT).read(usual((b"HTTP_X", b"value")), PEER)[0]  # type: ignore[index]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("make", READERS.values(), ids=READERS)
def test_bytes_of_any_kind_are_taken(make: Any, kind: Any) -> None:
    assert make(DEFAULT).read(kind(usual()), PEER)[0].target == b"/"


@pytest.mark.parametrize("limits", [(), (None,), (object(),), (DEFAULT, DEFAULT)])
def test_the_native_reader_needs_settings(limits: Any) -> None:
    with pytest.raises((TypeError, AttributeError)):
        _native.RequestReader(*limits)


@pytest.mark.parametrize(
    "given", [(), (usual(),), ("text", PEER), (usual(), None), (usual(), ("a", "b")), (usual(), PEER, 1)]
)
def test_the_native_reader_needs_bytes_and_a_peer(given: Any) -> None:
    with pytest.raises(TypeError):
        _native.RequestReader(DEFAULT).read(*given)


# -- which one serves --------------------------------------------------------------------------------------------------


def reader_of(connection: Any) -> type:
    return type(connection._reader)


@pytest.fixture
def config() -> Any:
    return {HttpSettings: DEFAULT, UwsgiSettings: UwsgiSettings()}


@pytest.mark.parametrize(("word", "twin"), [("python", "py"), ("native", "c"), ("", "c")])
def test_the_environment_says_which_twin_serves(
    monkeypatch: pytest.MonkeyPatch, config: Any, word: str, twin: str
) -> None:
    monkeypatch.setenv("ASTERI_IMPL", word)
    assert reader_of(bind(config)(PEER, 0.0)) is READERS[twin]


def test_where_the_native_twin_has_not_been_built_python_serves_unless_native_is_forced(
    monkeypatch: pytest.MonkeyPatch, config: Any
) -> None:
    monkeypatch.setitem(sys.modules, "asteri_uwsgi._native", None)
    monkeypatch.delenv("ASTERI_IMPL", raising=False)
    assert reader_of(bind(config)(PEER, 0.0)) is request.RequestReader
    monkeypatch.setenv("ASTERI_IMPL", "native")
    with pytest.raises(PluginError, match=r"asteri_uwsgi\._native was not built"):
        bind(config)
