"""The load generator ``limit/client.c``, which is quicker than any server: started on its core, its figures read.

A server that is quicker than wrk finds requests by twos and threes, and its core is busy looking for the next ones: its
processor time per request is wrk's. With a client that keeps ahead of it, its own is seen. This one can only ask what
has one answer. It never sleeps: what a server spends on waking a client on its own machine is not its own either.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

from .client import BadAnswer, Checked, request
from .loads import Load
from .scenarios import Scenario

_FIGURES = re.compile(r"^figures requests=(\d+) duration=(\d+) p50=(\d+) p99=(\d+)$", re.MULTILINE)


def load(program: Path, port: int, scenario: Scenario, checked: Checked, seconds: int, core: int) -> Load:
    """Load a server for whole seconds, and compare each answer with the right one. Raises `BadAnswer`."""
    with tempfile.TemporaryDirectory() as name:
        asked, content = Path(name, "request"), Path(name, "content")
        asked.write_bytes(request(scenario, port))
        content.write_bytes(checked.content)
        result = subprocess.run(
            list(map(str, (program, port, scenario.connections, seconds, checked.size, asked, content))),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 60,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    if result.returncode:
        raise BadAnswer(f"not every request was answered well: {result.stderr.strip()}")
    return read(result.stdout, checked.size)


def read(text: str, size: int) -> Load:
    """What the program has printed, where each answer has ``size`` bytes."""
    found = _FIGURES.search(text)
    if found is None:
        raise BadAnswer(f"the client has no figures: {text.strip()[-200:]!r}")
    requests, duration, p50, p99 = map(int, found.groups())
    if not requests:
        raise BadAnswer("no request was answered")
    return Load(requests, requests * size, duration / 1e6, p50, p99)
