"""Bodies are collected before a blocking application runs."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import asteri_core.collect
import asteri_native.kernel
import pytest
from asteri_core.api import Exchange, RemoteProtocolError, Want
from asteri_core.empty_body import EMPTY_BODY
from asteri_core.testing import MemoryExchange


class Slow(MemoryExchange):
    """Its body comes when the test says so."""

    def __init__(self, *pieces: bytes | None) -> None:
        super().__init__(pieces=pieces)
        self.ready: list[Callable[[], None]] = []

    def watch(self, want: Want, callback: Callable[[], None]) -> bool:
        assert want is Want.READ
        self.ready.append(callback)
        return False


Collect = Callable[..., list[Exchange]]

COLLECTORS = {"py": asteri_core.collect.Collector, "c": asteri_native.kernel.Collector}


@pytest.fixture(params=COLLECTORS)
def collect(request: pytest.FixtureRequest) -> Collect:
    """Gives an exchange to a collector, and the exchanges that have gone on."""
    collector: Any = COLLECTORS[request.param]

    def run(exchange: MemoryExchange, limit: int = 100) -> list[Exchange]:
        done: list[Exchange] = []
        posted: list[Callable[[], None]] = []
        collector(limit, posted.append, done.append).collect(exchange)
        while posted or getattr(exchange, "ready", None):
            if posted:
                posted.pop(0)()
            else:
                exchange.ready.pop(0)()  # type: ignore[attr-defined]
        return done

    return run


def test_a_request_without_a_body_goes_on_at_once_with_an_empty_file(collect: Collect) -> None:
    exchange = MemoryExchange()
    assert collect(exchange) == [exchange]
    assert exchange.body is EMPTY_BODY


@pytest.mark.parametrize("size", [99, 100, 101, 100_000])
def test_a_body_is_whole_at_below_and_above_the_limit_of_memory(collect: Collect, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    exchange = MemoryExchange(pieces=[content[i : i + 60] for i in range(0, size, 60)])
    expected = b"".join(content[i : i + 60] for i in range(0, size, 60))
    assert collect(exchange) == [exchange]
    assert exchange.body.tell() == 0
    assert exchange.body.read() == expected
    assert (type(exchange.body) is BytesIO) is (len(expected) <= 100)
    exchange.body.close()


def test_a_slow_body_is_waited_for_without_the_application(collect: Collect) -> None:
    exchange = Slow(b"one", None, b"two", None, None, b"three")
    assert collect(exchange) == [exchange]
    assert exchange.body.read() == b"onetwothree"


def test_a_request_that_expects_continue_goes_on_without_reading(collect: Collect) -> None:
    exchange = MemoryExchange(pieces=[b"body"])
    exchange.expects_continue = True
    assert collect(exchange) == [exchange]
    assert exchange.body is None
    assert exchange.read() == b"body"


def test_a_peer_that_leaves_in_its_body_never_reaches_the_application(collect: Collect) -> None:
    exchange = Slow(b"one", None)
    exchange.leave()
    exchange._pieces.clear()
    assert collect(exchange) == []


class Broken(MemoryExchange):
    def read(self) -> bytes | None:
        raise RemoteProtocolError("chunk size is not hexadecimal")


def test_a_broken_body_never_reaches_the_application(collect: Collect) -> None:
    assert collect(Broken()) == []


@pytest.mark.parametrize("size", [60, 1000, 100_000])
@pytest.mark.parametrize("full", ["/proc/no/such/folder", "/dev/full"])
def test_regression_1_a_body_that_cannot_be_stored_is_answered_503(
    collect: Collect, monkeypatch: pytest.MonkeyPatch, full: str, size: int
) -> None:
    """No descriptor or disk space left for one upload ended the whole worker."""
    monkeypatch.setattr("tempfile.TemporaryFile", lambda prefix: Path(full).open("w+b"))  # noqa: SIM115
    exchange = MemoryExchange(pieces=[bytes(size)] * 2)
    assert collect(exchange) == []
    assert (exchange.status, exchange.complete, exchange.body) == (503, True, None)


def test_a_body_that_cannot_be_stored_of_a_peer_that_has_left_is_dropped(
    collect: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = MemoryExchange(pieces=[bytes(1000)] * 2)

    def no_file(prefix: str) -> None:
        exchange.leave()
        raise OSError("no space")

    monkeypatch.setattr("tempfile.TemporaryFile", no_file)
    assert collect(exchange) == []
    assert exchange.aborted
