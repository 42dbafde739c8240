"""Deadlines of many and timers of a few."""

from __future__ import annotations

import pytest
from asteri_core.reactor.timers import NEVER, TICK, Deadlines, Timers


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


def test_timers_come_in_their_order_and_a_cancelled_one_does_not_come() -> None:
    timers = Timers()
    called: list[str] = []
    timers.add(3, lambda: called.append("third"))
    timers.add(1, lambda: called.append("first"))
    timers.add(1, lambda: called.append("second"))
    timers.add(0.5, lambda: called.append("cancelled")).cancel()
    assert timers.next() == 1
    for callback in timers.due(2):
        callback()
    assert called == ["first", "second"]
    assert timers.next() == 3
    for callback in timers.due(3):
        callback()
    assert called == ["first", "second", "third"]
    assert timers.next() == NEVER
