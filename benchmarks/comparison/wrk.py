"""The load generator ``wrk``: started on its core, and its figures read and checked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from .client import HOST, BadAnswer
from .loads import Load
from .scenarios import Scenario

MISSING = "the load generator wrk is not installed: apt install wrk (Debian, Ubuntu), or https://github.com/wg/wrk"
SCRIPT = Path(__file__).parents[1] / "lua" / "load.lua"
TIMEOUT = 10
"""Seconds after which wrk counts an answer as missing."""
TROUBLE = ("connect", "read", "write", "timeout", "status", "wrong")
_FIGURES = re.compile(r"^figures (.*)$", re.MULTILINE)


def available() -> bool:
    return shutil.which("wrk") is not None


def command(port: int, scenario: Scenario, seconds: int, expect: Path | None = None) -> list[str]:
    options = []
    if scenario.close:
        options.append("close=1")
    if scenario.body:
        options.append(f"body={scenario.body}")
    if scenario.pipeline > 1:
        options.append(f"pipeline={scenario.pipeline}")
    if expect is not None:
        options.append(f"expect={expect}")
    scheme = "https" if scenario.transport == "tls" else "http"
    return [
        *("wrk", "--threads=1", f"--connections={scenario.connections}", f"--duration={seconds}s"),
        *(f"--timeout={TIMEOUT}s", f"--script={SCRIPT}", f"{scheme}://{HOST}:{port}/", "--", *options),
    ]


def load(port: int, scenario: Scenario, seconds: int, core: int, expect: Path | None = None) -> Load:
    """Load a server for whole seconds. Raises `BadAnswer` when an answer was bad.

    With ``expect``, the content of every answer is compared with that file's, which takes wrk's time.
    """
    result = subprocess.run(
        command(port, scenario, seconds, expect),
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 60,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    return read(result.stdout + result.stderr)


def read(text: str) -> Load:
    """What `SCRIPT` has printed."""
    line = _FIGURES.search(text)
    if line is None:
        raise BadAnswer(f"wrk has no figures: {text.strip()[-200:]!r}")
    found = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line[1])}
    if trouble := [f"{found[name]} {name}" for name in TROUBLE if found[name]]:
        raise BadAnswer(f"not every request was answered well: {', '.join(trouble)}")
    if not found["requests"]:
        raise BadAnswer("no request was answered")
    return Load(found["requests"], found["bytes"], found["duration"] / 1e6, found["p50"], found["p99"])


def check_bytes(load: Load, scenario: Scenario, size: int) -> None:
    """Raises `BadAnswer` unless the bytes are those of so many answers of that size, and of some under way."""
    least = load.requests * size
    most = (load.requests + scenario.connections * scenario.pipeline) * size
    if not least <= load.bytes <= most:
        raise BadAnswer(f"expected {least} to {most} bytes for {load.requests} answers, found {load.bytes}")
