"""Invariant: whatever bytes come, and however they are cut, both readers of messages give the same, be it an error.

    python plugins/asteri-websocket/fuzz/fuzz_messages.py --seconds 60 [--seed 1]

Frames are made at random, most of them right, compressed or not, and some of their bytes are changed. A counter-example
is printed with its seed, and the exit status is 1. One that has been mended becomes a numbered case of the tests.
"""

from __future__ import annotations

import itertools
import random
import struct
import sys
import zlib
from collections.abc import Callable

from asteri_core.api import RemoteProtocolError
from asteri_core.testing.fuzzing import run_target
from asteri_websocket import _native, messages
from asteri_websocket.deflate import Agreement, Unpacker

LIMITS = (1, 10, 200, 1 << 20)
PAYLOADS = (
    b"", b"a", b"hello", "€uro".encode(), "\U0001f600".encode(), b"\xff", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90",
    b"\x03\xe8", b"\x03\xe8bye", b"\x03\xed", bytes(125), bytes(126), b"x" * 300, b"z" * 70_000,
)  # fmt: skip
OPCODES = (0, 0, 0, 1, 1, 1, 2, 2, 8, 9, 10, 3, 15)


def frame(chance: random.Random, packs: bool) -> bytes:
    """One frame of a client, right in most of what it says."""
    opcode, data = chance.choice(OPCODES), chance.choice(PAYLOADS) + chance.choice(PAYLOADS)
    first = chance.choice((0x80, 0x80, 0)) | opcode
    if packs and chance.random() < 0.5:
        first |= 0x40
        packer = zlib.compressobj(wbits=-12)
        data = packer.compress(data) + packer.flush(chance.choice((zlib.Z_SYNC_FLUSH, zlib.Z_FINISH)))
        data = data[: chance.choice((-4, -4, None, len(data) // 2))]
    if chance.random() < 0.02:
        first |= chance.choice((0x10, 0x20, 0x40))
    size, masked = len(data), 0 if chance.random() < 0.01 else 0x80
    wide = chance.random() < 0.02
    if size < 126 and not wide:
        head = bytes((first, masked | size))
    elif size < 1 << 16 and not wide:
        head = struct.pack("!BBH", first, masked | 126, size)
    else:
        head = struct.pack("!BBQ", first, masked | 127, size)
    key = chance.randbytes(4)
    return head + key + bytes(byte ^ key[at % 4] for at, byte in enumerate(data))


def make(chance: random.Random, packs: bool) -> bytes:
    data = bytearray(b"".join(frame(chance, packs) for _ in range(chance.randint(1, 6))))
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        index = chance.randrange(len(data))
        data[index : index + chance.choice((0, 1, 1, 2))] = bytes([chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))])
    return bytes(data)


def cuts(chance: random.Random, size: int) -> list[int]:
    places = sorted(chance.choices(range(size + 1), k=chance.choice((0, 1, 3, 20))))
    return [0, *places, size]


def read(reader: messages.Reader, data: bytes, places: list[int]) -> list[object]:
    """What a reader says, with the types of everything."""
    found: list[object] = []
    try:
        for begin, end in itertools.pairwise(places):
            reader.feed(data[begin:end])
            while (message := reader.next()) is not None:
                found.append((type(message), message))
    except RemoteProtocolError as error:
        found.append((str(error), error.status))
    return found


def play(seed: int) -> None:
    chance = random.Random(seed)
    packs = chance.random() < 0.4
    agreement = Agreement(client_window=chance.choice((9, 12, 15)), client_forgets=chance.random() < 0.5)
    limit, data = chance.choice(LIMITS), make(chance, packs)
    places = cuts(chance, len(data))
    makers: list[Callable[..., messages.Reader]] = [messages.MessageReader, _native.MessageReader]
    python, native = (read(one(limit, Unpacker(agreement) if packs else None), data, places) for one in makers)
    assert python == native, (data[:200], places, python, native)
    if not packs or agreement.client_forgets:
        whole = read(_native.MessageReader(limit, Unpacker(agreement) if packs else None), data, [0, len(data)])
        # A cut shows an error sooner, and never another message before it.
        messages_of = [one for one in native if not isinstance(one[0], str)]  # type: ignore[index]
        assert whole[: len(messages_of)] == messages_of, (data[:200], places, whole, native)


if __name__ == "__main__":
    sys.exit(run_target(play, __doc__))
