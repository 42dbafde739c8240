"""The system calls of a worker, as strace(1) sees them from outside: the same for both twins."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CALL = re.compile(r"^\d+\s+(?:<\.\.\. )?(\w+)(?:\(| resumed>).*\s= (-?\d+)", re.MULTILINE)
"""A call that another thread's came between is written in two lines; the second one has the result."""


class Calls:
    """What was called; whole when the tracing has ended."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self.made: list[tuple[str, int]] = []
        """Name and result."""

    def look(self) -> list[tuple[str, int]]:
        """What has been written of them so far: a call is written a little after it was made."""
        self.made = [(name, int(result)) for name, result in CALL.findall(self._output.read_text())]
        return self.made

    def count(self, *names: str) -> int:
        return sum(name in names for name, _ in self.made)


@contextmanager
def traced(pid: int, folder: Path, only: str = "all") -> Iterator[Calls]:
    """Trace a process and its threads until the block ends."""
    output = folder / "calls"
    command = ["strace", "-f", "-e", f"trace={only}", "-o", str(output), "-p", str(pid)]
    calls = Calls(output)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        line = strace.stderr.readline()
        assert "attached" in line, line
        try:
            yield calls
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(20)
    calls.look()
