"""Invariant: whatever bytes come, cut in whatever way, the C parsers give what the Python ones give, be it an error.

    python plugins/asteri-http1/fuzz/fuzz_twins.py --seconds 60 [--seed 1]

Heads and chunked bodies are made from the files in ``corpus``, repeated, mutated and cut at random. A counter-example
is printed with its seed, and the exit status is 1. One that has been mended becomes a file of the corpus,
``regression-<n>-...``, which the tests read too.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from asteri_core.api import RemoteProtocolError
from asteri_core.testing.fuzzing import run_target
from asteri_http.settings import HttpSettings
from asteri_http1 import _native, chunked, parser

CORPUS = Path(__file__).parent / "corpus"
HEADS = {path.name: path.read_bytes() for path in sorted((CORPUS / "heads").iterdir())}
CHUNKS = {path.name: path.read_bytes() for path in sorted((CORPUS / "chunks").iterdir())}

PIECES = [
    b"\r\n", b"\r\n\r\n", b"\r", b"\n", b" ", b"\t", b":", b",", b"\x00", b"\x7f", b"\x80", b"\xff", b"%", b"%00",
    b"#", b"?", b"/", b"*", b"[::1]", b"@", b"_", b"^", b"`", b"=", b'"', b"\\", b";", b"0", b"00000000",
    b"ffffffffffffffff", b"9" * 19, b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"HTTP/", b"Host: b\r\n",
    b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close, upgrade\r\n", b"Upgrade: x\r\n",
    b"Expect: 100-continue\r\n", b"TE: trailers\r\n", b"X-A: b\r\n", b"Etag: c \r\n", b"X: a\r\n" * 5, b"a" * 40,
    b"0\r\n\r\n", b"5\r\nhello\r\n", b";a=b", b';a="b"',
]  # fmt: skip
SETTINGS = [
    HttpSettings(),
    HttpSettings(
        limit_request_line=60,
        limit_request_field_size=40,
        limit_request_fields=4,
        limit_request_head=150,
        limit_request_body=20,
    ),
    HttpSettings(limit_request_line=100, limit_request_field_size=60, limit_request_head=200, limit_request_body=0),
]


def make_stream(seeds: Sequence[bytes], good: Sequence[bytes], chance: random.Random) -> bytes:
    """Mostly of good seeds, or nothing would come far."""
    chosen = chance.choices(chance.choice([seeds, good, good]), k=chance.choice([1, 1, 2, 3]))
    stream = bytearray(b"".join(chance.choices(chosen, k=chance.choice([1, 1, 1, 2, 5]))))
    for _ in range(chance.choice([0, 1, 1, 1, 2, 5])):
        index = chance.randint(0, len(stream))
        other = chance.choice(seeds)
        begin = chance.randint(0, len(other))
        end = index + chance.choice([0, 1, 1, 2, 4, 20])
        stream[index:end] = chance.choice(
            [
                b"",
                bytes([chance.randrange(256)]),
                chance.choice(PIECES),
                stream[index:end].swapcase(),
                stream[index:end] * 2,
                other[begin : begin + chance.randint(1, 30)],
            ]
        )
    return bytes(stream)


def cut(stream: bytes, chance: random.Random) -> list[bytes]:
    if chance.random() < 0.1:
        return [stream[index : index + 1] for index in range(len(stream))]
    ends = sorted({chance.randint(0, len(stream)) for _ in range(chance.choice([0, 0, 1, 2, 8]))} | {len(stream)})
    return [stream[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def read_heads(heads: Any, pieces: Iterable[object]) -> list[object]:
    """Every head with what is behind it, and the state of the parser in between; an error is the last."""
    seen: list[object] = []
    try:
        for piece in pieces:
            found = heads.feed(piece)
            while found is not None:
                head, rest = found
                seen.append((type(head), repr(head), rest))
                found = heads.feed(rest) if rest else None
            seen.append((heads.begun, heads.asks_for_head))
    except RemoteProtocolError as error:
        seen.append((str(error), error.status, heads.asks_for_head))
    return seen


def decode(body: Any, pieces: Iterable[object]) -> list[object]:
    """Every answer of a decoder until the body has ended; an error is the last."""
    seen: list[object] = []
    try:
        for piece in pieces:
            if not body.done:
                seen.append((*body.decode(piece), body.done, list(body.trailers)))
    except RemoteProtocolError as error:
        seen.append((str(error), error.status, list(body.trailers)))
    return seen


TARGETS: list[tuple[Sequence[bytes], Callable[[Any, Iterable[object]], list[object]], type, type]] = [
    ([*HEADS.values()], read_heads, parser.HeadParser, _native.HeadParser),
    ([*CHUNKS.values()], decode, chunked.ChunkDecoder, _native.ChunkDecoder),
]
"""Seeds, how they are played, and both twins."""


def is_refused(play: Callable[[Any, Iterable[object]], list[object]], python: type, seed: bytes) -> bool:
    last = play(python(SETTINGS[0]), [seed])[-1]
    return isinstance(last, tuple) and isinstance(last[0], str)


def main() -> int:
    good = [[data for data in seeds if not is_refused(play, python, data)] for seeds, play, python, _ in TARGETS]

    def play_stream(seed: int) -> None:
        chance = random.Random(seed)
        target = chance.randrange(len(TARGETS))
        seeds, play, python, native = TARGETS[target]
        settings = chance.choice(SETTINGS)
        pieces = cut(make_stream(seeds, good[target], chance), chance)
        expected, found = play(python(settings), pieces), play(native(settings), pieces)
        assert found == expected, f"{pieces!r}\nin Python {expected!r}\nin C {found!r}"

    return run_target(play_stream, __doc__)


if __name__ == "__main__":
    sys.exit(main())
