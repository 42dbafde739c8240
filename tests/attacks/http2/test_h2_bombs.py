"""23. Bombs over HTTP/2: the limits of HTTP/1.1 hold at their value, and nothing takes more than its share of time.

A limit counts a head as if it were written in HTTP/1.1. Time is the processor time of the worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from attacking.http2 import GET, Fields, Http2Client, data, fields, frame
from attacking.target import Attacked, attacked

from .conftest import TARGETS

SMALL = {
    "--limit-request-line": 100,
    "--limit-request-fields": 5,
    "--limit-request-field-size": 60,
    "--limit-request-head": 200,
    "--limit-request-body": 1000,
}


def request_line(size: int) -> tuple[Fields, bytes]:
    return fields(path=b"/" + b"a" * (size - len(b"GET / HTTP/1.1"))), b""


def count(size: int) -> tuple[Fields, bytes]:
    return fields(*[(b"x", b"y")] * size), b""


def field_size(size: int) -> tuple[Fields, bytes]:
    return fields((b"x", b"y" * (size - 3))), b""


def head_size(size: int) -> tuple[Fields, bytes]:
    """Four lines that are all within the limit of a field."""
    left = size - len(b"GET / HTTP/1.1\r\n\r\n") - 4 * len(b"x: \r\n")
    return fields(*[(b"x", b"y" * ((left + more) // 4)) for more in range(4)]), b""


def declared(size: int) -> tuple[Fields, bytes]:
    return fields((b"content-length", b"%d" % size), method=b"POST"), bytes(size)


def undeclared(size: int) -> tuple[Fields, bytes]:
    return fields(method=b"POST"), bytes(size)


LIMITS: list[tuple[str, Callable[[int], tuple[Fields, bytes]], int]] = [
    ("--limit-request-line", request_line, 414),
    ("--limit-request-fields", count, 431),
    ("--limit-request-field-size", field_size, 431),
    ("--limit-request-head", head_size, 431),
    ("--limit-request-body", declared, 413),
    ("--limit-request-body", undeclared, 413),
]


@pytest.fixture(scope="module", params=TARGETS, ids=str)
def limited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """A server with small limits."""
    options = [str(part) for pair in SMALL.items() for part in pair]
    with attacked(request.param, tmp_path_factory.mktemp("limited"), *options) as attack:
        yield attack


@pytest.mark.parametrize(("off", "over"), [(-1, False), (0, False), (1, True)], ids=["below", "at", "above"])
@pytest.mark.parametrize(("option", "make", "status"), LIMITS, ids=[make.__name__ for _, make, _ in LIMITS])
def test_a_small_limit_holds_over_http2(
    limited: Attacked, option: str, make: Callable[[int], tuple[Fields, bytes]], status: int, off: int, over: bool
) -> None:
    block, body = make(SMALL[option] + off)
    limited.records()
    with Http2Client(limited.client()) as peer:
        peer.send(peer.head(1, block, not body) + (data(1, body) if body else b""))
        assert peer.wait(1).status == (status if over else 200)
        assert peer.request(3, GET).status == 200
    assert len(limited.seen()) == (1 if over else 2)
    limited.check_alive()


def one_byte_frames(peer: Http2Client, many: int) -> None:
    peer.send(peer.head(1, fields(method=b"POST", path=b"/read"), False))
    for _ in range(many // 500):
        peer.send(data(1, b"x", False) * 500)
    peer.send(data(1))
    assert peer.wait(1).status == 200


def padded_frames(peer: Http2Client, many: int) -> None:
    peer.send(peer.head(1, fields(method=b"POST", path=b"/read"), False))
    for _ in range(many // 50):
        peer.send(frame(0, 8, 1, b"\x10x" + bytes(16)) * 50)
        peer.read_until(lambda: True)
    peer.send(data(1))
    assert peer.wait(1).status == 200


def requests(block: Callable[[int], Fields]) -> Callable[[Http2Client, int], None]:
    def run(peer: Http2Client, many: int) -> None:
        for number in range(many // 50):
            assert peer.request(2 * number + 1, block(number)).status == 200

    return run


GROWING: dict[str, Callable[[Http2Client, int], None]] = {
    "one-byte frames": one_byte_frames,
    "padded frames": padded_frames,
    "requests on one connection": requests(lambda number: GET),
    "cookies in crumbs": requests(lambda number: fields(*[(b"cookie", b"a=b")] * 90)),
    "fields that fill the table": requests(
        lambda number: fields(*[(b"x-%d-%d" % (number, n), b"y") for n in range(90)])
    ),
    "percent signs": requests(lambda number: fields(path=b"/" + b"%41" * 2600)),
}


@pytest.mark.parametrize("name", GROWING)
def test_twice_the_input_over_http2_takes_no_four_times_the_time(h2: Attacked, name: str) -> None:
    def cost(many: int) -> float:
        start = h2.processor_time()
        with Http2Client(h2.client(timeout=30)) as peer:
            GROWING[name](peer, many)
        return h2.processor_time() - start

    once, twice = min(cost(5000) for _ in range(2)), min(cost(10_000) for _ in range(2))
    assert twice < 4 * max(once, 0.01), f"{once:.3f} s and {twice:.3f} s"
    h2.check_alive()
