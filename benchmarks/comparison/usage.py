"""The processor time and the memory of a server's whole process tree, from Linux' clocks and /proc.

The sum of the processor time is exact to the nanosecond (the processes' own clocks, with the threads that have ended).
Its two parts, user and system, are the kernel's estimate from its ticks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """What /proc/PID/stat says of a process that is not a zombie."""

    pid: int
    parent: int
    session: int
    user: float
    system: float
    """Seconds, in steps of a tick."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of processor time so far, of those processes."""

    total: float
    user: float
    system: float
    pids: frozenset[int]

    def since(self, before: Cpu) -> Cpu:
        """What was used between two looks. Raises `ValueError` when a process has ended: its time would be missing."""
        if gone := before.pids - self.pids:
            raise ValueError(f"{len(gone)} of the server's processes ended under load")
        return Cpu(
            self.total - before.total, self.user - before.user, self.system - before.system, before.pids | self.pids
        )

    @property
    def user_share(self) -> float:
        """The part of the time that was not the kernel's, from 0 to 1."""
        return self.user / (self.user + self.system) if self.user + self.system > 0 else 0.0


def read_stat(text: str) -> Process | None:
    """A line of /proc/PID/stat (proc(5)); None for a zombie."""
    pid, _, rest = text.partition(" (")
    # The name in parentheses may contain anything; the fields behind it are numbered from 3 on.
    fields = rest.rpartition(") ")[2].split()
    if fields[0] in "ZX":
        return None
    return Process(int(pid), int(fields[1]), int(fields[3]), int(fields[11]) * _TICK, int(fields[12]) * _TICK)


def tree(root: int) -> list[Process]:
    """The processes that descend from ``root`` or are in its session: one that lost its parent counts too."""
    found: dict[int, Process] = {}
    for entry in os.scandir(PROC):
        if entry.name.isdigit():
            try:
                process = read_stat(Path(entry, "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue
            if process is not None:
                found[process.pid] = process
    return members(root, found.values())


def members(root: int, processes: Iterable[Process]) -> list[Process]:
    known = {one.pid: one for one in processes}

    def belongs(process: Process) -> bool:
        while process.pid != root and process.session != root:
            if process.parent not in known:
                return False
            process = known[process.parent]
        return True

    return [one for one in known.values() if belongs(one)]


def clock(pid: int) -> float:
    """Seconds of processor time of a process."""
    # The clock that clock_getcpuclockid(3) names; Python offers that call for threads only.
    return time.clock_gettime(~pid << 3 | 2)


def cpu(root: int) -> Cpu:
    processes = tree(root)
    return Cpu(
        sum(clock(one.pid) for one in processes),
        sum(one.user for one in processes),
        sum(one.system for one in processes),
        frozenset(one.pid for one in processes),
    )


def memory(root: int) -> int:
    """Bytes of memory that the tree takes: shared pages are divided among those who share them (PSS)."""
    return sum(read_pss((PROC / str(one.pid) / "smaps_rollup").read_text()) for one in tree(root))


def read_pss(text: str) -> int:
    """The sum in a /proc/PID/smaps_rollup, in bytes."""
    [line] = [line for line in text.splitlines() if line.startswith("Pss:")]
    return int(line.split()[1]) * 1024
