"""Signals as data: the arbiter reads them from a descriptor, in its own time; its children start without them.

A handler in Python could interrupt anything, also a fork or a log line. So the handlers do nothing; the interpreter
writes each signal's number to a pair of sockets (`signal.set_wakeup_fd`), which the arbiter's loop polls. Many of one
kind may come as one. Works only in the main thread, as Python's signals do.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import socket
from collections.abc import Iterable, Iterator
from typing import Any

RELIEVE = signal.SIGURG
"""Tells a ready worker that others take its place: it drains, and idle peers may bring one more request. TERM says the
same without that patience. Nothing else sends SIGURG, and a worker that does not know it yet ignores it."""


class Signals:
    """The signals of this process, from `__init__` to `close`."""

    def __init__(self, wanted: Iterable[signal.Signals], ignored: Iterable[signal.Signals] = ()) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._wanted = tuple(wanted)
        self._former: dict[signal.Signals, Any] = {}
        # A full pair of sockets says enough; the signals that did not fit are repeated by whoever has sent so many.
        self._former_wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for one in self._wanted:
            self._former[one] = signal.signal(one, _nothing)
        for one in ignored:
            self._former[one] = signal.signal(one, signal.SIG_IGN)
        _in_use[self] = contextlib.ExitStack()

    def fileno(self) -> int:
        return self._reader.fileno()

    def read(self) -> list[signal.Signals]:
        """What has come since the last call, each once, in the order of their first coming."""
        try:
            numbers = self._reader.recv(4096)
        except BlockingIOError:
            return []
        return [signal.Signals(number) for number in dict.fromkeys(numbers)]

    @contextlib.contextmanager
    def blocked(self) -> Iterator[None]:
        """Hold signals back, e.g. over a fork: the child must not take one with its parent's handlers."""
        former = signal.pthread_sigmask(signal.SIG_BLOCK, self._wanted)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, former)

    def forget(self, stack_fd: int) -> None:
        """In a child that was forked while `blocked`: know nothing of the parent's signals, and let them through.

        What was ignored stays so: with the default action of PIPE, a peer that leaves would end the process. USR2
        writes the stacks of all threads to ``stack_fd``.
        """
        for one in self._wanted:
            signal.signal(one, signal.SIG_DFL)
        # From a terminal HUP comes to every process; it is the arbiter's alone. USR1 and USR2 would kill.
        for one in (signal.SIGHUP, signal.SIGUSR1):
            signal.signal(one, signal.SIG_IGN)
        faulthandler.register(signal.SIGUSR2, file=stack_fd, all_threads=True)
        self._reader.close()
        self._writer.close()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._wanted)

    def put_wanted_back(self) -> None:
        """In any other child, such as one of a hook's: what it is sent is not for its parent."""
        signal.set_wakeup_fd(-1)
        self.put_back(*(one for one in self._wanted if one in self._former))

    def put_back(self, *these: signal.Signals) -> None:
        """Have these do again what they did before."""
        for one in these:
            signal.signal(one, self._former.pop(one))

    def close(self) -> None:
        """Put everything back as it was."""
        _in_use.pop(self, None)
        self.put_back(*self._former)
        signal.set_wakeup_fd(self._former_wakeup)
        self._reader.close()
        self._writer.close()


def deafen() -> None:
    """Have no signal change the exit status any more: all is done, and only the interpreter has to end. If that hangs,
    as for a thread of the application's, Ctrl-C breaks it off."""
    for name in ("TERM", "HUP", "USR1", "USR2", "TTIN", "TTOU"):
        signal.signal(signal.Signals[f"SIG{name}"], signal.SIG_IGN)


_in_use: dict[Signals, contextlib.ExitStack] = {}
"""Each with what ends its being held back over a fork."""


def _before_fork() -> None:
    for signals, held in _in_use.items():
        held.enter_context(signals.blocked())


def _in_parent() -> None:
    for held in _in_use.values():
        held.close()


def _in_child() -> None:
    while _in_use:
        signals, held = _in_use.popitem()
        signals.put_wanted_back()
        held.close()


os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)


def from_own_terminal() -> bool:
    """Whether this process runs in the foreground of a terminal, which sends it WINCH when the window is resized."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _nothing(number: int, frame: Any) -> None:
    """The wake-up descriptor has all that is needed."""
