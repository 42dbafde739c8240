"""The request time-out that interrupts a blocking handler: a signal, and where it may not come."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator

import pytest
from asteri_core.api import Exchange, Sendable, Want
from asteri_core.executors.inline import InlineExecutor
from asteri_core.reactor import Reactor
from asteri_core.testing import MemoryExchange

SECONDS = 0.02
NEVER = 50.0
"""The signal is sent by the test itself, where it is to come."""


def spin(seconds: float) -> None:
    """Be busy, as a signal finds a server."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


class Handler:
    """Runs one function."""

    def __init__(self, application: Callable[..., None]) -> None:
        self.application = application

    def startup(self) -> None:
        """Nothing to start."""

    def shutdown(self) -> None:
        """Nothing to end."""

    def __call__(self, exchange: Exchange, wait: Callable[[Exchange, Want], None]) -> None:
        self.application(exchange, wait)


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    reactor = Reactor()
    yield reactor
    reactor.close()


def run(reactor: Reactor, exchange: Exchange, application: Callable[..., None], seconds: float = SECONDS) -> None:
    """Run the application for one exchange with a time-out."""
    executor = InlineExecutor(Handler(application), reactor, seconds)
    executor.startup()
    try:
        executor.start(exchange)
        executor.run_line()
    finally:
        executor.shutdown()


class Interrupted(MemoryExchange):
    def send(self, data: Sendable, end: bool = False) -> bool:
        signal.raise_signal(signal.SIGALRM)
        return super().send(data, end)


def test_the_time_out_ends_a_busy_application(reactor: Reactor) -> None:
    exchange = MemoryExchange()
    run(reactor, exchange, lambda exchange, wait: spin(10))
    assert (exchange.status, exchange.complete) == (504, True)


def test_regression_1_the_time_out_does_not_cut_an_operation_of_the_server(reactor: Reactor) -> None:
    """Interrupted between an answer's bytes and its end, a second answer, the 504, would follow the first."""
    exchange = Interrupted()
    after = []

    def application(exchange: Exchange, wait: object) -> None:
        exchange.respond(200, ())
        exchange.send(b"whole", True)
        after.append("the time-out came too late")

    run(reactor, exchange, application, NEVER)
    assert (exchange.status, exchange.content, exchange.complete) == (200, b"whole", True)
    assert after == []


def test_regression_2_the_time_out_does_not_cut_a_turn_of_the_reactor(reactor: Reactor) -> None:
    """Interrupted there, it would forget a peer of whom it has just been told."""
    exchange = MemoryExchange()
    exchange.blocked = True
    turned = []

    def turn() -> None:
        signal.raise_signal(signal.SIGALRM)
        turned.append("whole")

    def application(exchange: Exchange, wait: Callable[[Exchange, Want], None]) -> None:
        reactor.post(turn)
        wait(exchange, Want.WRITE)

    run(reactor, exchange, application, NEVER)
    assert turned == ["whole"]
    assert (exchange.status, exchange.complete) == (504, True)


def test_the_time_out_ends_a_wait_for_a_silent_peer(reactor: Reactor) -> None:
    exchange = MemoryExchange()
    exchange.blocked = True
    run(reactor, exchange, lambda exchange, wait: wait(exchange, Want.WRITE))
    assert (exchange.status, exchange.complete) == (504, True)
