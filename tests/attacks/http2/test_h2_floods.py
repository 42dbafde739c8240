"""24. Floods of HTTP/2: what costs a server more than its client is bounded, and who goes on is told to calm down.

Rapid reset (CVE-2023-44487), MadeYouReset (CVE-2025-8671), CONTINUATION (VU#421644, CVE-2024-27316), and the floods of
2019: ping (CVE-2019-9512), reset (CVE-2019-9514), settings (CVE-2019-9515), empty frames (CVE-2019-9518), priorities
(CVE-2019-9513). How many applications were begun is counted too: it has to be a few.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attacking.http2 import (
    CONTINUATION,
    DATA,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    GET,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PRIORITY,
    SETTINGS,
    Fields,
    Http2Client,
    data,
    fields,
    frame,
    reset,
    settings,
    window,
)
from attacking.target import Attacked

MANY = 20_000
"""Times that something is done to a server before it should have had enough."""
AT_ONCE = 50
"""Times that are sent together."""
BEGUN = 450
"""Applications that may have been begun until then: three hundred streams, and what the seconds meanwhile allow."""
POST = fields(method=b"POST", path=b"/read")

Flood = Callable[[Http2Client, int], bytes]


def post(peer: Http2Client, stream: int, *more: tuple[bytes, bytes]) -> bytes:
    return peer.head(stream, [*POST, *more], False)


def each(block: Fields, end: bool, *behind: Callable[[int], bytes]) -> Flood:
    """A request for each time, and frames behind it on its stream."""

    def one(peer: Http2Client, number: int) -> bytes:
        stream = 2 * number + 1
        return peer.head(stream, block, end) + b"".join(make(stream) for make in behind)

    return one


def on_one(make: Callable[[int], bytes]) -> Flood:
    """A request, and one frame on its stream for each time."""
    return lambda peer, number: (post(peer, 1) if number == 0 else b"") + make(1)


FLOODS: dict[str, Flood] = {
    "ping": lambda peer, number: frame(PING, 0, 0, bytes(8)),
    "ping, acknowledged": lambda peer, number: frame(PING, 1, 0, bytes(8)),
    "settings": lambda peer, number: frame(SETTINGS, 0, 0),
    "settings, acknowledged": lambda peer, number: frame(SETTINGS, 1, 0),
    "settings that flip the size of the table": lambda peer, number: settings((1, 4096 * (number % 2))),
    "settings that flip the window": lambda peer, number: settings((4, 65535 * (number % 2))),
    "settings of a thousand values": lambda peer, number: settings(*[(0xFF00, 1)] * 1000),
    "priority": lambda peer, number: frame(PRIORITY, 0, 2 * number + 1, b"\0\0\0\0\xff"),
    "priority of one stream": lambda peer, number: frame(PRIORITY, 0, 3, b"\0\0\0\1\xff"),
    "priority update": lambda peer, number: frame(0x10, 0, 0, b"\0\0\0\1u=1"),
    "window": lambda peer, number: window(0, 1),
    "window of a stream": on_one(lambda stream: window(stream, 1)),
    "unknown frames": lambda peer, number: frame(0xFF, 0, 0),
    "goaway": on_one(lambda stream: frame(GOAWAY, 0, 0, bytes(8))),
    "empty data": on_one(lambda stream: data(stream, b"", False)),
    "empty data with padding": on_one(lambda stream: frame(DATA, PADDED, stream, b"\xff" + bytes(255))),
    "continuation": lambda peer, number: frame(CONTINUATION if number else HEADERS, 0 if number else 1, 1),
    "continuation with content": lambda peer, number: frame(
        CONTINUATION if number else HEADERS, 0 if number else 1, 1, b"\0\1x" + b"\x7f\x81\x7e" + bytes(16000)
    ),
    "rapid reset": each(GET, True, reset),
    "rapid reset of bodies": each(POST, False, reset),
    "rapid reset behind the body": each(POST, False, data, reset),
    "made you reset by a window above 2^31": each(POST, False, lambda stream: window(stream, 2**31 - 1)),
    "made you reset by a field of a connection": each(fields((b"connection", b"close")), True),
    "made you reset by trailers": each(POST, False, lambda stream: frame(HEADERS, 5, stream, b"\x82")),
    "made you reset by DATA behind the end": each(fields(path=b"/hang"), True, lambda stream: data(stream, b"x")),
    "made you reset by a long body": each(
        [*POST, (b"content-length", b"1")], False, lambda stream: data(stream, b"12")
    ),
    "made you reset by a short body": each(
        [*POST, (b"content-length", b"2")], False, lambda stream: data(stream, b"1")
    ),
    "made you refuse a length": each([*POST, (b"content-length", b"104857601")], False),
    "made you refuse a host": each(fields((b"host", b"b")), True),
    "made you refuse an expectation": each([*POST, (b"expect", b"x")], False),
    "data on a stream that was reset": lambda peer, number: (
        (post(peer, 1) + reset(1) if number == 0 else b"") + frame(DATA, 0, 1, b"x")
    ),
    "headers on a stream that was reset": lambda peer, number: (
        (post(peer, 1) + reset(1) if number == 0 else b"") + peer.head(1, GET)
    ),
    "more streams than are allowed": each(POST, False),
}


def batches(peer: Http2Client, flood: Flood) -> Iterator[bytes]:
    numbers = iter(range(MANY))
    while some := list(itertools.islice(numbers, AT_ONCE)):
        yield b"".join(flood(peer, number) for number in some)


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_of_http2_is_told_to_calm_down(h2: Attacked, name: str) -> None:
    h2.records()
    h2.release()  # what hangs, hangs until it is looked at
    with Http2Client(h2.client()) as peer:
        peer.greeted()
        for batch in batches(peer, FLOODS[name]):
            peer.send(batch)
            if peer.closed:
                break
        assert peer.end() == [ENHANCE_YOUR_CALM]
    begun = [record for record in h2.records() if record["kind"] in ("begin", "request")]
    assert len(begun) <= 2 * BEGUN  # ASGI notes both
    assert h2.get().status == 200
    h2.check_alive()


def test_who_does_a_little_of_everything_is_served(h2: Attacked) -> None:
    """The suite itself: what ends a flood does not end a client in earnest."""
    with Http2Client(h2.client()) as peer:
        for turn in range(20):
            stream = 10 * turn + 1
            peer.send(frame(PING, 0, 0, bytes(8)) + settings((1, 4096 * (turn % 2))) + frame(PRIORITY, 0, 3, bytes(5)))
            peer.send(post(peer, stream) + data(stream, b"", False) + data(stream, b"x"))
            assert peer.wait(stream).status == 200
            peer.send(post(peer, stream + 2) + reset(stream + 2) + peer.head(stream + 4, fields((b"connection", b"x"))))
            assert peer.wait(stream + 4).reset == 1
        assert peer.goaways == []
        assert (len(peer.pings), peer.acknowledged) == (20, 21)
    h2.check_alive()


def test_a_table_that_flips_in_every_block_costs_nothing(h2: Attacked) -> None:
    with Http2Client(h2.client()) as peer:
        for number in range(200):
            block = b"\x20\x3f\xe1\x1f" + peer.encoder.encode(
                [(name, b"/%d" % number if name == b":path" else value) for name, value in GET]
            )
            peer.encoder = type(peer.encoder)()
            stream = 2 * number + 1
            peer.send(frame(HEADERS, END_STREAM | 4, stream, block))
            assert peer.wait(stream).body == b"GET /%d " % number
    h2.check_alive()


def memory(attack: Attacked, name: str) -> int:
    """Bytes of the worker: ``VmRSS`` now, ``VmHWM`` at most so far."""
    lines = Path(f"/proc/{attack.pids[0]}/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith(f"{name}:")]
    return int(line.split()[1]) << 10


def test_endless_responses_that_are_hardly_taken_do_not_fill_the_memory(h2: Attacked) -> None:
    """CVE-2019-9517 (Apache httpd: "internal data buffering"): windows without limit, and a socket that is not read."""
    h2.get()
    before = memory(h2, "VmRSS")
    with Http2Client(h2.client(receive_buffer=4096), (4, 2**31 - 1), reads=False) as peer:
        peer.widen(2**31 - 1 - 65535)
        peer.send(b"".join(peer.head(stream, fields(path=b"/drip")) for stream in range(1, 180, 2)))
        peer.read_until(lambda: sum(len(answer.body) for answer in peer.answers.values()) > 1 << 20)
        assert memory(h2, "VmHWM") - before < 64 << 20
    assert h2.get().status == 200
    h2.check_alive()
