"""A request that runs over its time: what the log shows of it, and whose it is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import asteri_native._executors as native
import pytest
from asteri_core.api import Disconnected, Exchange, Want
from asteri_core.logs import LineFormatter
from asteri_core.reactor import Reactor
from asteri_core.testing import MemoryExchange
from asteri_core.worker_api import InlineExecutor, PoolExecutor, log_overdue
from asteri_native._reactor import Reactor as NativeReactor

SECONDS = 20.0
"""After which a test gives up to wait."""


class Handler:
    """Answers what it is given."""

    def startup(self) -> None:
        """Nothing to start."""

    def shutdown(self) -> None:
        """Nothing to end."""

    def __call__(self, exchange: Exchange, wait: Callable[[Exchange, Want], None]) -> None:
        exchange.respond(200, ())
        exchange.send(b"done", True)


@pytest.fixture(params=[InlineExecutor, native.InlineExecutor], ids=["py", "c"])
def executor(request: pytest.FixtureRequest) -> Any:
    reactor = Reactor()
    try:
        return request.param(Handler(), reactor)
    finally:
        reactor.close()


def test_the_stack_is_further_lines_of_the_record(caplog: pytest.LogCaptureFixture) -> None:
    log_overdue(MemoryExchange(target=b"/a\nb"), '  File "app.py", line 3, in view\n    wait()\n')
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert LineFormatter("%(message)s").format(record).split("\n") == [
        r"request time-out: GET '/a\nb'",
        '    File "app.py", line 3, in view',
        "      wait()",
    ]


def test_an_inline_request_that_waits_for_its_turn_is_answered_and_never_runs(executor: Any) -> None:
    exchange = MemoryExchange()
    executor.start(exchange)
    executor.expire(exchange)
    assert (exchange.status, exchange.complete, executor.running) == (504, True, 0)


def test_an_inline_request_that_has_not_been_started_is_left_alone(
    executor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = MemoryExchange()
    executor.expire(exchange)
    assert (exchange.status, exchange.over, caplog.records) == (0, False, [])


def test_an_inline_request_whose_call_has_returned_is_not_logged(
    executor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = MemoryExchange()
    executor.start(exchange)
    executor.run_line()
    executor.expire(exchange)
    assert (exchange.status, exchange.content, caplog.records) == (200, b"done", [])


class Blocking(Handler):
    """Answers when it is let go."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.let_go = threading.Event()
        self.refused: list[Exchange] = []

    def __call__(self, exchange: Exchange, wait: Callable[[Exchange, Want], None]) -> None:
        self.began.set()
        assert self.let_go.wait(SECONDS)
        try:
            super().__call__(exchange, wait)
        except Disconnected:
            self.refused.append(exchange)


@pytest.fixture
def blocking() -> Blocking:
    return Blocking()


@pytest.fixture(params=[Reactor, NativeReactor], ids=["py", "c"])
def reactor(request: pytest.FixtureRequest) -> Iterator[Any]:
    reactor = request.param()
    yield reactor
    reactor.close()


@pytest.fixture(params=[PoolExecutor, native.PoolExecutor], ids=["py", "c"])
def pool(request: pytest.FixtureRequest, reactor: Any, blocking: Blocking) -> Any:
    """With one thread. The test shuts it down."""
    return request.param(blocking, reactor, 1)


def test_a_call_in_a_thread_is_logged_with_its_stack_and_cut_off_from_its_exchange(
    pool: Any, blocking: Blocking, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = MemoryExchange()
    pool.start(exchange)
    assert blocking.began.wait(SECONDS)
    pool.expire(exchange)
    assert (exchange.status, exchange.complete, pool.running) == (504, True, 1)
    blocking.let_go.set()
    pool.shutdown()
    assert (len(blocking.refused), exchange.status, pool.running) == (1, 504, 0)
    (record,) = caplog.records
    assert record.getMessage() == "request time-out: GET '/'"
    assert "in __call__" in (record.stack_info or "")


def test_a_call_that_waits_for_a_thread_is_answered_and_never_run(
    pool: Any, blocking: Blocking, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third = (MemoryExchange() for _ in range(3))
    for exchange in (first, second, third):
        pool.start(exchange)
    assert blocking.began.wait(SECONDS)
    pool.expire(second)
    assert (second.status, second.complete, pool.running) == (504, True, 3)
    assert [record.stack_info for record in caplog.records] == ["it waits for a free thread"]
    blocking.let_go.set()
    pool.shutdown()
    assert (first.content, third.content, blocking.refused, pool.running) == (b"done", b"done", [], 0)


def test_a_call_that_was_not_started_or_has_returned_is_left_alone(
    pool: Any, blocking: Blocking, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = MemoryExchange()
    pool.expire(exchange)
    assert (exchange.status, exchange.over) == (0, False)
    blocking.let_go.set()
    pool.start(exchange)
    pool.shutdown()
    pool.expire(exchange)
    assert (exchange.content, caplog.records) == (b"done", [])
