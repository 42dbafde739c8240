"""Who has spoken in time is heard before he is told that he is late, also when everybody was stopped meanwhile."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asteri_core.api import Peer
from asteri_core.testing import FakeClock
from asteri_core.testing.lines import LineConnection

SECONDS = 2.0
STOPPED = 60.0


class Patient(LineConnection):
    """Waits so long for each piece."""

    def __init__(self, peer: Peer, seen: Seen, now: float) -> None:
        super().__init__(peer)
        self._seen = seen
        self._due = now + SECONDS

    def receive_data(self, data: bytes, now: float) -> None:
        self._seen.heard.add(self)
        self._due = now + SECONDS
        super().receive_data(data, now)

    def deadline(self) -> float:
        return self._due

    def expire(self, now: float) -> None:
        if now >= self._due:
            self._seen.late.add(self)


class Seen:
    """A reactor with patient peers, whom it has heard, and whom it has told that he is late."""

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.heard: set[Patient] = set()
        self.late: set[Patient] = set()

    def connect(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with self.reactor.lock:
            self.reactor.attach(theirs, Peer("", ""), lambda peer, now: Patient(peer, self, now))
        return ours


class Stopping(FakeClock):
    """Somebody is stopped when it is asked for the n-th time from now on, and others speak meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.stop: Callable[[], None] = int
        self.at = -1

    def __call__(self) -> float:
        self.asked += 1
        if self.asked == self.at:
            self.advance(STOPPED)
            self.stop()
        return super().__call__()


@pytest.fixture
def clock() -> Stopping:
    return Stopping()


@pytest.fixture
def seen(twin: Any, clock: Stopping) -> Iterator[Seen]:
    reactor = twin.Reactor(clock=clock, started=lambda exchange: None)
    yield Seen(reactor)
    reactor.close()


def test_wherever_in_a_turn_it_was_stopped(seen: Seen, clock: Stopping) -> None:
    """Epoll has spoken of one, and then another one speaks, before the clock is read."""
    with seen.connect() as one, seen.connect() as other:
        seen.reactor.poll(0)
        before = clock.asked
        one.send(b"x")
        seen.reactor.poll(0)
        clock.stop = lambda: other.send(b"y")
        for step in range(1, clock.asked - before + 1):
            one.send(b"x")
            clock.at = clock.asked + step
            seen.reactor.poll(0)
            for peer in (one, other):
                peer.send(b"x")
            seen.reactor.poll(0)
        assert not seen.late


def test_with_more_peers_than_a_look_sees(seen: Seen, clock: Stopping) -> None:
    peers = [seen.connect() for _ in range(900)]
    seen.reactor.poll(0)
    for peer in peers:
        peer.send(b"x")
    clock.advance(STOPPED)
    for _ in range(5):
        seen.reactor.poll(0)
    assert len(seen.heard) == 900
    assert not seen.late
    for peer in peers:
        peer.close()


def test_in_a_turn_within_another_one(seen: Seen, clock: Stopping) -> None:
    peers = [seen.connect() for _ in range(200)]
    seen.reactor.poll(0)

    def turn() -> None:
        for peer in peers:
            peer.send(b"x")
        clock.advance(STOPPED)
        seen.reactor.poll(0)

    seen.reactor.post(turn)
    seen.reactor.poll(0)
    assert len(seen.heard) == 200
    assert not seen.late
    for peer in peers:
        peer.close()


def test_among_many_descriptors_of_somebody_else_s_that_are_ready_all_the_time(seen: Seen, clock: Stopping) -> None:
    pairs = [socket.socketpair() for _ in range(200)]
    for ours, theirs in pairs:
        seen.reactor.add(ours.fileno(), selectors.EVENT_READ, lambda mask: None)
        theirs.send(b"x")
    with seen.connect() as peer:

        def turn() -> None:
            peer.send(b"x")
            clock.advance(STOPPED)
            seen.reactor.poll(0)

        seen.reactor.post(turn)
        seen.reactor.poll(0)
        assert len(seen.heard) == 1
        assert not seen.late
    for pair in pairs:
        seen.reactor.remove(pair[0].fileno())
        for one in pair:
            one.close()


def test_who_has_said_nothing_is_late(seen: Seen, clock: Stopping) -> None:
    with seen.connect(), seen.connect() as other:
        seen.reactor.poll(0)
        other.send(b"x")
        clock.advance(STOPPED)
        seen.reactor.poll(0)
        assert len(seen.late) == 1
