"""The load generator ``h2load``, for HTTP/2 over TLS: started on its core, and its figures read and checked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from .client import HOST, PATIENCE, BadAnswer, Checked
from .loads import Load
from .scenarios import Scenario

MISSING = "h2load is not installed: apt install nghttp2-client (Debian, Ubuntu), or https://nghttp2.org"
_SECONDS = re.compile(r"^finished in ([\d.]+)(m?s), ", re.MULTILINE)
_REQUESTS = re.compile(
    r"^requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout",
    re.MULTILINE,
)
_STATUSES = re.compile(r"^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", re.MULTILINE)
_BYTES = re.compile(r"\((\d+)\) data", re.MULTILINE)


def available() -> bool:
    return shutil.which("h2load") is not None and shutil.which("curl") is not None


def command(port: int, scenario: Scenario, seconds: int) -> list[str]:
    options = (f"--clients={scenario.connections}", f"--max-concurrent-streams={scenario.pipeline}")
    return ["h2load", *options, f"--duration={seconds}", f"https://{HOST}:{port}/"]


def check(port: int, scenario: Scenario) -> Checked:
    """Raises `BadAnswer` unless a server answers by HTTP/2, and rightly. curl is who asks."""
    form = "\n%{http_version} %{http_code}"
    options = ("--silent", "--show-error", "--insecure", "--http2", "--max-time", f"{PATIENCE:.0f}")
    asked = subprocess.run(
        ["curl", *options, "--write-out", form, f"https://{HOST}:{port}/"], capture_output=True, check=False
    )
    content, _, end = asked.stdout.rpartition(b"\n")
    if end != b"2 200" or not scenario.answered_by(content):
        raise BadAnswer(f"expected the content by HTTP/2 with 200, found {end!r} {content[:80]!r} {asked.stderr!r}")
    return Checked(content, len(content), dated=True)


def load(port: int, scenario: Scenario, seconds: int, core: int) -> Load:
    """Load a server for whole seconds. Raises `BadAnswer` when an answer was bad."""
    try:
        result = subprocess.run(
            command(port, scenario, seconds),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 20,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    except subprocess.TimeoutExpired:
        raise BadAnswer("h2load waits in vain: not every connection was answered and ended") from None
    return read(result.stdout + result.stderr, scenario.size)


def read(text: str, size: int) -> Load:
    """What h2load has printed, where each answer has ``size`` bytes."""
    found = [pattern.search(text) for pattern in (_SECONDS, _REQUESTS, _STATUSES, _BYTES)]
    seconds, requests, statuses, data = found
    if seconds is None or requests is None or statuses is None or data is None:
        raise BadAnswer(f"h2load has no figures: {text.strip()[-200:]!r}")
    _, succeeded, failed, errored, timeout = map(int, requests.groups())
    # What is under way when the time is up counts as neither.
    if failed or errored or timeout or any(int(count) for count in statuses.groups()[1:]):
        raise BadAnswer(f"not every request was answered well: {requests[0]}; {statuses[0]}")
    if not succeeded:
        raise BadAnswer("no request was answered")
    if int(data[1]) < succeeded * size:
        raise BadAnswer(f"expected {succeeded * size} bytes of content, found {data[1]}")
    return Load(succeeded, succeeded * size, float(seconds[1]) / (1000 if seconds[2] == "ms" else 1))
