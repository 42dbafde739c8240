"""The access log's lines that C makes of a native exchange: what is unusual is left to the Python log."""

from __future__ import annotations

from typing import Any

import pytest
from asteri_core.api import Peer
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
