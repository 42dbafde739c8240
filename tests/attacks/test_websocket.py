"""26. WebSocket: frames that lie, bombs, floods, handshakes that are none, and a thousand idle ones.

For each the outcome is written down: the status of the handshake, or the code of the close and the end of the
connection; the worker lives, and a good conversation is held behind it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest
from attacking.target import Attacked, attacked, targets
from attacking.websocket import CLOSE, CONTINUATION, ENDED, PING, TEXT, frame
from attacking.wire import Client

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ASK = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n"
)
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
REFUSED: dict[str, tuple[bytes, int]] = {
    "no key": (ASK.replace(b"Sec-WebSocket-Key", b"X-Key"), 400),
    "short key": (ASK.replace(KEY, b"YQ=="), 400),
    "two keys": (ASK + b"Sec-WebSocket-Key: " + KEY + b"\r\n", 400),
    "another version": (ASK.replace(b"13", b"8"), 426),
    "no version": (ASK.replace(b"Sec-WebSocket-Version", b"X-Version"), 426),
    "POST": (ASK.replace(b"GET", b"POST"), 400),
    "a body": (ASK + b"Content-Length: 4\r\n", 400),
    "a subprotocol that is no ASCII": (ASK + b"Sec-WebSocket-Protocol: ch\xe9t\r\n", 400),
    "a list of extensions that is none": (ASK + b"Sec-WebSocket-Extensions: ;;=\r\n", 400),
}


def opened(attack: Attacked, more: bytes = b"") -> Client:
    client = attack.client()
    client.send(ASK + more + b"\r\n")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = client.socket.recv(1)
        assert piece, head
        head += piece
    assert head.startswith(b"HTTP/1.1 101 "), head
    return client


def rest(client: Client) -> bytes:
    """What comes until the end."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.socket.recv(1 << 16):
            data += piece
    return data


def check_good(attack: Attacked) -> None:
    with opened(attack) as client:
        client.send(frame(TEXT, b"good") + frame(CLOSE, (1000).to_bytes(2)))
        assert rest(client).endswith(b"\x88\x02\x03\xe8")
    assert attack.get().status == 200


@pytest.mark.parametrize("case", ENDED.values(), ids=ENDED)
def test_what_breaks_the_protocol_ends_the_conversation_with_its_code(
    attack_by_any_transport: Attacked, case: tuple[bool, bytes, int]
) -> None:
    packs, sent, code = case
    attack = attack_by_any_transport
    with opened(attack, DEFLATE if packs else b"") as client:
        with contextlib.suppress(OSError):  # it may be closed before all has been sent
            client.send(sent)
        assert rest(client) in (b"\x88\x02" + code.to_bytes(2), b"")
    check_good(attack)


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_a_handshake_that_is_none_is_refused(attack: Attacked, case: tuple[bytes, int]) -> None:
    ask, status = case
    body = b"body" if b"Content-Length" in ask else b""
    with attack.client() as client:
        client.send(ask + b"\r\n" + body)
        response = client.response()
        assert response.status == status
        assert response.all(b"sec-websocket-version") == [b"13"]
    check_good(attack)


def test_a_flood_of_fragments_takes_no_memory(attack: Attacked) -> None:
    with opened(attack) as client:
        client.send(frame(TEXT, b"a", last=False))
        for _ in range(100):
            client.send(frame(CONTINUATION, b"", last=False) * 1000)
        client.send(frame(CONTINUATION, b"b"))
        client.socket.settimeout(20)
        assert client.socket.recv(100) == b"\x81\x02ab"
    check_good(attack)


def test_a_flood_of_pings_from_who_reads_nothing_is_not_kept(attack: Attacked) -> None:
    """Only as much waits as the sockets take, and one mark more: then the pings are not even read."""
    with opened(attack) as client:
        client.socket.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            for _ in range(500):
                client.send(frame(PING, bytes(125)) * 1000)
    check_good(attack)


@pytest.fixture(scope="module", params=targets("asgi", "sync_runs_asgi"), ids=str)
def crowded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    options = ("--ws-ping-interval", "1", "--ws-ping-timeout", "1", "--worker-connections", "3000")
    with attacked(request.param, tmp_path_factory.mktemp("crowded"), *options) as attack:
        yield attack


def test_a_thousand_idle_ones_are_ended_while_good_requests_are_answered(crowded: Attacked) -> None:
    peers = [opened(crowded) for _ in range(1000)]
    try:
        taken, until = [], time.monotonic() + 3
        while time.monotonic() < until:
            begun = time.monotonic()
            assert crowded.get().status == 200
            taken.append(time.monotonic() - begun)
        assert sorted(taken)[len(taken) // 2] < 2  # one may meet a pause of the machine
        for peer in peers:
            assert rest(peer).endswith(b"\x88\x02\x03\xf3")
    finally:
        for peer in peers:
            peer.socket.close()
