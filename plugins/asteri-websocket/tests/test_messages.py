"""Messages out of frames: every case whole, byte by byte and in pieces, on both twins."""

from __future__ import annotations

import itertools
import sys
import zlib

import pytest
from asteri_core.api import RemoteProtocolError
from asteri_core.settings import declared
from asteri_http.websocket import Close
from asteri_websocket.deflate import Agreement, Packer, Unpacker
from asteri_websocket.messages import Ping, Pong
from asteri_websocket.settings import WebSocketSettings
from talk import BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, close, cut, frame

LIMIT = 1 << 20
EURO = "€".encode()

GOOD = {
    "empty-text": (frame(TEXT), [""]),
    "empty-binary": (frame(BINARY), [b""]),
    "text": (frame(TEXT, b"hello"), ["hello"]),
    "binary": (frame(BINARY, b"\x00\xff"), [b"\x00\xff"]),
    "largest-short": (frame(BINARY, bytes(125)), [bytes(125)]),
    "smallest-of-16-bits": (frame(BINARY, bytes(126)), [bytes(126)]),
    "largest-of-16-bits": (frame(BINARY, bytes(65535)), [bytes(65535)]),
    "smallest-of-64-bits": (frame(BINARY, bytes(65536)), [bytes(65536)]),
    "largest-message": (frame(BINARY, bytes(LIMIT)), [bytes(LIMIT)]),
    "long-text": (frame(TEXT, EURO * 1000), ["€" * 1000]),
    "key-of-zeros": (frame(TEXT, b"plain", key=bytes(4)), ["plain"]),
    "two-messages": (frame(TEXT, b"a") + frame(BINARY, b"b"), ["a", b"b"]),
    "fragments": (frame(TEXT, b"he", False) + frame(CONTINUATION, b"ll", False) + frame(CONTINUATION, b"o"), ["hello"]),
    "empty-fragments": (
        frame(BINARY, b"", False) + frame(CONTINUATION, b"", False) + frame(CONTINUATION, b"x") + frame(TEXT, b"y"),
        [b"x", "y"],
    ),
    "nothing-in-fragments": (frame(TEXT, b"", False) + frame(CONTINUATION), [""]),
    "character-in-fragments": (frame(TEXT, EURO[:1], False) + frame(CONTINUATION, EURO[1:]), ["€"]),
    "control-between-fragments": (
        frame(TEXT, b"a", False) + frame(PING, b"p") + frame(PONG, b"q") + frame(CONTINUATION, b"b"),
        [Ping(b"p"), Pong(b"q"), "ab"],
    ),
    "longest-ping": (frame(PING, bytes(125)), [Ping(bytes(125))]),
    "ping-with-nothing": (frame(PING), [Ping(b"")]),
    "close-with-nothing": (close(), [Close(1005)]),
    "close": (close(1000, "€".encode()), [Close(1000, "€")]),
    "close-with-the-longest-reason": (close(4999, b"r" * 123), [Close(4999, "r" * 123)]),
    "noncharacters": (frame(TEXT, "\ufffe\U0001ffff\U0010ffff".encode()), ["\ufffe\U0001ffff\U0010ffff"]),
    "nul": (frame(TEXT, b"\0"), ["\0"]),
}

