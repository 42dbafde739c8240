"""The arbiter's hands: forks workers, listens to their pipes, sends them signals, buries them.

It decides nothing and tells nobody; the arbiter asks. One pipe, the lifeline, has its writing end here and nowhere
else, so that every worker notices when the arbiter is gone, however it went.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..logs import Logs
from ..registry import Registry
from ..sansio.lifecycle import State
from ..scoreboard import Scoreboard
from ..specs import Config
from .context import WorkerContext
from .forking import Birth, WorkerMain, be_worker
from .handle import Handle
from .listener import Listener
from .signals import RELIEVE, Signals

if TYPE_CHECKING:
    from ..tls.contexts import Contexts

log = logging.getLogger("asteri.error")


@dataclass(frozen=True, slots=True)
class Generation:
    """What the workers between two reloads are made from."""

    registry: Registry
    config: Config
    listeners: tuple[Listener, ...]
    tls: Contexts | None = None


class Crew:
    """The processes of ``workers``. ``server`` is for their hooks; ``user`` and ``group`` are who they become."""

    def __init__(
        self,
        workers: dict[int, Handle],
        scoreboard: Scoreboard,
        server: Any,
        main: WorkerMain,
        signals: Signals,
        user: int | None,
        group: int | None,
    ) -> None:
        self.workers = workers
        """By number."""
        self._scoreboard = scoreboard
        self._server = server
        self._main = main
        self._signals = signals
        self._user = user
        self._group = group
        self._lifeline, self._lifeline_end = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._selector.register(signals, selectors.EVENT_READ)

    def wait(self, seconds: float) -> tuple[bool, list[Handle]]:
        """Wait for signals or pipes: whether there are signals, and who has become ready."""
        signalled = False
        readied = []
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                signalled = True
            elif self.last_word(key.data):
                readied.append(key.data)
        return signalled, readied

    def last_word(self, handle: Handle) -> bool:
        """Whether the worker says, now, that it is ready. It says so once."""
        descriptor = handle.ready_fd
        if descriptor == -1:
            return False
        ready = handle.says_ready()
        if handle.ready_fd == -1:
            self._selector.unregister(descriptor)
        return ready

    # -- the beginning and the end of a worker -------------------------------------------------------------------

    def hire(self, number: int, generation: int) -> Handle:
        """A worker that has no process yet, with a slot of its own."""
        taken = {handle.slot.index for handle in self.workers.values()}
        slot = next(slot for slot in self._scoreboard if slot.index not in taken)
        slot.clear()
        handle = self.workers[number] = Handle(number, generation, slot)
        return handle

    def fork(
        self,
        handle: Handle,
        generation: Generation,
        application: Any,
        logs: Logs,
        in_child: Callable[[Generation], None],
    ) -> None:
        """Start its process. ``in_child`` is called there first. Raises OSError when the machine has no room."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)

        def leave() -> None:
            self._signals.forget(logs.error_fd())
            self._selector.close()
            os.close(self._lifeline_end)
            os.close(reader)
            for other in self.workers.values():
                other.close()
            in_child(generation)

        with self._signals.blocked():
            try:
                pid = os.fork()
            except OSError:
                os.close(reader)
                os.close(writer)
                raise
            if pid == 0:
                context = WorkerContext(
                    number=handle.number,
                    generation=handle.generation,
                    registry=generation.registry,
                    config=generation.config,
                    listeners=generation.listeners,
                    scoreboard=self._scoreboard,
                    slot=handle.slot,
                    application=application,
                    logs=logs,
                    lifeline_fd=self._lifeline,
                    ready_fd=writer,
                    tls=generation.tls,
                    server=self._server,
                )
                be_worker(Birth(self._main, leave, self._user, self._group), context)
        os.close(writer)
        handle.born(pid, reader)
        self._selector.register(reader, selectors.EVENT_READ, handle)
        log.info("%s starts", handle)

    def find(self, pid: int) -> Handle | None:
        """The worker with this process."""
        return next((one for one in self.workers.values() if one.pid == pid), None)

    def bury(self, handle: Handle, status: int) -> None:
        """The worker's process has ended, or never began."""
        if handle.ready_fd != -1:
            self._selector.unregister(handle.ready_fd)
            handle.close()
        expected = status == 0 or handle.told
        handle.status = status
        handle.slot.clear()
        del self.workers[handle.number]
        if not handle.pid:
            return
        how = f"was ended by {_signal_name(-status)}" if status < 0 else f"exited with status {status}"
        log.log(logging.INFO if expected else logging.ERROR, "%s %s", handle, how)

    def close(self) -> None:
        """Let everything go. Workers that are left notice it."""
        os.close(self._lifeline_end)
        os.close(self._lifeline)
        for handle in self.workers.values():
            handle.close()
        self._selector.close()

    # -- telling a worker ----------------------------------------------------------------------------------------

    def drain(self, number: int, patiently: bool) -> None:
        """Let it finish; one that is still booting has nothing to finish and ends."""
        handle = self.workers[number]
        handle.told = True
        log.info("%s drains" if handle.ready else "%s is not needed", handle)
        handle.kill(RELIEVE if patiently and handle.ready else signal.SIGTERM)

    def kill(self, number: int, hard: bool) -> None:
        handle = self.workers[number]
        handle.told = True
        if hard:
            log.error("%s does not end: killing it", handle)
        # INT and QUIT are the same to a worker; one that does not know them yet would dump its core on QUIT.
        handle.kill(signal.SIGKILL if hard else signal.SIGINT)

    def log_stack(self, number: int) -> None:
        """Have it write its stacks to the error log, and say what is known of it from outside."""
        handle = self.workers[number]
        seen = handle.slot.snapshot()
        age = time.monotonic() - seen.heartbeat if seen.pid else 0.0
        doing = f", running {seen.current.decode('latin-1')!r}" if seen.current and seen.active else ""
        state = seen.state.name.lower() if seen.pid else State.BOOTING.name.lower()
        log.error("%s is stuck: %s, last heart-beat %.1f seconds ago%s; its stacks follow", handle, state, age, doing)
        handle.kill(signal.SIGUSR2)

    def abort(self, number: int) -> None:
        handle = self.workers[number]
        log.error("%s is aborted", handle)
        handle.kill(signal.SIGABRT)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # a real-time signal has no name
