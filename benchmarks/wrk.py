"""The load generator ``wrk``: started on one core with keep-alive connections, its answer read and checked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

MISSING = "the load generator wrk is not installed: apt install wrk (Debian, Ubuntu), or https://github.com/wg/wrk"

_TOTAL = re.compile(r"(\d+) requests in ([\d.]+)(us|ms|s|m)")
_LATENCY = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)$", re.MULTILINE)
_TROUBLE = re.compile(r"^\s*(Socket errors:|Non-2xx or 3xx responses:).*$", re.MULTILINE)
_MICROSECONDS = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6}


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw: whole answers, the time it took in seconds, and latencies in microseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float


def available() -> bool:
    return shutil.which("wrk") is not None


def load(port: int, connections: int, seconds: int, core: int) -> Load:
    """Load a server for so many seconds (wrk takes no fractions). Raises `ValueError` when an answer was bad."""
    result = subprocess.run(
        ("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", f"http://127.0.0.1:{port}/"),
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    return read(result.stdout)


def read(text: str) -> Load:
    """What wrk has printed."""
    trouble = _TROUBLE.search(text)
    total = _TOTAL.search(text)
    if trouble is not None:
        raise ValueError(f"not every request was answered well: {trouble[0].strip()}")
    if total is None or total[1] == "0":
        raise ValueError(f"no request was answered:\n{text}")
    latency = {percent: float(number) * _MICROSECONDS[unit] for percent, number, unit in _LATENCY.findall(text)}
    return Load(int(total[1]), float(total[2]) * _MICROSECONDS[total[3]] / 1e6, latency["50"], latency["99"])
