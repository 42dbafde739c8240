"""What the tests of the logs share: a finished exchange, and running a script in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from asteri_core.core_settings import LogSettings
from asteri_core.logs import Logs, setup
from asteri_core.sansio.connection import Header, Peer

PEER = Peer(("192.0.2.1", 5000), ("192.0.2.2", 80))


@dataclass
class FinishedExchange:
    """The facts of an exchange that is over; the log uses no operation of it."""

    method: str = "GET"
    target: bytes = b"/path?query=1"
    version: str = "1.1"
    headers: list[Header] = field(default_factory=list)
    peer: Peer = PEER
    status: int = 200
    response_headers: Sequence[Header] = ()
    sent: int = 512


@pytest.fixture
def finished() -> type[FinishedExchange]:
    return FinishedExchange


@pytest.fixture
def logs_for() -> Iterator[Callable[..., Logs]]:
    """Set logs up in this process: ``logs_for(error_logfile=...)``; they are closed after the test."""
    opened: list[Logs] = []

    def make(**settings: Any) -> Logs:
        previous = opened.pop() if opened else None
        opened.append(setup(LogSettings(**settings), previous))
        return opened[-1]

    yield make
    for logs in opened:
        logs.close()


@pytest.fixture
def script() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python code in a process of its own and give back what it printed."""

    def run(code: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **options.pop("env", {})}
        command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
        return subprocess.run(command, text=True, capture_output=True, timeout=20, env=environment, **options)

    return run
