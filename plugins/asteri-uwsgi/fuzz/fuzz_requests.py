"""Invariant: whatever bytes come, and however many of them, the C reader of requests gives what the Python one gives.

    python plugins/asteri-uwsgi/fuzz/fuzz_requests.py --seconds 60 [--seed 1]

Packets are made from the files in ``corpus``: variables are left out, repeated, renamed and changed at random, packed
with the right sizes, and then some bytes are. A counter-example is printed with its seed, and the exit status is 1. One
that has been mended becomes a file of the corpus, ``regression-<n>-...``, which the tests read too.
"""

from __future__ import annotations

import random
import struct
import sys
from pathlib import Path
from typing import Any

from asteri_core.api import Peer, RemoteProtocolError
from asteri_core.testing.fuzzing import run_target
from asteri_http.settings import HttpSettings
from asteri_uwsgi import _native, request

CORPUS = {path.name: path.read_bytes() for path in sorted((Path(__file__).parent / "corpus" / "requests").iterdir())}
PEER = Peer(("127.0.0.1", 1), ("127.0.0.1", 80), "http", None)
SETTINGS = [
    HttpSettings(),
    HttpSettings(
        limit_request_line=60,
        limit_request_field_size=40,
        limit_request_fields=4,
        limit_request_head=150,
    ),
    HttpSettings(limit_request_line=100, limit_request_field_size=60, limit_request_head=200),
]
Pair = tuple[bytes, bytes]

NAMES = b"""
REQUEST_METHOD REQUEST_URI PATH_INFO QUERY_STRING SERVER_PROTOCOL HTTP_HOST CONTENT_TYPE CONTENT_LENGTH
HTTP_CONTENT_LENGTH HTTP_CONTENT_TYPE REMOTE_ADDR REMOTE_PORT HTTPS REQUEST_SCHEME HTTP_ HTTP HTTP_X http_x HTTP_x__y
HTTP__ HTTP_PROXY HTTP_TE HTTP_UPGRADE HTTP_EXPECT HTTP_CONNECTION HTTP_KEEP_ALIVE HTTP_PROXY_CONNECTION
HTTP_TRANSFER_ENCODING HTTPS_ REQUEST_METHO REQUEST_METHODS 1A A1 _ A-B A\xc1 \x00
""".split()
NAMES += [b"", b"A B", b"X" * 300]
VALUES = [
    b"", b"GET", b"HEAD", b"OPTIONS", b"CONNECT", b"G" * 32, b"G" * 33, b"G T", b"g(t", b"/", b"/a?b", b"*", b"/%41",
    b"/%00", b"/%4", b"/#", b"/\xe9", b"x", b"a:80", b"http://a/", b"HTTPS://b:1/c?d", b"http://a", b"HTTP/1.0",
    b"HTTP/1.1", b"HTTP/2", b"HTTP/2.0", b"HTTP/3", b"HTTP/3.0", b"HTTP/0.9", b"http/1.1", b"a", b"A", b"a b",
    b"[::1]:80", b"0", b"5", b"05", b"+5", b"-1", b"5,5", b"9" * 19, b"9" * 20, b"9223372036854775807", b"\xb2",
    b"192.0.2.7", b"192.0.2.256", b"192.0.2.07", b"192.0.2", b"192.0.2.7.", b"1.2.3.4.5", b"0.0.0.0",
    b"255.255.255.255", b"::1", b"::", b"2001:DB8::7", b"::ffff:1.2.3.4", b"::ffff:102:304", b"fe80::1%eth0",
    b"1:2:3:4:5:6:7:8", b"1:0:0:4:5:6:0:0", b"1:0:3:4:5:6:7:8", b"0:0:1::", b"2001:db8:0:0:1:0:0:1", b"unix:",
    b"unix", b"65535", b"65536", b"00080", b"000080",
    b"on", b"ON", b"1", b"off", b"https", b"HTTPS", b" a\t", b" ", b"\t", b"a\r\nb: c", b"a\nb",
    b"a\0b", b"\x7f", b"\xff", b"\xc3\xa4 b", b"~-_.!$&'()*+,;=:@", b"\"<>[]\\^`{|}%", b"text/plain", b"a" * 40,
    b"a" * 9000,
]  # fmt: skip


def pack(pairs: list[Pair]) -> bytes:
    """A packet of variables, whose size is right where one can say it."""
    texts = [text for pair in pairs for text in pair]
    data = b"".join(struct.pack("<H", len(text)) + text for text in texts)
    return struct.pack("<BHB", 0, min(len(data), 65535), 0) + data


def unpack(packet: bytes) -> list[Pair]:
    """The variables of a packet, as far as they go."""
    at, texts = 4, []
    while at + 2 <= len(packet):
        end = at + 2 + struct.unpack_from("<H", packet, at)[0]
        texts.append(packet[at + 2 : end])
        at = end
    return list(zip(texts[::2], texts[1::2], strict=False))


def splice(text: bytes, chance: random.Random) -> bytes:
    """Another value, a byte of it changed, or both put together."""
    other = chance.choice(VALUES)
    index = chance.randint(0, len(text))
    return chance.choice(
        [other, text + other, text[:index] + bytes([chance.randrange(256)]) + text[index + 1 :], text[:index]]
    )


def change(pairs: list[Pair], chance: random.Random) -> None:
    index = chance.randrange(len(pairs) + 1)
    name, value = pairs[index] if index < len(pairs) else (b"X", b"")
    match chance.randrange(8):
        case 0:
            del pairs[index : index + 1]
        case 1:
            pairs.insert(chance.randint(0, len(pairs)), (name, value))
        case 2 | 3:
            pairs.insert(index, (chance.choice(NAMES), chance.choice(VALUES)))
        case 4:
            pairs[index : index + 1] = [(splice(name, chance), value)]
        case 5:
            pairs += [(b"HTTP_X%d" % number, b"a") for number in range(chance.choice([3, 4, 99, 101]))]
        case _:
            pairs[index : index + 1] = [(name, splice(value, chance))]


def make_packet(chance: random.Random) -> bytes:
    pairs = unpack(chance.choice(SEEDS))
    for _ in range(chance.choice([0, 1, 1, 1, 2, 2, 5])):
        change(pairs, chance)
    packet = bytearray(pack(pairs))
    for _ in range(chance.choice([0, 0, 0, 0, 1, 2])):
        index = chance.randrange(len(packet))
        packet[index : index + chance.choice([0, 1, 1, 2])] = bytes([chance.choice([0, 1, 255, chance.randrange(256)])])
    return bytes(packet)


def read(reader: Any, data: object) -> object:
    """What a reader says, with the types of everything."""
    try:
        found = reader.read(data, PEER)
    except RemoteProtocolError as error:
        return str(error), error.status
    return found if found is None else (type(found[0]), type(found[0].peer), repr(found))


SEEDS = [*CORPUS.values()]
TWINS = [(request.RequestReader(settings), _native.RequestReader(settings)) for settings in SETTINGS]


def play(seed: int) -> None:
    chance = random.Random(seed)
    data = make_packet(chance)
    python, native = chance.choice(TWINS)
    for part in (data, data[: chance.randint(0, len(data))], data + chance.choice([b"\0", b"body", data])):
        expected, found = read(python, part), read(native, part)
        assert found == expected, f"{part!r}\nin Python {expected!r}\nin C {found!r}"


if __name__ == "__main__":
    sys.exit(run_target(play, __doc__))
