"""What can come of the frames of a client, and how a case is played: whole, and byte by byte."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import hpack
from asteri_core.api import Disconnected, RemoteProtocolError
from h2_frames import HEADERS
from h2_talk import Talk

Case = Callable[[Talk], Any]
ANSWERED = "an answer"
ANSWER = object()
"""Stands among what is sent: everything is answered before the rest is."""


def stream_error(*codes: int) -> tuple[str, tuple[int, ...]]:
    return "stream", codes


def connection_error(*codes: int) -> tuple[str, tuple[int, ...]]:
    return "connection", codes


def outcome(bare: Talk) -> None:
    for exchange in bare.started:
        if exchange.status == 0:
            with contextlib.suppress(RemoteProtocolError, Disconnected):
                while exchange.read():
                    pass
                exchange.respond(200, [])
                exchange.send(b"hello", True)
    bare.take_events()
    bare.take()


def status_of(bare: Talk) -> int:
    decoder = hpack.Decoder()
    found = 0
    for kind, _, _, payload in bare.frames:
        if kind == HEADERS:
            found = int(dict(decoder.decode(payload))[":status"])
    return found


def play(bare: Talk, pieces: list[Any], expected: Any, step: int) -> None:
    """Send the pieces, ``step`` bytes at a time or each whole, and compare what comes of them."""
    for piece in pieces:
        if piece is ANSWER:
            outcome(bare)
            continue
        for at in range(0, len(piece), step or len(piece)):
            if not bare.closed:
                bare.raw(piece[at : at + (step or len(piece))])
    outcome(bare)
    check(bare, expected)


def check(bare: Talk, expected: Any) -> None:
    if callable(expected):
        expected(bare)
    elif expected == ANSWERED:
        assert status_of(bare) == 200
        assert not bare.closed
    elif isinstance(expected, int):
        assert status_of(bare) == expected
        assert not bare.closed
    elif expected is not None:
        kind, codes = expected
        if kind == "stream":
            # RFC 9113 section 5.4: an error of a stream may be treated as one of the connection.
            found = bare.resets() or [code for _, code in bare.goaways()]
        else:
            assert bare.closed, bare.frames
            found = [code for _, code in bare.goaways()]
        assert set(found) & set(codes), (found, codes)
    assert set(bare.finished) <= set(bare.started)
