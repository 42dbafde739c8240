"""The master process: it opens the sockets, keeps the workers, and does what its supervisor decides.

    signals, pipes, exits, time ─▶ events ─▶ Supervisor.handle ─▶ actions ─▶ fork, kill, log

What is to be decided is decided in `sansio.supervisor`. The arbiter gathers what has happened and carries out what
follows, by its `Crew`. It serves no request, and runs no application code but lifecycle hooks and what ``--preload``
loads.

TERM stops gracefully, INT and QUIT at once, HUP reloads, USR1 reopens the logs, TTIN and TTOU want one worker more or
fewer, WINCH wants none for now. As process 1 it reaps whatever is left to it.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ..application import load_application
from ..core_settings import LogSettings, ProcessSettings, ServerSettings
from ..errors import AsteriError
from ..logs import Logs, setup
from ..registry import Registry
from ..sansio import supervision as say
from ..sansio.supervisor import Supervisor
from ..scoreboard import Scoreboard
from ..specs import Config
from . import privileges
from .crew import Crew, Generation
from .daemon import Daemon, detach
from .entrance import contexts_of
from .forking import WorkerMain
from .handle import Handle
from .listener import Listener, open_listeners, reopen_listeners
from .pidfile import PidFile
from .signals import Signals, from_own_terminal

log = logging.getLogger("asteri.error")

Load = Callable[[], tuple[Registry, Config]]

TICK = 1.0
"""The longest time between two looks at the heart-beats, in seconds."""

SLOTS = 256
"""Slots of the scoreboard, unless four for each worker are more: room for TTIN, replacements and slow drains."""

SIGNALS = (
    signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGTTIN, signal.SIGTTOU,
    signal.SIGWINCH, signal.SIGCHLD,
)  # fmt: skip

IGNORED = (signal.SIGPIPE, signal.SIGUSR2)
"""USR2 is for workers; sent to the arbiter by mistake it would kill it."""


def run(
    registry: Registry,
    config: Config,
    load: Load,
    application: Any = None,
    *,
    worker_main: WorkerMain | None = None,
) -> int:
    """Serve until asked to stop, and return the exit status.

    ``load`` reads the configuration anew for a reload. ``application`` is given when it is loaded already.
    ``worker_main`` is what a worker's process runs, by default `process.worker.main`. Raises `AsteriError` for what is
    wrong before the first worker. To be called in the main thread.
    """
    return Arbiter(registry, config, load, application, worker_main=worker_main).run()


class Arbiter:
    """One arbiter. Lifecycle hooks get it as ``server``; ``pid``, ``config``, ``log`` and ``workers`` are for them."""

    _signals: Signals
    _crew: Crew

    def __init__(
        self,
        registry: Registry,
        config: Config,
        load: Load,
        application: Any = None,
        *,
        worker_main: WorkerMain | None = None,
    ) -> None:
        settings = config[ProcessSettings]
        self.pid = os.getpid()
        self.log = log
        self.registry = registry
        self.config = config
        self.workers: dict[int, Handle] = {}
        """The workers there are, by number."""
        self.scoreboard = Scoreboard(max(SLOTS, 4 * settings.workers))
        self._load = load
        self._application = application
        self._worker_main = worker_main or _worker_main()
        self._user = privileges.user_id(settings.user, "user")
        self._group = privileges.group_id(settings.group, "group")
        if self._user is not None and self._group is None:
            self._group = privileges.own_group(self._user)
        privileges.check(self._user, self._group)
        self._supervisor = Supervisor(_policy(config), len(self.scoreboard))
        self._generations: dict[int, Generation] = {}
        self._logs: Logs | None = None
        self._daemon: Daemon | None = None
        self._events: deque[say.Event] = deque()
        self._known_wanted: int | None = None
        self._status: int | None = None

    # -- life ----------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Serve until asked to stop, and return the exit status."""
        settings = self.config[ProcessSettings]
        with contextlib.ExitStack() as cleanup:
            status = 1
            cleanup.callback(lambda: self._release(status))
            # Put back last: a second TERM would end us before the hook, the pid file and the sockets are done with.
            signals = cleanup.enter_context(contextlib.ExitStack())
            try:
                self._prepare(settings, cleanup)
                status = self._serve(signals)
            except AsteriError as error:
                status = error.exit_status
                if self._daemon is not None:
                    log.error("%s", error)  # there is no terminal any more to print it on
                raise
            self._hook("on_exit", server=self)
        return status

    def _release(self, status: int) -> None:
        if self._daemon is not None:
            self._daemon.release(status)

    def _prepare(self, settings: ProcessSettings, cleanup: contextlib.ExitStack) -> None:
        """Everything before the first worker; what it opens, ``cleanup`` closes."""
        pid_file = PidFile(settings.pid) if settings.pid else None
        if pid_file is not None:
            pid_file.check()
        self._hook("on_starting", server=self)
        tls = contexts_of(self.registry, self.config)
        listeners = open_listeners(self.config[ServerSettings].bind, self.config[ServerSettings])
        self._generations[0] = Generation(self.registry, self.config, tuple(listeners), tls)
        cleanup.callback(self._close_listeners)
        if settings.daemon:
            # Opened once where mistakes are seen, and then for the process that stays.
            setup(self.config[LogSettings]).close()
            self._daemon = detach()
            self.pid = os.getpid()
            for listener in listeners:
                listener.own()
        self._open_logs()
        cleanup.callback(self._close_logs)
        if pid_file is not None:
            pid_file.write()
            cleanup.callback(pid_file.remove)
        if settings.preload and self._application is None:
            self._application = load_application(settings.app)
            assert self._logs is not None
            self._logs.restore()
            gc.collect()
            gc.freeze()  # what is never collected is never written to, so workers go on sharing it

    def _open_logs(self) -> None:
        self._logs = setup(self.config[LogSettings], self._logs)
        if self._user is not None or self._group is not None:
            self._logs.chown(-1 if self._user is None else self._user, -1 if self._group is None else self._group)

    def _close_logs(self) -> None:
        if self._logs is not None:
            self._logs.close()

    def _serve(self, signals: contextlib.ExitStack) -> int:
        """From the first fork to the last exit. ``signals`` puts them back."""
        assert self._logs is not None
        with contextlib.ExitStack() as cleanup:
            self._signals = Signals(SIGNALS, IGNORED)
            signals.callback(self._signals.close)
            # Then again by Ctrl-C: what hangs in the end can be broken off.
            cleanup.callback(self._signals.put_back, signal.SIGINT, signal.SIGQUIT)
            self._crew = crew = Crew(
                self.workers, self.scoreboard, self, self._worker_main, self._signals, self._user, self._group
            )
            # Should an exception lead here, the end of the lifeline makes the workers drain and go.
            cleanup.callback(crew.close)
            for listener in self._listeners():
                log.info("listening on %s (pid %d)", listener.url, self.pid)
            self._happened(say.Opened())
            while self._status is None:
                deadline = self._supervisor.deadline()
                began = time.monotonic()
                tick = self._tick_time()
                pause = tick if deadline is None else min(tick, max(0.0, deadline - began))
                signalled, readied = crew.wait(pause)
                late = time.monotonic() - began - pause
                if late > tick:  # Ctrl-Z, a paused container
                    self._happened(say.Paused(late))
                for handle in readied:
                    self._readied(handle)
                if signalled:
                    self._signalled()
                self._tick()
        log.info("stopped, exit status %d", self._status)
        return self._status

    def _tick_time(self) -> float:
        """The longest time between two looks at the heart-beats: some of them fit into the time-out."""
        timeout = self._supervisor.policy.timeout
        return min(TICK, timeout / 4) if timeout > 0 else TICK

    def _listeners(self) -> list[Listener]:
        """Every open listener, each once."""
        return list(dict.fromkeys(one for each in self._generations.values() for one in each.listeners))

    def _close_listeners(self) -> None:
        for listener in self._listeners():
            listener.close()
        self._generations.clear()

    # -- what has happened ---------------------------------------------------------------------------------------

    def _happened(self, event: say.Event) -> None:
        """Tell the supervisor and do what it says; what that leads to is told as well."""
        self._events.append(event)
        if len(self._events) > 1:
            return  # it is told by the loop below, further up
        while self._events:
            for action in self._supervisor.handle(self._events[0], time.monotonic()):
                self._act(action)
            self._events.popleft()
        wanted = self._supervisor.wanted
        if wanted != self._known_wanted:
            self._hook("nworkers_changed", server=self, new_value=wanted, old_value=self._known_wanted)
            self._known_wanted = wanted
        self._forget_generations()

    def _signalled(self) -> None:
        # Ctrl-C goes to the workers as well: who asked for the end is heard before the exits that it has caused.
        for one in sorted(self._signals.read(), key=lambda one: one is signal.SIGCHLD):
            if one is not signal.SIGCHLD:
                log.info("received %s", one.name)
            match one:
                case signal.SIGCHLD:
                    self._reap()
                case signal.SIGTERM:
                    self._stop(graceful=True)
                case signal.SIGINT | signal.SIGQUIT:
                    self._stop(graceful=False)
                case signal.SIGHUP:
                    self._reload()
                case signal.SIGUSR1:
                    self._reopen_logs()
                case signal.SIGTTIN:
                    self._happened(say.Scaled(1))
                case signal.SIGTTOU:
                    self._happened(say.Scaled(-1))
                case signal.SIGWINCH if not from_own_terminal():
                    self._happened(say.Withdrawn())

    def _stop(self, graceful: bool) -> None:
        # Before the workers are told: they accept whom they find in the queues and let go, and who comes after the last
        # of them is refused. If we still held the queues then, he would wait in vain.
        self._close_listeners()
        self._happened(say.StopAsked(graceful))

    def _readied(self, handle: Handle) -> None:
        log.info("worker ready: %d (pid %d)", handle.number, handle.pid)
        if handle.reopen_due:
            handle.kill(signal.SIGUSR1)
        self._happened(say.Readied(handle.number))

    def _reap(self) -> None:
        """Collect every child that has ended; as process 1, also those that others have left to us."""
        while True:
            try:
                pid, wait_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            handle = self._crew.find(pid)
            if handle is not None:
                if self._crew.last_word(handle):
                    self._readied(handle)
                self._exited(handle, os.waitstatus_to_exitcode(wait_status))

    def _exited(self, handle: Handle, status: int) -> None:
        self._crew.bury(handle, status)
        if handle.pid:
            self._hook("child_exit", server=self, worker=handle)
        self._happened(say.Exited(handle.number, status))

    def _tick(self) -> None:
        """Look at the scoreboard, and at the time."""
        for handle in list(self.workers.values()):
            if handle.slot.recycle and not handle.recycle_seen:
                handle.recycle_seen = True
                log.info("%s asks to be replaced", handle)
                self._happened(say.RecycleAsked(handle.number))
        self._happened(say.Ticked({number: one.slot.heartbeat for number, one in self.workers.items()}))

    def _reopen_logs(self) -> None:
        """USR1: the arbiter first, who may create the new files; then the workers."""
        assert self._logs is not None
        self._logs.reopen()
        for handle in self.workers.values():
            if handle.ready:
                handle.kill(signal.SIGUSR1)
            else:
                handle.reopen_due = True

    def _reload(self) -> None:
        """HUP: take over a new configuration, unless something is wrong with it."""
        if not self._supervisor.stopping:
            try:
                self._take_over(*self._load())
            except AsteriError as error:
                log.error("the reload failed, the old configuration stays: %s", error)
                return
            except Exception:
                log.exception("the reload failed, the old configuration stays")
                return
            self._hook("on_reload", server=self)
        self._happened(say.Reloaded(_policy(self.config)))

    def _take_over(self, registry: Registry, config: Config) -> None:
        """Make a generation of it. Changes nothing if it raises."""
        server = config[ServerSettings]
        former = self.config
        current = self._generations.get(self._supervisor.generation)
        tls = contexts_of(registry, config, None if current is None else current.tls)
        listeners, _ = reopen_listeners(self._listeners(), server.bind, server)
        self.config = config
        try:
            self._open_logs()
        except BaseException:
            self.config = former
            for listener in set(listeners).difference(self._listeners()):
                listener.close()
            raise
        for listener in set(listeners).difference(self._listeners()):
            log.info("listening on %s (pid %d)", listener.url, self.pid)
        self.registry = registry
        self._generations[self._supervisor.next_generation] = Generation(registry, config, tuple(listeners), tls)

    # -- what is to be done --------------------------------------------------------------------------------------

    def _act(self, action: say.Action) -> None:
        match action:
            case say.Spawn(number, generation):
                self._spawn(number, generation)
            case say.Announce():
                self._release(0)
                self._hook("when_ready", server=self)
            case say.Abandon():
                self._return_to(self._generations[self._supervisor.generation])
            case say.Reject(reason):
                log.warning("%s", reason)
            case say.Warn(reason):
                log.error("%s", reason)
            case say.Exit(status):
                self._status = status
            case say.Drain(number):
                self._crew.drain(number, patiently=not self._supervisor.stopping)
            case say.Kill(number, hard):
                self._crew.kill(number, hard)
            case say.LogStack(number):
                self._crew.log_stack(number)
            case say.Abort(number):
                self._crew.abort(number)

    def _spawn(self, number: int, generation: int) -> None:
        assert self._logs is not None
        handle = self._crew.hire(number, generation)
        self._hook("pre_fork", server=self, worker=handle)
        try:
            self._crew.fork(handle, self._generations[generation], self._application, self._logs, self._in_child)
        except OSError as error:
            log.error("worker %d cannot be started: %s", number, error.strerror)
            self._exited(handle, 1)

    def _in_child(self, kept: Generation) -> None:
        """Let go, in a worker's process, of what is the arbiter's."""
        if self._daemon is not None:
            self._daemon.forget()
        for listener in self._listeners():
            if listener not in kept.listeners:
                listener.socket.close()

    def _return_to(self, generation: Generation) -> None:
        self.registry, self.config = generation.registry, generation.config
        try:
            self._open_logs()
        except AsteriError as error:
            log.error("the former logs cannot be opened again: %s", error)

    def _forget_generations(self) -> None:
        """Close the listeners that nobody needs any more, once the last worker that uses them is gone."""
        for number in self._generations.keys() - self._supervisor.generations:
            generation = self._generations.pop(number)
            for listener in set(generation.listeners).difference(self._listeners()):
                url = listener.url
                listener.close()
                log.info("no longer listening on %s", url)

    def _hook(self, name: str, **arguments: Any) -> None:
        """Call the lifecycle hooks of this name. One that fails is logged; the server goes on."""
        for hook in self.registry.lifecycle(name):
            try:
                hook(**arguments)
            except Exception:
                log.exception("the hook %s failed", name)


def _policy(config: Config) -> say.Policy:
    settings = config[ProcessSettings]
    return say.Policy(settings.workers, settings.timeout, settings.graceful_timeout)


def _worker_main() -> WorkerMain:
    # Not at the top: whoever brings another main needs none of this. Imported before the fork, it is shared.
    from .worker import main

    return main
