"""Invariant: however a stream is cut, both twins answer the same, the application sees the same, nothing raises.

    python plugins/asteri-http1/fuzz/fuzz_parser.py --seconds 60 [--seed 1]

Streams are made from pieces of HTTP, joined, mutated and cut at random. Of chunked bodies they reach what a peer can
send that usually does; ``fuzz_twins.py`` feeds the decoder of chunks by itself, from a corpus of its own. A
counter-example is printed with its seed, and the exit status is 1.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterable

from asteri_core.api import ConnectionFactory, Disconnected, Failed, Finished, Peer, RemoteProtocolError, Started
from asteri_core.testing.fuzzing import run_target
from asteri_http.settings import HttpSettings
from asteri_http1.plugin import bind_native, bind_python

PIECES = [
    b"GET / HTTP/1.1\r\n", b"POST /a?b HTTP/1.1\r\n", b"HEAD http://a/ HTTP/1.0\r\n", b"OPTIONS * HTTP/1.1\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n", b"Host: a\r\n", b"Host: [::1]:80\r\n", b"Content-Length: 5\r\n",
    b"Content-Length:", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding:", b"Expect: 100-continue\r\n",
    b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: x\r\n", b"X_Y: z \r\n", b"\r\n", b"\r\n\r\n", b"hello",
    b"5\r\nhello\r\n", b"0\r\n\r\n", b"0\r\nX-A: b\r\n\r\n", b'5;a="b"\r\nhello\r\n', b" ", b"\t", b"\r", b"\n", b":",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
]  # fmt: skip
PEER = Peer(("192.0.2.1", 1), ("192.0.2.2", 80))
SMALL = HttpSettings(
    limit_request_line=60,
    limit_request_field_size=40,
    limit_request_fields=4,
    limit_request_head=150,
    limit_request_body=20,
)


def make_stream(chance: random.Random) -> bytes:
    stream = bytearray(b"".join(chance.choices(PIECES, k=chance.randint(1, 12))))
    for _ in range(chance.choice([0, 0, 1, 2, 5])):
        index = chance.randrange(len(stream))
        action = chance.randrange(3)
        if action == 0:
            stream[index] = chance.randrange(256)
        elif action == 1:
            del stream[index : index + chance.randint(1, 3)]
        else:
            stream.insert(index, chance.choice(b"\r\n \t:\x00;,=0\xff"))
        if not stream:
            return b"G"
    return bytes(stream)


def cut(stream: bytes, chance: random.Random) -> list[bytes]:
    ends = sorted({chance.randint(1, len(stream)) for _ in range(chance.randint(0, 8))} | {len(stream)})
    return [stream[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def play(factory: ConnectionFactory, pieces: Iterable[bytes]) -> object:
    """Everything a peer and an application that waits for the whole body can see."""
    connection = factory(PEER, 0.0)
    output: list[bytes] = []
    seen: list[object] = []
    running: list[Started] = []
    body = b""
    for piece in [*pieces, None]:
        if piece is None:
            connection.receive_eof(0.0)
        else:
            connection.receive_data(piece, 0.0)
        news = True
        while news:
            news = False
            for event in connection.events():
                news = True
                if isinstance(event, Started):
                    running, body = [event], b""
                elif isinstance(event, Finished):
                    running = []
                elif isinstance(event, Failed) and not isinstance(event.error, RemoteProtocolError):
                    raise AssertionError(f"undocumented error {event.error!r}")
            if running:
                exchange = running[0].exchange
                try:
                    while (data := exchange.read()) is not None:
                        body += data
                        if not data:
                            seen.append((exchange.method, exchange.target, exchange.headers, body))
                            exchange.respond(200, [])
                            exchange.send(body, True)
                            running = []
                            break
                except (Disconnected, RemoteProtocolError):
                    running = []
            for item in connection.data_to_send(0.0):
                news = True
                # Which end it is depends on what has come already.
                output.append(bytes(item) or b"<end>")  # type: ignore[arg-type]
        if output and output[-1] == b"<end>":
            break
    return re.sub(rb"date: [^\r]*|HTTP/1.1 100 Continue\r\n\r\n", b"", b"".join(output)), seen


def main() -> int:
    twins: list[list[ConnectionFactory]] = [
        [bind({HttpSettings: group}) for bind in (bind_python, bind_native)]  # type: ignore[dict-item]
        for group in (HttpSettings(), SMALL)
    ]

    def play_stream(seed: int) -> None:
        chance = random.Random(seed)
        stream = make_stream(chance)
        python, native = chance.choice(twins)
        whole = play(python, [stream])
        for pieces in ([stream], cut(stream, chance), [stream[index : index + 1] for index in range(len(stream))]):
            for name, factory in (("Python", python), ("C", native)):
                assert play(factory, pieces) == whole, f"{stream!r}\ncut as {pieces!r}\ndiffers in {name}"

    return run_target(play_stream, __doc__)


if __name__ == "__main__":
    sys.exit(main())
