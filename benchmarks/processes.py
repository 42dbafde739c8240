"""Starts a server on one core, and counts the processor time of its whole process tree (from Linux' /proc)."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent
PATIENCE = 20.0
"""Seconds a server may take to start or to stop."""
LOOK = 0.02
_TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def running(arguments: list[str], port: int, core: int) -> Iterator[int]:
    """Run a server on ``core``, from its first answer on. Gives its process id; stops everything it has started."""
    server = subprocess.Popen(
        arguments,
        cwd=FOLDER,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        start_new_session=True,
    )
    try:
        _wait_for_answer(server, port)
        yield server.pid
    finally:
        server.terminate()
        try:
            server.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.communicate()


def _wait_for_answer(server: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            fetch(port)
            return
        except OSError:
            if server.poll() is not None:
                assert server.stderr is not None
                raise SystemExit(f"{server.args!r} has failed:\n{server.stderr.read().decode()}") from None
            if time.monotonic() > until:
                raise
            time.sleep(LOOK)


def fetch(port: int) -> tuple[int, bytes, bool]:
    """Status and content of one answer, and whether the connection was kept for another."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, content, connection.sock is not None
    finally:
        connection.close()


def cpu_seconds(root: int) -> float:
    """User and system time so far of a process and all its descendants that are alive, in steps of a clock tick."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name in parentheses may contain anything; behind it the fields are numbered from 3 on (proc(5)).
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                pid = int(entry.name)
                parents[pid] = int(fields[1])
                ticks[pid] = int(fields[11]) + int(fields[12])
    return sum(count for pid, count in ticks.items() if _descends(pid, root, parents)) / _TICKS


def _descends(pid: int, root: int, parents: dict[int, int]) -> bool:
    while pid:
        if pid == root:
            return True
        pid = parents.get(pid, 0)
    return False
