"""Deadlines of many and timers of a few: by themselves, and as the reactor of each twin keeps them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asteri_core.api import Peer
from asteri_core.reactor.timers import NEVER, TICK, Deadlines, Timers
from asteri_core.testing import FakeClock
from asteri_core.testing.lines import LineConnection


class Member:
    def __init__(self) -> None:
        self.tick = 0


def test_a_deadline_comes_out_at_the_end_of_its_bucket_and_not_before() -> None:
    deadlines: Deadlines[Member] = Deadlines()
    member = Member()
    assert deadlines.set(member, 5.03)
    assert deadlines.due(5.03) == []
    assert deadlines.due(5.03 + TICK) == [member]
    assert deadlines.due(100) == []


def test_an_earlier_deadline_replaces_a_later_one_and_a_later_one_changes_nothing() -> None:
    deadlines: Deadlines[Member] = Deadlines()
    member = Member()
    deadlines.set(member, 9)
    assert not deadlines.set(member, 20)
    assert deadlines.set(member, 3)
    assert deadlines.due(4) == [member]
    assert deadlines.due(100) == []


def test_a_discarded_member_never_comes_out() -> None:
    deadlines: Deadlines[Member] = Deadlines()
    one, other = Member(), Member()
    deadlines.set(one, 1)
    assert not deadlines.set(other, 1)
    deadlines.discard(one)
    deadlines.discard(one)
    assert deadlines.due(2) == [other]


def test_next_is_never_without_deadlines_and_the_first_bucket_with_them() -> None:
    deadlines: Deadlines[Member] = Deadlines()
    assert deadlines.next() == NEVER
    deadlines.set(Member(), 7)
    deadlines.set(Member(), 4)
    assert deadlines.next() == pytest.approx(4, abs=1.01 * TICK)


def test_members_come_out_in_the_order_of_their_buckets() -> None:
    deadlines: Deadlines[Member] = Deadlines()
    late, early = Member(), Member()
    deadlines.set(late, 8)
    deadlines.set(early, 2)
    assert deadlines.due(10) == [early, late]


def test_the_next_timer_is_the_first_one_that_is_not_cancelled() -> None:
    timers = Timers()
    assert timers.next() == NEVER
    timers.add(3, print)
    first = timers.add(1, print)
    assert timers.next() == 1
    first.cancel()
    assert timers.next() == 3


class Clocked:
    """A reactor with a clock of the test's own."""

    def __init__(self, serve: Callable[..., Any]) -> None:
        self.clock = FakeClock()
        self.served = serve(clock=self.clock)
        self.reactor = self.served.reactor
        self.called: list[object] = []

    def at(self, seconds: float, what: object) -> Any:
        """Have ``what`` noted so many seconds after the beginning."""
        return self.reactor.call_at(1000 + seconds, lambda: self.called.append(what))

    def turn(self, seconds: float) -> None:
        """A turn so many seconds after the beginning."""
        self.clock.now = 1000 + seconds
        self.reactor.poll(0)


@pytest.fixture
def clocked(serve: Callable[..., Any]) -> Clocked:
    return Clocked(serve)


def test_timers_come_in_their_order_and_a_cancelled_one_does_not_come(clocked: Clocked) -> None:
    for seconds, what in [(3, "third"), (1, "first"), (1, "second"), (9, "fourth")]:
        clocked.at(seconds, what)
    clocked.at(0.5, "cancelled").cancel()
    assert clocked.reactor.timeout() == 1
    clocked.turn(2)
    assert clocked.called == ["first", "second"]
    assert clocked.reactor.timeout() == 1
    clocked.turn(3)
    assert clocked.called == ["first", "second", "third"]
    clocked.turn(100)
    assert clocked.called[3:] == ["fourth"]
    assert clocked.reactor.timeout() is None


def test_many_timers_come_in_their_order(clocked: Clocked) -> None:
    for number in range(500):
        clocked.at(number * 7919 % 503, number * 7919 % 503)
    clocked.turn(250)
    assert clocked.called == sorted(number * 7919 % 503 for number in range(500) if number * 7919 % 503 <= 250)
    clocked.turn(600)
    assert clocked.called == sorted(clocked.called)
    assert len(clocked.called) == 500


