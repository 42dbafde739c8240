"""The comparison with other servers: reports of wrk are read, bad answers refused, ratios taken within a round."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"

REPORT = """\
Running 3s test @ http://127.0.0.1:8000/
  1 threads and 40 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.02ms  300.00us   9.00ms   90.00%
    Req/Sec    39.00k     1.00k   41.00k    80.00%
  Latency Distribution
     50%  950.00us
     75%    1.10ms
     90%    1.30ms
     99%    2.10ms
  117000 requests in 3.00s, 70.00MB read
Requests/sec:  39000.00
Transfer/sec:     23.33MB
"""


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a module of benchmarks/ for one test."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def load(name: str) -> Any:
        loaded = importlib.import_module(name)
        monkeypatch.delitem(sys.modules, name)
        return loaded

    return load


def test_the_report_of_wrk_is_read(module: Any) -> None:
    load = module("wrk").read(REPORT)
    assert (load.requests, load.seconds, load.p50, load.p99) == (117000, 3.0, 950.0, 2100.0)


@pytest.mark.parametrize(
    "trouble",
    ["  Socket errors: connect 0, read 3, write 0, timeout 0\n", "  Non-2xx or 3xx responses: 5\n"],
)
def test_a_report_with_bad_answers_is_refused(module: Any, trouble: str) -> None:
    with pytest.raises(ValueError, match=trouble.strip()):
        module("wrk").read(REPORT.replace("Requests/sec", trouble + "Requests/sec"))


def test_a_report_without_answers_is_refused(module: Any) -> None:
    with pytest.raises(ValueError, match="no request was answered"):
        module("wrk").read(REPORT.replace("117000 requests", "0 requests"))


def test_ratios_are_taken_within_a_round(module: Any) -> None:
    figures = module("figures")

    def rounds(*pairs: tuple[float, float]) -> list[Any]:
        return [figures.Figure(rate, cpu, 1.0, 2.0) for rate, cpu in pairs]

    # The machine is four times slower in the second round: that is in the rates, and not in the ratios.
    row = figures.row("peer", "wsgi", 1, rounds((50, 40), (12.5, 40), (25, 60)), rounds((100, 20), (25, 20), (100, 20)))
    assert (row.rate.median, row.rate.low, row.rate.high) == (25, 12.5, 50)
    assert (row.faster.median, row.faster.low, row.faster.high) == (2.0, 2.0, 4.0)
    assert (row.leaner.median, row.leaner.low, row.leaner.high) == (2.0, 2.0, 3.0)


def test_the_processor_time_of_descendants_counts(module: Any) -> None:
    """The child burns half a second; its parent, whose tree is asked for, only waits."""
    burn = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True)\ninput()"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seconds = module("processes").cpu_seconds(process.pid)
        process.communicate(b"\n")
    assert 0.45 <= seconds < 5


def test_the_servers_are_listed_by_name() -> None:
    result = subprocess.run(
        (sys.executable, str(FOLDER / "peers.py"), "--list"), capture_output=True, text=True, env=os.environ
    )
    assert result.returncode == 0, result.stderr
    assert "asteri sync\n" in result.stdout
    assert "uvicorn h11, asyncio" in result.stdout