PROTOCOL, TEXT_ERROR, TOO_BIG = 1002, 1007, 1009
BAD = {
    **{f"reserved-bits-{bits}": (frame(TEXT, b"a", reserved=bits), PROTOCOL) for bits in range(1, 8)},
    **{f"reserved-bit-of-a-ping-{bits}": (frame(PING, b"a", reserved=bits), PROTOCOL) for bits in (1, 2, 4)},
    **{f"opcode-{code}": (frame(code), PROTOCOL) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "no-mask": (frame(TEXT, b"a", key=None), PROTOCOL),
    "ping-of-126": (frame(PING, bytes(126)), PROTOCOL),
    "close-of-126": (frame(CLOSE, bytes(126)), PROTOCOL),
    "ping-in-parts": (frame(PING, b"a", False), PROTOCOL),
    "close-in-parts": (frame(CLOSE, b"", False), PROTOCOL),
    "rest-of-nothing": (frame(CONTINUATION, b"a"), PROTOCOL),
    "rest-of-nothing-to-go-on": (frame(CONTINUATION, b"a", False), PROTOCOL),
    "text-within-a-text": (frame(TEXT, b"a", False) + frame(TEXT, b"b"), PROTOCOL),
    "binary-within-a-text": (frame(TEXT, b"a", False) + frame(BINARY, b"b", False), PROTOCOL),
    "length-of-16-bits-for-125": (b"\x82\xfe\x00\x7d" + KEY + bytes(125), PROTOCOL),
    "length-of-64-bits-for-65535": (b"\x82\xff" + (65535).to_bytes(8) + KEY, PROTOCOL),
    "length-of-2-to-the-63": (b"\x82\xff" + (1 << 63).to_bytes(8) + KEY, PROTOCOL),
    "length-below-2-to-the-63": (b"\x82\xff" + ((1 << 63) - 1).to_bytes(8) + KEY, TOO_BIG),
    "message-one-too-large": (frame(BINARY, bytes(LIMIT + 1)), TOO_BIG),
    "fragments-one-too-large": (frame(BINARY, bytes(LIMIT), False) + frame(CONTINUATION, b"x"), TOO_BIG),
    "close-of-one-byte": (frame(CLOSE, b"\x03"), PROTOCOL),
    **{
        f"close-code-{code}": (close(code), PROTOCOL)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    },
    "close-reason-no-utf-8": (close(1000, b"\xff"), TEXT_ERROR),
    "text-cut-within-a-character": (frame(TEXT, EURO[:2]), TEXT_ERROR),
    "text-cut-in-the-last-fragment": (frame(TEXT, b"a", False) + frame(CONTINUATION, EURO[:2]), TEXT_ERROR),
    "text-bad-in-the-first-fragment": (frame(TEXT, b"a\xff", False), TEXT_ERROR),
    **{
        f"no-utf-8-{data.hex()}": (frame(TEXT, b"a" + data), TEXT_ERROR)
        for data in (
            b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xed\xa0\x80",
            b"\xed\xbf\xbf", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80",
            b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff", b"\xe2\x28\xa1", b"\xc3\x28", b"\xf0\x9f\x98\x28",
        )
    },
}  # fmt: skip


def read_all(reader, pieces):
    found = []
    for piece in pieces:
        reader.feed(piece)
        while (message := reader.next()) is not None:
            found.append(message)
    return found


def in_pieces(data: bytes):
    """Whole, byte by byte where it is not too long, and cut at odd places."""
    yield [data]
    if len(data) <= 70000:
        yield cut(data, 1)
    yield cut(data, 7)
    yield cut(data, 16381)


@pytest.mark.parametrize("case", GOOD.values(), ids=GOOD)
def test_messages_are_read_however_they_are_cut(make_reader, case):
    data, expected = case
    for pieces in in_pieces(data):
        found = read_all(make_reader(LIMIT), pieces)
        assert found == expected
        assert [type(one) for one in found] == [type(one) for one in expected]


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_what_is_wrong_ends_with_its_code(make_reader, case):
    data, code = case
    for pieces in in_pieces(data):
        with pytest.raises(RemoteProtocolError) as caught:
            read_all(make_reader(LIMIT), pieces)
        assert caught.value.status == code


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_both_twins_say_the_same_of_what_is_wrong(case):
    from talk import READERS

    said = []
    for make in READERS.values():
        with pytest.raises(RemoteProtocolError) as caught:
            read_all(make(LIMIT), [case[0]])
        said.append(str(caught.value))
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("text", "wrong_at"),
    [(b"ab\xff", 2), (b"a\xed\xa0", 2), (b"\xf4\x90", 1), (b"\xe0\x80", 1), (b"\xc3\x28", 1), (b"\xf0\x9f\x28", 2)],
)
def test_a_text_ends_at_the_first_byte_that_shows_it_is_no_utf_8(make_reader, text, wrong_at):
    data = frame(TEXT, text + bytes(100))
    reader = make_reader(LIMIT)
    head = len(data) - len(text) - 100
    reader.feed(data[: head + wrong_at])
    assert reader.next() is None
    reader.feed(data[head + wrong_at : head + wrong_at + 1])
    with pytest.raises(RemoteProtocolError):
        reader.next()


def test_every_start_of_a_character_is_checked_as_python_checks_it(make_reader):
    """All pairs of a first and a second byte, in two fragments."""
    for first, second in itertools.product(range(0x80, 0x100), (0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0)):
        data = bytes((first, second))
        expected = data.decode(errors="ignore") if data.decode(errors="replace").find("\ufffd") < 0 else None
        reader = make_reader(LIMIT)
        reader.feed(frame(TEXT, data[:1], False) + frame(CONTINUATION, data[1:]))
        if expected is None:
            with pytest.raises(RemoteProtocolError):
                reader.next()
        else:
            assert reader.next() == expected


def test_what_is_fed_must_be_bytes():
    from asteri_websocket._native import MessageReader

    with pytest.raises(TypeError, match="expected bytes"):
        MessageReader(LIMIT).feed("text")  # type: ignore[arg-type]


