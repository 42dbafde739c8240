"""26. WebSocket in a stream of HTTP/2 (RFC 8441): what ends a conversation ends its stream, and no other."""

from __future__ import annotations

import pytest
from attacking.http2 import DATA, END_STREAM, GET, MAX_FRAME, Fields, Http2Client, frame
from attacking.target import Attacked
from attacking.websocket import CLOSE, ENDED, TEXT
from attacking.websocket import frame as websocket_frame

ASK: Fields = [
    (b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"http"), (b":path", b"/ws"),
    (b":authority", b"a"), (b"sec-websocket-version", b"13"),
]  # fmt: skip
REFUSED: dict[str, tuple[Fields, int]] = {
    "another version": ([*ASK[:-1], (b"sec-websocket-version", b"8")], 400),
    "no version": (ASK[:-1], 400),
    "a subprotocol that is no ASCII": ([*ASK, (b"sec-websocket-protocol", b"ch\xe9t")], 400),
    "a list of extensions that is none": ([*ASK, (b"sec-websocket-extensions", b";;=")], 400),
}


def opened(peer: Http2Client, stream: int, packs: bool = False) -> None:
    peer.greeted()  # only then is it known that the server takes such a request
    more = [(b"sec-websocket-extensions", b"permessage-deflate")] if packs else []
    peer.send(peer.head(stream, [*ASK, *more], False))
    peer.read_until(lambda: peer.answer(stream).status > 0)
    assert peer.answer(stream).status == 200


def check_good(peer: Http2Client, stream: int) -> None:
    opened(peer, stream)
    said = websocket_frame(TEXT, b"good") + websocket_frame(CLOSE, (1000).to_bytes(2))
    peer.send(frame(DATA, END_STREAM, stream, said))
    assert peer.wait(stream).body.endswith(b"\x88\x02\x03\xe8")


@pytest.mark.parametrize("case", ENDED.values(), ids=ENDED)
def test_what_breaks_the_protocol_ends_its_stream_and_no_other(h2: Attacked, case: tuple[bool, bytes, int]) -> None:
    packs, sent, code = case
    with Http2Client(h2.client()) as peer:
        opened(peer, 1, packs)
        peer.content(1, sent)
        assert peer.wait(1).body == b"\x88\x02" + code.to_bytes(2)
        check_good(peer, 3)
        assert peer.request(5, GET).status == 200
    h2.check_alive()


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_a_handshake_that_is_none_is_refused(h2: Attacked, case: tuple[Fields, int]) -> None:
    block, status = case
    with Http2Client(h2.client()) as peer:
        peer.greeted()
        peer.send(peer.head(1, block, False))
        answer = peer.wait(1)
        assert (answer.status, answer.all(b"sec-websocket-version")) == (status, [b"13"])
        check_good(peer, 3)
    h2.check_alive()


def test_a_client_that_leaves_in_the_middle_of_a_message_leaves_nothing_behind(h2: Attacked) -> None:
    with Http2Client(h2.client()) as peer:
        for stream in range(1, 21, 2):
            opened(peer, stream)
            peer.send(frame(DATA, 0, stream, websocket_frame(TEXT, bytes(MAX_FRAME // 2), last=False)))
            peer.give_up(stream)
        check_good(peer, 21)
    h2.check_alive()
