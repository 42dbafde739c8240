"""23. Bombs: every limit at its value, one below and one above; and nothing takes more than its share of time.

Time is the processor time of the worker, so that a busy machine does not decide; doubling the input may not quadruple
it. The least of some runs counts, and a floor keeps what is too short to measure from failing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from attacking.case import head
from attacking.target import Attacked, attacked, targets

POST = b"POST /read HTTP/1.1"
CHUNKED = head(b"Transfer-Encoding: chunked", first=POST)
SMALL = {
    "--limit-request-line": 100,
    "--limit-request-fields": 5,
    "--limit-request-field-size": 60,
    "--limit-request-head": 200,
    "--limit-request-body": 1000,
}
DEFAULTS = {
    "--limit-request-line": 8190,
    "--limit-request-fields": 100,
    "--limit-request-field-size": 8190,
    "--limit-request-head": 65536,
}


def request_line(size: int) -> bytes:
    return head(first=b"GET /" + b"a" * (size - len(b"GET / HTTP/1.1")) + b" HTTP/1.1")


def fields(count: int) -> bytes:
    return head(*[b"X: y"] * (count - 1))


def field_size(size: int) -> bytes:
    return head(b"X: " + b"y" * (size - 3))


def head_size(size: int) -> bytes:
    """A head of lines that are all within the limit of a field."""
    lines: list[bytes] = []
    width = 8000 if size > 1000 else 50
    while (left := size - len(head(*lines, b"X: "))) > width:
        lines.append(b"X: " + b"y" * (width - 5))
    return head(*lines, b"X: " + b"y" * left)


def body_size(size: int) -> bytes:
    return head(b"Content-Length: %d" % size, first=POST) + bytes(min(size, 1 << 16))


def chunked_size(size: int) -> bytes:
    return CHUNKED + b"".join(b"1\r\nx\r\n" for _ in range(size)) + b"0\r\n\r\n"


def trailer_fields(count: int) -> bytes:
    return CHUNKED + b"0\r\n" + b"X: y\r\n" * count + b"\r\n"


def trailer_size(size: int) -> bytes:
    return CHUNKED + b"0\r\nX: " + b"y" * (size - 3) + b"\r\n\r\n"


LIMITS: list[tuple[str, Callable[[int], bytes], int]] = [
    ("--limit-request-line", request_line, 414),
    ("--limit-request-fields", fields, 431),
    ("--limit-request-field-size", field_size, 431),
    ("--limit-request-head", head_size, 431),
    ("--limit-request-body", body_size, 413),
    ("--limit-request-body", chunked_size, 413),
    ("--limit-request-fields", trailer_fields, 431),
    ("--limit-request-field-size", trailer_size, 431),
]


@pytest.fixture(scope="module", params=targets("sync", "asgi"), ids=str)
def limited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """A server with small limits."""
    options = [str(part) for pair in SMALL.items() for part in pair]
    with attacked(request.param, tmp_path_factory.mktemp("limited"), *options) as attack:
        yield attack


def check_limit(attack: Attacked, data: bytes, status: int) -> None:
    attack.records()
    with attack.client() as client:
        client.send(data)
        assert client.response().status == status
        if status == 200:
            client.send(head())
            assert client.response().status == 200
        else:
            assert client.ended()
    assert len(attack.seen()) == (2 if status == 200 else 0)


@pytest.mark.parametrize(("off", "over"), [(-1, False), (0, False), (1, True)], ids=["below", "at", "above"])
@pytest.mark.parametrize(("option", "make", "status"), LIMITS, ids=[f"{make.__name__}" for _, make, _ in LIMITS])
def test_a_small_limit_holds(
    limited: Attacked, option: str, make: Callable[[int], bytes], status: int, off: int, over: bool
) -> None:
    check_limit(limited, make(SMALL[option] + off), status if over else 200)


@pytest.mark.parametrize(("off", "over"), [(-1, False), (0, False), (1, True)], ids=["below", "at", "above"])
@pytest.mark.parametrize(
    ("option", "make", "status"),
    [limit for limit in LIMITS if limit[0] in DEFAULTS],
    ids=[f"{make.__name__}" for option, make, _ in LIMITS if option in DEFAULTS],
)
def test_a_default_limit_holds(
    attack: Attacked, option: str, make: Callable[[int], bytes], status: int, off: int, over: bool
) -> None:
    check_limit(attack, make(DEFAULTS[option] + off), status if over else 200)


def test_what_never_ends_is_refused_at_the_limit(limited: Attacked) -> None:
    for data, status in (
        (b"G" * 103, 414),
        (b"GET /" + b"a" * 98, 414),
        (b"GET / HTTP/1.1\r\n" + b"X" * 63, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 60, 431),
        (CHUNKED + b"0\r\n" + b"X" * 63, 431),
    ):
        with limited.client() as client:
            client.send(data)
            assert client.response().status == status
            assert client.ended()


STEP = 20_000
GROWING: dict[str, Callable[[int], bytes]] = {
    "one-byte chunks": lambda count: CHUNKED + b"1\r\nx\r\n" * count + b"0\r\n\r\n",
    "pipelined requests": lambda count: b"GET / HTTP/1.0\r\nConnection:keep-alive\r\n\r\n" * (count // 20) + head(),
    "extensions": lambda count: (CHUNKED + b"1;aaaaaa\r\nx\r\n" * 1000 + b"0\r\n\r\n") * (count // 1000),
    "long fields": lambda count: (head(*[b"X: " + b"y" * 8000] * 7)) * (count // 2000),
    "short fields": lambda count: (head(*[b"%d:" % number for number in range(99)])) * (count // 200),
    "trailers": lambda count: (CHUNKED + b"0\r\n" + b"X: y\r\n" * 100 + b"\r\n") * (count // 200),
    "connection options": lambda count: head(b"Connection: " + b"a," * 4000) * (count // 1000),
    "cookies": lambda count: head(*[b"Cookie: a=b"] * 90) * (count // 200),
    "percent signs": lambda count: head(first=b"GET /" + b"%41" * 2600 + b" HTTP/1.1") * (count // 500),
    "body in small packets": lambda count: head(b"Content-Length: %d" % (count * 50), first=POST) + bytes(count * 50),
}


@pytest.mark.parametrize("name", GROWING)
def test_twice_the_input_takes_no_four_times_the_time(attack: Attacked, name: str) -> None:
    def cost(count: int) -> float:
        data = GROWING[name](count)
        answers = max(1, data.count(b" HTTP/1."))
        start = attack.processor_time()
        with attack.client(timeout=30) as client:
            pieces = [data]
            if name == "body in small packets":
                pieces = [data[index : index + 500] for index in range(0, len(data), 500)]
            for piece in pieces:
                client.exchange(piece)
            for _ in range(answers):
                assert client.response().status == 200
        return attack.processor_time() - start

    # What comes in one by one costs more than what is there at once, which a busy machine decides: the least counts.
    once, twice = [], []
    for _ in range(10):
        once.append(cost(STEP))
        twice.append(cost(2 * STEP))
        if min(twice) < 4 * max(min(once), 0.01):
            return
    raise AssertionError(f"{min(once):.3f} s and {min(twice):.3f} s")
