"""The shipped checks accept what keeps a contract and name what breaks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from asteri_core.api import Colour, Event, Exchange, Peer, Sendable, WorkerSpec
from asteri_core.config import Config
from asteri_core.registry import Registry
from asteri_core.testing import FakeClock, check_connection, check_executor
from asteri_core.testing.lines import LineConnection
from asteri_core.worker_api import Host, InlineExecutor, PoolExecutor

REGISTRY = Registry.load()
CONFIG = Config.load(REGISTRY, {}, {}, ".", no_file=True)


def answer(exchange: Exchange) -> None:
    exchange.respond(200, ())
    exchange.send(b"ok\n", True)


def test_a_connection_that_keeps_the_contract_passes() -> None:
    check_connection(lambda peer, now: Timed(peer, now), [b"one\n", b"one\ntwo\n", b"read\nbody\n"], answer)


class Timed(LineConnection):
    """With a deadline, so that time ends it."""

    def __init__(self, peer: Peer, now: float) -> None:
        super().__init__(peer)
        self.until: float | None = now + 5

    def deadline(self) -> float | None:
        return self.until

    def expire(self, now: float) -> None:
        if self.until is not None and now >= self.until:
            self.until = None
            self.cut()


class Repeats(Timed):
    """Finishes twice."""

    def end(self, exchange: Any) -> None:
        super().end(exchange)
        self._events.append(self._events[-1])


class Impatient(Timed):
    """Answers otherwise when the bytes come in pieces."""

    def receive_data(self, data: bytes, now: float) -> None:
        super().receive_data(data + (b"" if data.endswith(b"\n") else b"\n"), now)


class Talkative(Timed):
    """Sends after its half-close."""

    def data_to_send(self, now: float) -> Sequence[Sendable]:
        return [*super().data_to_send(now), *([b"more"] if self._closed else [])]


class Immortal(Timed):
    """Does not end when it is told to."""

    def drain(self, until: float, now: float) -> None:
        """Goes on."""

    def expire(self, now: float) -> None:
        self.until = None


class Deaf(Timed):
    """Forgets its exchange when the peer is lost."""

    def lost(self, now: float) -> None:
        self.running = None

    def events(self) -> Sequence[Event]:
        return super().events()


@pytest.mark.parametrize("broken", [Repeats, Impatient, Talkative, Immortal])
def test_a_connection_that_breaks_the_contract_is_named(broken: type[Timed]) -> None:
    with pytest.raises(AssertionError):
        check_connection(lambda peer, now: broken(peer, now), [b"one\n", b"one\ntwo\n"], answer)


def test_a_connection_that_loses_its_exchange_is_named() -> None:
    with pytest.raises(AssertionError, match="unfinished"):
        check_connection(lambda peer, now: Deaf(peer, now), [b"one\n"], lambda exchange: None)


class Model:
    """A worker model to be broken."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.stopped = False

    def executor(self, handler: Any) -> Any:
        return PoolExecutor(handler, self.host.reactor, self.host.threads)

    def run(self) -> None:
        while not self.stopped:
            self.host.reactor.poll(0.05)

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        """Nothing is held."""


class NeverRuns(Model):
    """Gives an inline executor and never runs what is in line."""

    def executor(self, handler: Any) -> Any:
        return InlineExecutor(handler, self.host.reactor)


def spec(model: type[Model]) -> WorkerSpec:
    return WorkerSpec("model", "a model", Colour.BLOCKING, model)


def test_a_worker_model_that_keeps_the_contract_passes() -> None:
    check_executor(spec(Model), CONFIG)


def test_a_worker_model_that_never_runs_anything_is_named() -> None:
    with pytest.raises((AssertionError, TimeoutError)):
        check_executor(spec(NeverRuns), CONFIG, timeout=0.3)


def test_the_fake_clock_goes_on_only_when_told_to() -> None:
    clock = FakeClock(5)
    assert clock() == 5
    assert clock.advance(2.5) == clock() == 7.5
