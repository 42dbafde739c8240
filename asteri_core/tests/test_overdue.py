"""A request that runs over its time: what the log shows of it, and whose it is."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from asteri_core.api import Exchange, Want
from asteri_core.logs import LineFormatter
from asteri_core.reactor import Reactor
from asteri_core.testing import MemoryExchange
from asteri_core.worker_api import InlineExecutor, log_overdue


class Handler:
    """Answers what it is given."""

    def startup(self) -> None:
        """Nothing to start."""

    def shutdown(self) -> None:
        """Nothing to end."""

    def __call__(self, exchange: Exchange, wait: Callable[[Exchange, Want], None]) -> None:
        exchange.respond(200, ())
        exchange.send(b"done", True)


@pytest.fixture
def executor() -> InlineExecutor:
    reactor = Reactor()
    try:
        return InlineExecutor(Handler(), reactor)
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


def test_an_inline_request_that_waits_for_its_turn_is_answered_and_never_runs(executor: InlineExecutor) -> None:
    exchange = MemoryExchange()
    executor.start(exchange)
    executor.expire(exchange)
    assert (exchange.status, exchange.complete, executor.running) == (504, True, 0)


def test_an_inline_request_that_has_not_been_started_is_left_alone(
    executor: InlineExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = MemoryExchange()
    executor.expire(exchange)
    assert (exchange.status, exchange.over, caplog.records) == (0, False, [])


def test_an_inline_request_whose_call_has_returned_is_not_logged(
    executor: InlineExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = MemoryExchange()
    executor.start(exchange)
    executor.run_next()
    executor.expire(exchange)
    assert (exchange.status, exchange.content, caplog.records) == (200, b"done", [])
