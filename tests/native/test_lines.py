"""The access log's lines that C makes of a native exchange: what is unusual is left to the Python log."""

from __future__ import annotations

from typing import Any

import pytest
from asteri_core.api import Peer
from asteri_core.logs.formats import compile_format
from asteri_http.settings import HttpSettings
from asteri_http1._native import Binding
from asteri_native._ledger import Lines


class Log:
    """What an access log is to `Lines`."""

    format = "%(s)s %(T)s %(M)s %(D)s %(L)s"

    def __init__(self) -> None:
        self.taken = b""
        self.left: list[float] = []
        """The durations of the lines that it has to make itself."""

    def take(self, lines: bytes) -> None:
        self.taken += lines

    def write(self, exchange: Any, duration: float, wall: float) -> None:
        self.left.append(duration)

    def flush(self, now: float) -> None:
        """Nothing is kept back."""


@pytest.mark.parametrize("duration", [1e300, -1e300, 1e13, float("inf"), float("nan")])
@pytest.mark.parametrize("in_wall", [False, True], ids=["duration", "wall"])
def test_a_line_with_a_time_of_a_broken_clock_is_left_to_the_python_log(duration: float, in_wall: bool) -> None:
    connection: Any = Binding(HttpSettings(), lambda: 0.0)(Peer("", ""), 0.0)
    connection.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0.0)
    exchange = connection.events()[0].exchange
    log = Log()
    lines = Lines(log)  # type: ignore[arg-type]
    lines.write(exchange, 0.25, 1.0)
    lines.write(exchange, *((2.0, duration) if in_wall else (duration, 1.0)))
    lines.write(exchange, 1e6, 1.0)
    lines.flush(1.0)
    assert log.taken == b"- 0 250 250000 0.250000\n- 1000000 1000000000 1000000000000 1000000.000000\n"
    assert len(log.left) == 1


REQUESTS = {
    "plain": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "with a user": b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic dXNlcjpzZWNyZXQ=\r\n\r\n",
    "with a user that has to be escaped": b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic dSAiCjpz\r\n\r\n",
    "with another scheme": b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer YWJjOg==\r\n\r\n",
    "with a query and quotes": b'GET /a?b="c" HTTP/1.1\r\nHost: a\r\nUser-Agent: "\\ x\r\nReferer: \xe9\r\n\r\n',
    "with a field twice": b"GET /%20 HTTP/1.0\r\nUser-Agent: a\r\nX-A: b\r\nUser-Agent: c\r\n\r\n",
    "absolute": b"GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n",
}
STATUSES = {"unanswered": None, "empty": (204, b""), "short": (200, b"hello"), "long": (404, bytes(123456))}


@pytest.mark.parametrize("answer", STATUSES.values(), ids=STATUSES)
@pytest.mark.parametrize("request_bytes", REQUESTS.values(), ids=REQUESTS)
def test_a_line_made_in_c_is_the_one_that_python_makes(request_bytes: bytes, answer: tuple[int, bytes] | None) -> None:
    connection: Any = Binding(HttpSettings(), lambda: 0.0)(Peer(("192.0.2.1", 1), ("192.0.2.2", 80)), 0.0)
    connection.receive_data(request_bytes, 0.0)
    exchange = connection.events()[0].exchange
    if answer is not None:
        exchange.respond(answer[0], [])
        if answer[1]:
            exchange.send(answer[1], True)
    log = Log()
    log.format = (
        "%(h)s %(l)s %(u)s %(t)s %(r)s %(m)s %(U)s %(q)s %(H)s %(s)s %(B)s %(b)s %(f)s %(a)s %({X-A}i)s %(p)s %(D)s"
    )
    lines = Lines(log)  # type: ignore[arg-type]
    lines.write(exchange, 0.25, 1e9)
    lines.flush(1.0)
    assert log.left == []
    assert log.taken == compile_format(log.format)(exchange, 0.25, 1e9)
