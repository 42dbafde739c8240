"""The end of a stream: nobody calls its connection any more but for its last events, and those are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from asteri_core.api import Finished, Started
from asteri_core.testing import FakeClock


class Watched:
    """Begins an exchange with the first bytes. It notes what is called after `lost`, and may fail there."""

    def __init__(self, fails: bool = False) -> None:
        self.wake: Callable[[], None] = lambda: None
        self.fails = fails
        self.happened: list[Any] = []
        self.gone = False
        self.due: float | None = None
        self.called: list[str] = []
        self.wants_data = True

    def _called(self, what: str) -> None:
        if self.gone:
            self.called.append(what)

    def receive_data(self, data: bytes, now: float) -> None:
        self._called("receive_data")
        self.happened.append(Started(self))  # type: ignore[arg-type]
        self.due = now + 1

    def receive_eof(self, now: float) -> None:
        self._called("receive_eof")

    def lost(self, now: float) -> None:
        self._called("lost")
        self.gone = True
        self.happened.append(Finished(self))  # type: ignore[arg-type]
        if self.fails:
            raise RuntimeError("not even this")

    def events(self) -> Sequence[Any]:
        events, self.happened = self.happened, []
        return events

    def data_to_send(self, now: float) -> Sequence[Any]:
        self._called("data_to_send")
        return ()

    def deadline(self) -> float | None:
        return self.due

    def expire(self, now: float) -> None:
        self._called("expire")

    def drain(self, until: float, now: float) -> None:
        self._called("drain")


@pytest.mark.parametrize("fails", [False, True], ids=["ends-well", "fails-in-lost"])
def test_a_turn_within_the_news_of_an_end_leaves_the_lost_connection_alone(serve: Any, fails: bool) -> None:
    clock = FakeClock()
    served = serve(clock=clock)
    connection = Watched(fails)
    served.factory = lambda peer, now: connection
    finished: list[Any] = []

    def hear(exchange: Any) -> None:
        finished.append(exchange)
        clock.advance(5)
        served.reactor.poll(0)
        served.reactor.drain(clock())
        served.reactor.poll(0)

    served.reactor.finished = hear
    with served.connect() as client:
        client.sendall(b"hello\n")
        served.until(lambda: len(served.started) == 1)
        with served.reactor.lock:
            served.reactor.abandon()
        served.until(lambda: served.reactor.connections == 0)
    assert finished == [connection]
    assert connection.called == []


def test_what_had_ended_is_told_although_the_connection_fails_when_it_is_lost(served: Any) -> None:
    connection = Watched(fails=True)
    served.factory = lambda peer, now: connection
    with served.connect() as client:
        client.sendall(b"hello\n")
        served.until(lambda: len(served.started) == 1)
        with served.reactor.lock:
            served.reactor.abandon()
        served.until(lambda: served.reactor.connections == 0)
    assert served.finished == [connection]