def test_a_timer_may_cancel_another_one_of_the_same_time(clocked: Clocked) -> None:
    clocked.reactor.call_at(1001, lambda: other.cancel())
    other = clocked.at(1, "cancelled")
    clocked.at(1, "third")
    clocked.turn(2)
    assert clocked.called == ["third"]


def test_a_timer_that_is_set_by_another_one_comes_in_the_next_turn(clocked: Clocked) -> None:
    clocked.reactor.call_at(1001, lambda: clocked.at(0, "set meanwhile"))
    clocked.turn(1)
    assert clocked.called == []
    assert clocked.reactor.timeout() == 0
    clocked.turn(1)
    assert clocked.called == ["set meanwhile"]


def test_a_timer_that_raises_leaves_those_behind_it(clocked: Clocked) -> None:
    clocked.reactor.call_at(1001, lambda: 1 / 0)
    clocked.at(1, "behind it")
    with pytest.raises(ZeroDivisionError):
        clocked.turn(1)
    clocked.turn(1)
    assert clocked.called == ["behind it"]


class Due(LineConnection):
    """Has a deadline, and notes when it is told that it may have passed."""

    def __init__(self, peer: Peer, when: float | None) -> None:
        super().__init__(peer)
        self.when = when
        self.expired: list[float] = []

    def deadline(self) -> float | None:
        return self.when

    def expire(self, now: float) -> None:
        self.expired.append(now)
        if self.when is not None and now >= self.when:
            self.when = None

    def move(self, when: float | None) -> None:
        self.when = when
        self.wake()


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.1, 3.0, 60.0, 204.7, 204.8, 5000.0, 1e9])
def test_a_deadline_is_met_when_its_bucket_has_ended_and_not_before(clocked: Clocked, seconds: float) -> None:
    connection = Due(Peer("", ""), 1000 + seconds)
    clocked.served.factory = lambda peer, now: connection
    client = clocked.served.attach()
    while (timeout := clocked.reactor.timeout()) is not None:
        # A wheel may want to be turned on the way, but not often.
        clocked.turn(clocked.clock.now + timeout - 1000)
        if not seconds > 1e6:
            continue
        clocked.turn(seconds - 1)
    assert len(connection.expired) < 30
    assert connection.when is None
    assert 1000 + seconds <= connection.expired[-1] <= 1000 + seconds + 2 * TICK
    client.close()


def test_deadlines_of_many_come_in_the_order_of_their_buckets(clocked: Clocked) -> None:
    made: list[Due] = []
    order: list[float] = []

    class Ordered(Due):
        def expire(self, now: float) -> None:
            if self.when is not None:
                order.append(self.when)
            super().expire(now)

    clocked.served.factory = lambda peer, now: made.append(Ordered(peer, 1000 + len(made) * 37 % 100)) or made[-1]
    clients = [clocked.served.attach() for _ in range(100)]
    clocked.turn(49.5)
    assert order == [1000.0 + number for number in range(50)]
    assert clocked.reactor.timeout() == pytest.approx(0.6, abs=0.11)
    clocked.turn(500)
    assert order == [1000.0 + number for number in range(100)]
    for client in clients:
        client.close()


def test_a_deadline_that_moves_is_met_where_it_is_in_the_end(clocked: Clocked) -> None:
    connection = Due(Peer("", ""), 1005)
    clocked.served.factory = lambda peer, now: connection
    client = clocked.served.attach()
    connection.move(1050)
    clocked.turn(20)
    assert connection.when == 1050
    connection.move(1030)
    clocked.turn(29.9)
    assert connection.when == 1030
    clocked.turn(30.2)
    assert connection.when is None
    expired = len(connection.expired)
    connection.move(1040)
    connection.move(None)
    clocked.turn(50)
    assert len(connection.expired) <= expired + 1
    client.close()


def test_a_closed_peer_leaves_no_deadline_behind(clocked: Clocked) -> None:
    clocked.served.factory = lambda peer, now: Due(peer, 1005)
    clients = [clocked.served.attach() for _ in range(10)]
    for client in clients:
        client.close()
    clocked.served.until(lambda: clocked.reactor.connections == 0)
    clocked.turn(10)
    assert clocked.reactor.timeout() is None