# -- compressed ------------------------------------------------------------------------------------------------------


def packed(data: bytes, packer=None) -> bytes:
    packer = packer or zlib.compressobj(wbits=-15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def reader_of(make_reader, limit=LIMIT, **agreed):
    return make_reader(limit, Unpacker(Agreement(**agreed)))


@pytest.mark.parametrize("size", [0, 1, 100, 65535, 65536, LIMIT])
def test_compressed_messages_are_unpacked_however_they_are_cut(make_reader, size):
    plain = (b"asteri " * (size // 7 + 1))[:size]
    data = frame(BINARY, packed(plain), reserved=4) + frame(TEXT, packed(b"after"), reserved=4) + frame(TEXT, b"bare")
    for pieces in (*((data,),), cut(data, 1), cut(data, 11)):
        assert read_all(reader_of(make_reader, client_forgets=True), pieces) == [plain, "after", "bare"]


def test_a_compressed_message_may_come_in_fragments(make_reader):
    data = packed("€uro".encode() * 100)
    frames = frame(TEXT, data[:3], False, 4) + frame(CONTINUATION, b"", False) + frame(CONTINUATION, data[3:])
    assert read_all(reader_of(make_reader), [frames]) == ["€uro" * 100]


def test_a_message_may_refer_to_the_one_before_it(make_reader):
    packer = zlib.compressobj(wbits=-15)
    first, second = packed(b"the same again", packer), packed(b"the same again", packer)
    assert len(second) < len(first)
    data = frame(TEXT, first, reserved=4) + frame(TEXT, second, reserved=4)
    assert read_all(reader_of(make_reader), [data]) == ["the same again"] * 2


def test_a_message_whose_compression_has_ended_is_followed_by_another(make_reader):
    """RFC 7692 section 7.2.3.5: a last block may be marked as such, and a padding follows it."""
    packer = zlib.compressobj(wbits=-15)
    ended = packer.compress(b"over") + packer.flush() + b"\x00"
    data = frame(TEXT, ended, reserved=4) + frame(TEXT, packed(b"next"), reserved=4)
    assert read_all(reader_of(make_reader), [data]) == ["over", "next"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(BINARY, packed(bytes(LIMIT + 1)), reserved=4), TOO_BIG),
        (frame(BINARY, packed(bytes(1 << 30))[:10240], reserved=4), TOO_BIG),
        (frame(BINARY, b"\xff\xff\xff", reserved=4), TEXT_ERROR),
        (frame(TEXT, packed(b"\xff"), reserved=4), TEXT_ERROR),
        (frame(TEXT, packed(b"a"), False, 4) + frame(CONTINUATION, b"", reserved=4), PROTOCOL),
        (frame(TEXT, packed(b"a"), reserved=2), PROTOCOL),
        (frame(PING, b"a", reserved=4), PROTOCOL),
    ],
    ids=["one-too-large", "bomb", "no-deflate", "no-text", "bit-of-a-continuation", "another-bit", "bit-of-a-ping"],
)
def test_what_is_wrong_with_a_compressed_message_ends_with_its_code(make_reader, data, code):
    for pieces in in_pieces(data):
        with pytest.raises(RemoteProtocolError) as caught:
            read_all(reader_of(make_reader), pieces)
        assert caught.value.status == code


def test_a_bomb_is_not_unpacked(make_reader):
    """10 KiB that stand for a GiB (ATTACKS: inflate bomb): what is kept in memory is the limit at most."""
    import tracemalloc

    bomb = frame(BINARY, packed(bytes(1 << 24)), reserved=4)
    tracemalloc.start()
    try:
        with pytest.raises(RemoteProtocolError):
            read_all(reader_of(make_reader, limit=1 << 16), [bomb])
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [0, 1, 60000])
@pytest.mark.parametrize("before", [b"", frame(BINARY, bytes(60000))], ids=["alone", "behind another"])
def test_what_has_been_read_is_not_kept(make_reader, before, size):
    reader = make_reader(1 << 20)
    data = before + frame(BINARY, bytes(size))
    held = sys.getrefcount(data)
    reader.feed(data)
    while reader.next() is not None:
        pass
    assert sys.getrefcount(data) == held


def test_the_largest_limit_that_can_be_set_is_none_that_overflows(make_reader):
    limit = {field.name: setting.maximum for field, setting in declared(WebSocketSettings)}["ws_max_size"]
    reader = make_reader(int(limit), Unpacker(Agreement()))
    reader.feed(frame(BINARY, Packer(Agreement()).pack(bytes(100)), reserved=4))
    assert reader.next() == bytes(100)
