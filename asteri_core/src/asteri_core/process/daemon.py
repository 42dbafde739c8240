"""Becoming a daemon: the command returns when the server is ready, or has failed, with the exit status that says which.

    command ──fork──▶ session leader ──fork──▶ arbiter
       └── waits for one byte, the exit status ◀──┘

From here on the standard streams are /dev/null; what goes wrong is in the error log.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn


class Daemon:
    """A process that has left its terminal and whose starter still waits for it."""

    def __init__(self, waiting_fd: int) -> None:
        self._waiting_fd = waiting_fd

    def release(self, status: int) -> None:
        """Let the starter end with this exit status. Only the first time counts."""
        if self._waiting_fd != -1:
            with contextlib.suppress(BrokenPipeError):  # the starter was not patient enough
                os.write(self._waiting_fd, bytes([status]))
        self.forget()

    def forget(self) -> None:
        """In a child: nobody waits for us."""
        if self._waiting_fd != -1:
            os.close(self._waiting_fd)
            self._waiting_fd = -1


def detach() -> Daemon:
    """Go on in a process without a terminal. The process that calls this ends when `Daemon.release` is called."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()  # else what is buffered would be written twice
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        _await_release(reader)
    os.close(reader)
    os.setsid()
    # Not being the session's leader, it cannot get a terminal again by opening one.
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    if null > 2:
        os.close(null)
    return Daemon(writer)


def _await_release(reader: int) -> NoReturn:
    said = os.read(reader, 1)
    # No byte at all: the daemon has died before it could say anything.
    status = said[0] if said else 1
    if status:
        os.write(2, b"asteri: error: the server could not start; its error log (--error-logfile) says why\n")
    os._exit(status)
