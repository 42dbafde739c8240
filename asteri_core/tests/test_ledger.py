"""The book-keeping of a worker: what runs, what the scoreboard says, the limits of its life. Over both twins."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import asteri_core.ledger
import asteri_core.reactor
import asteri_native._ledger
import asteri_native._reactor
import pytest
from asteri_core.scoreboard import BUCKETS, CURRENT_SIZE, Scoreboard
from asteri_core.testing import MemoryExchange

TWINS = {"py": asteri_core.ledger.Ledger, "c": asteri_native._ledger.Ledger}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def slot() -> Any:
    slot = Scoreboard(1)[0]
    slot.claim(1, 0.0)
    return slot


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=TWINS)
def make(request: pytest.FixtureRequest, slot: Any, clock: Clock) -> Any:
    """Makes a ledger that passes on to a list."""

    def made(**options: Any) -> tuple[Any, list[Any]]:
        ledger: Any = TWINS[request.param](slot, clock, **options)
        begun: list[Any] = []
        ledger.begin = ledger.start = begun.append
        return ledger, begun

    return made


def test_a_started_exchange_is_passed_on_and_shown(make: Any, slot: Any) -> None:
    ledger, begun = make()
    exchange = MemoryExchange(method="PUT", target=b"/path")
    ledger.started(exchange)
    assert begun == [exchange]
    assert ledger.running == [exchange]
    assert (slot.snapshot().active, slot.snapshot().current) == (1, b"PUT /path")


@pytest.mark.parametrize("size", [0, CURRENT_SIZE - 6, CURRENT_SIZE - 4, CURRENT_SIZE - 3, CURRENT_SIZE, 4000])
def test_what_is_shown_is_cut_to_what_fits(make: Any, slot: Any, size: int) -> None:
    ledger, _ = make()
    ledger.started(MemoryExchange(target=b"x" * size))
    assert slot.snapshot().current == (b"GET " + b"x" * size)[:CURRENT_SIZE]


def test_without_a_place_to_pass_on_to_it_raises(slot: Any, clock: Clock) -> None:
    for twin in TWINS.values():
        with pytest.raises(RuntimeError, match="nobody to pass a request on to"):
            twin(slot, clock).started(MemoryExchange())


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.0, 0), (1.01e-6, 1), (2.01e-6, 2), (3.9e-6, 2), (1e-3, 10), (60.0, 26), (134.5, 27), (9999.0, BUCKETS - 1)],
)
def test_a_finished_exchange_is_counted(make: Any, slot: Any, clock: Clock, seconds: float, bucket: int) -> None:
    ledger, _ = make()
    exchange = MemoryExchange()
    ledger.started(exchange)
    clock.now += seconds
    exchange.status, exchange.sent = 503, 7
    ledger.finished(exchange)
    seen = slot.snapshot()
    assert (seen.requests, seen.errors, seen.sent, seen.active) == (1, 1, 7, 0)
    assert seen.busy == pytest.approx(seconds)
    assert [index for index, count in enumerate(seen.latency) if count] == [bucket]
    assert ledger.running == []


@pytest.mark.parametrize("reactor", [asteri_core.reactor.Reactor, asteri_native._reactor.Reactor], ids=["py", "c"])
def test_the_time_of_a_request_begins_with_the_turn_that_it_came_in(
    make: Any, slot: Any, clock: Clock, reactor: Any
) -> None:
    """What comes in one turn has come by its beginning, and may have waited for what was passed on before it."""
    ledger, _ = make()
    ledger.reactor = reactor(clock=clock)
    for exchange, seconds in ((MemoryExchange(), 2), (MemoryExchange(), 3)):
        clock.now += seconds
        ledger.started(exchange)
        ledger.finished(exchange)
    assert slot.snapshot().busy == 2 + 5
    ledger.reactor.poll(0)
    ledger.started(exchange)
    ledger.finished(exchange)
    assert slot.snapshot().busy == 2 + 5
    ledger.reactor.close()


def test_an_exchange_that_never_started_cannot_finish(make: Any) -> None:
    ledger, _ = make()
    with pytest.raises(KeyError):
        ledger.finished(MemoryExchange())


def test_many_running_exchanges_are_kept_in_the_order_of_their_start(make: Any, slot: Any) -> None:
    ledger, _ = make()
    exchanges = [MemoryExchange(target=b"/%d" % number) for number in range(1000)]
    for exchange in exchanges:
        ledger.started(exchange)
    assert ledger.running == exchanges
    for exchange in exchanges[::2]:
        ledger.finished(exchange)
    assert ledger.running == exchanges[1::2]
    assert slot.snapshot().active == 500
    for exchange in reversed(exchanges[1::2]):
        ledger.finished(exchange)
    assert ledger.running == []


def test_each_overdue_exchange_is_told_once_the_first_started_first(make: Any, clock: Clock) -> None:
    ledger, begun = make(request_timeout=5.0)
    first, second, finished = MemoryExchange(), MemoryExchange(), MemoryExchange()
    for exchange in (first, finished, second):
        ledger.started(exchange)
        ledger.time(exchange)
        clock.now += 1
    assert begun == [first, first, finished, finished, second, second]
    ledger.finished(finished)
    assert ledger.overdue(104.9) == []
    assert ledger.overdue(107.0) == [first, second]
    assert ledger.overdue(200.0) == []


def test_the_worker_asks_to_be_replaced_after_its_last_request(make: Any, slot: Any) -> None:
    ledger, _ = make(requests=2)
    asked = []
    for _ in range(3):
        exchange = MemoryExchange()
        ledger.started(exchange)
        ledger.finished(exchange)
        asked.append(slot.recycle)
    assert asked == [False, True, True]


def test_hooks_are_called_with_their_names_and_their_errors_are_their_own(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[Any] = []

    def before(worker: Any, request: Any) -> None:
        calls.append(("before", worker, request))

    def fails(**arguments: Any) -> None:
        raise LookupError("of the hook")

    def after(worker: Any, request: Any, response: Any) -> None:
        calls.append(("after", worker, request, response))

    ledger, begun = make(owner="owner", pre_request=[before, fails], post_request=(fails, after))
    exchange = MemoryExchange()
    ledger.started(exchange)
    ledger.finished(exchange)
    assert calls == [("before", "owner", exchange), ("after", "owner", exchange, exchange)]
    assert begun == [exchange]
    assert caplog.text.count("LookupError: of the hook") == 2


def test_the_access_log_gets_each_exchange_once_it_is_over(make: Any, clock: Clock) -> None:
    lines: list[Any] = []

    class Access:
        def write(self, exchange: Any, duration: float, wall: float) -> None:
            lines.append((exchange, duration, wall > 1.7e9))

    ledger, _ = make(access=Access())
    exchange = MemoryExchange()
    ledger.started(exchange)
    clock.now += 0.5
    ledger.finished(exchange)
    assert lines == [(exchange, 0.5, True)]


def test_a_ledger_keeps_nothing_that_is_over(make: Any) -> None:
    ledger, begun = make()
    exchange = MemoryExchange()
    seen = weakref.ref(exchange)
    ledger.started(exchange)
    ledger.finished(exchange)
    begun.clear()
    del exchange
    gc.collect()
    assert seen() is None


# -- the C twin alone ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Ledger", "Lines", "Collector"])
def test_there_is_no_half_of_one(kind: str) -> None:
    made = getattr(asteri_native._ledger, kind)
    with pytest.raises(TypeError, match="missing required argument"):
        made.__new__(made)


def test_whoever_begins_may_be_replaced_by_who_is_called(slot: Any, clock: Clock) -> None:
    ledger: Any = asteri_native._ledger.Ledger(slot, clock)
    begun: list[Any] = []

    class First:
        def __call__(self, exchange: Any) -> None:
            ledger.begin = begun.append
            gc.collect()
            begun.append(self)

    ledger.begin = First()
    ledger.started(MemoryExchange())
    ledger.started(MemoryExchange())
    assert [type(one) for one in begun] == [First, MemoryExchange]
