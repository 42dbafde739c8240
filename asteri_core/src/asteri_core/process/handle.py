"""The arbiter's end of a worker: its process, its slot and the pipe on which it says that it is ready.

Only the arbiter reaps its children, so a pid cannot come to mean another process before `Handle.status` is set.
"""

from __future__ import annotations

import os
import signal

from ..scoreboard import Slot
from .context import READY


class Handle:
    """One worker, from before its fork. The lifecycle hooks of the arbiter get it as ``worker``."""

    __slots__ = (
        "generation",
        "number",
        "pid",
        "ready",
        "ready_fd",
        "recycle_seen",
        "reopen_due",
        "slot",
        "status",
        "told",
    )

    def __init__(self, number: int, generation: int, slot: Slot) -> None:
        self.number = number
        self.generation = generation
        self.slot = slot
        self.pid = 0
        """0 until it is forked."""
        self.ready_fd = -1
        """The reading end of its pipe, -1 when that is of no use any more."""
        self.ready = False
        self.reopen_due = False
        """Whether logs were reopened while it could not be told."""
        self.recycle_seen = False
        self.told = False
        """Whether it was told to go."""
        self.status: int | None = None
        """Its exit status once it has been reaped, negative for a signal's number."""

    def born(self, pid: int, ready_fd: int) -> None:
        self.pid = pid
        self.ready_fd = ready_fd

    def says_ready(self) -> bool:
        """Read the pipe: whether the worker has said that it is ready. Whatever it says, it says once."""
        try:
            said = os.read(self.ready_fd, 1)
        except BlockingIOError:
            return False
        self.close()
        self.ready = said == READY
        return self.ready

    def kill(self, number: signal.Signals) -> None:
        """Send a signal, unless it is gone."""
        if self.pid and self.status is None:
            os.kill(self.pid, number)

    def close(self) -> None:
        """Close the pipe."""
        if self.ready_fd != -1:
            os.close(self.ready_fd)
            self.ready_fd = -1

    def __str__(self) -> str:
        return f"worker {self.number} (pid {self.pid})"
