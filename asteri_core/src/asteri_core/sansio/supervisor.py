"""The arbiter's brain: what to do about the workers, decided without a process, a signal or a clock.

`Supervisor.handle` takes what has happened and the time, and returns what to do about it, in order. `deadline` says
when it has to be asked again at the latest, with a `Ticked`. Its rules:

    wanted      so many workers are booting or ready; what is missing is spawned
    outdated    a worker of a former generation, or one that asks to be recycled: it goes on until a fresh one is ready
                to take its place. A few (`surge`) are replaced at a time, so a reload does not double the memory
    boots       before any worker has ever been ready, one that fails to boot ends the arbiter (3, or 4: the application
                cannot be loaded). Later it is tried again, ever more slowly. The first failure of a new generation
                that has not had a ready worker yet abandons the reload: the workers before it go on
    stuck       a missing heart-beat, or a drain that takes too long: the stack is logged, then the worker is killed
    paused      who was stopped together with us was not stuck, and has as much time left as before
    stop        everybody drains (or ends at once), nobody is spawned, and when the last one is gone, so is the arbiter
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .lifecycle import Move, State, moved
from .supervision import (
    Abandon,
    Abort,
    Action,
    Announce,
    Drain,
    Event,
    Exit,
    Exited,
    Kill,
    LogStack,
    Opened,
    Paused,
    Policy,
    Readied,
    RecycleAsked,
    Reject,
    Reloaded,
    Scaled,
    Spawn,
    StopAsked,
    Ticked,
    Warn,
    Withdrawn,
)

BOOT_FAILED = 3
APPLICATION_FAILED = 4

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
"""Seconds between spawns while workers keep failing: doubled from the first to the longest."""

PROBATION = 1.0
"""A worker that ends unasked within so many seconds of being ready has failed as one that never got ready: else a crash
with the first request would respawn as fast as the machine can fork."""

STACK_TIME = 0.25
"""Seconds that a worker gets for writing down its stack before the next signal."""

KILL_TIME = 2.0
"""Seconds between a request to end at once and the kill."""


@dataclass(slots=True)
class Worker:
    """What is known of one worker."""

    number: int
    generation: int
    alive: float
    """When it was last known to live: spawned or heart-beat."""
    state: State = State.BOOTING
    readied: float | None = None
    recycle: bool = False
    asked: bool = False
    """Whether we have told it to go. One that goes unasked has failed."""
    steps: list[tuple[float, Action]] = field(default_factory=list)
    """What is still to be done about it, and when, in order."""


class Supervisor:
    """Decides about workers. ``capacity`` is the number of processes there can be at all."""

    def __init__(self, policy: Policy, capacity: int = 1024) -> None:
        self.policy = policy
        self.wanted = policy.wanted
        self.generation = 0
        """The generation that is spawned."""
        self.workers: dict[int, Worker] = {}
        self._capacity = capacity
        self._proven: tuple[int, Policy] | None = None
        """The last generation that had a ready worker."""
        self._reloads = 0
        self._spawned = 0
        self._failures = 0
        self._failed_at = 0.0
        self._spawn_at: float | None = None
        """When spawning may go on after failures."""
        self._open = False
        self._announced = False
        self._exit_status: int | None = None
        """Set when the server is to end."""
        self._actions: list[Action] = []

    # -- asking --------------------------------------------------------------------------------------------------

    @property
    def surge(self) -> int:
        """How many workers there may be beyond the wanted ones while others are replaced."""
        return max(1, self.wanted // 4)

    @property
    def stopping(self) -> bool:
        return self._exit_status is not None

    @property
    def next_generation(self) -> int:
        """The number that the next reload will get."""
        return self._reloads + 1

    @property
    def generations(self) -> set[int]:
        """Those a worker may still be spawned of, or still serves of. Who drains needs nothing of its generation."""
        proven = {self._proven[0]} if self._proven is not None else set()
        serving = {one.generation for one in self.workers.values() if one.state in (State.BOOTING, State.READY)}
        return {self.generation, *proven, *serving}

    def deadline(self) -> float | None:
        """When a `Ticked` is due at the latest, if any."""
        times = [worker.steps[0][0] for worker in self.workers.values() if worker.steps]
        if self.policy.timeout > 0:
            times += [one.alive + self.policy.timeout for one in self.workers.values() if self._watched(one)]
        if self._spawn_at is not None and not self.stopping:
            times.append(self._spawn_at)
        return min(times, default=None)

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take note of an event; what is to be done about it. Raises `IllegalMove` for what cannot be."""
        match event:
            case Opened():
                self._open = True
            case Readied(number):
                self._readied(self.workers[number], now)
            case Exited(number, status):
                self._exited(self.workers.pop(number), status, now)
            case Ticked(beats):
                self._ticked(beats.items(), now)
            case Paused(seconds):
                self._paused(seconds)
            case RecycleAsked(number):
                self._recycle(number)
            case Reloaded(policy):
                self._reloaded(policy)
            case Scaled(by):
                self._scaled(by)
            case Withdrawn():
                self.wanted = 0
            case StopAsked(graceful):
                self._stop(0, graceful, now)
        self._step(now)
        self._balance(now)
        actions, self._actions = self._actions, []
        return actions

    # -- events --------------------------------------------------------------------------------------------------

    def _readied(self, worker: Worker, now: float) -> None:
        worker.state = moved(worker.state, Move.READIED)
        worker.alive = worker.readied = now
        if worker.state is State.READY and worker.generation == self.generation:
            self._proven = (self.generation, self.policy)

    def _exited(self, worker: Worker, status: int, now: float) -> None:
        worker.state = moved(worker.state, Move.EXITED)
        young = worker.readied is None or now - worker.readied < PROBATION
        if worker.asked or self.stopping or not young:
            return
        if self._proven is None:
            self._stop(APPLICATION_FAILED if status == APPLICATION_FAILED else BOOT_FAILED, False, now)
        elif worker.generation == self.generation != self._proven[0]:
            self._abandon()
        else:
            self._back_off(now)

    def _ticked(self, beats: Iterable[tuple[int, float]], now: float) -> None:
        for number, beat in beats:
            if number in self.workers:
                self.workers[number].alive = max(self.workers[number].alive, beat)
        for worker in self.workers.values():
            if self._failures and worker.readied is not None and self._failed_at <= worker.readied <= now - PROBATION:
                self._failures = 0
            if self.policy.timeout > 0 and self._watched(worker) and now - worker.alive >= self.policy.timeout:
                self._put_down(worker, now)

    def _paused(self, seconds: float) -> None:
        """Time in which nobody could do anything counts for nobody."""
        for worker in self.workers.values():
            worker.alive += seconds
            worker.steps = [(due + seconds, action) for due, action in worker.steps]

    def _recycle(self, number: int) -> None:
        worker = self.workers.get(number)
        if worker is not None and worker.state is State.READY:
            worker.recycle = True

    def _reloaded(self, policy: Policy) -> None:
        if self.stopping:
            self._actions.append(Reject("the server is stopping: it does not reload any more"))
            return
        self._reloads += 1
        self.generation = self._reloads
        self.policy = policy
        self.wanted = min(policy.wanted, self._capacity)
        # Who reloads has mended something: it is tried at once.
        self._failures, self._spawn_at = 0, None

    def _scaled(self, by: int) -> None:
        if self.stopping:
            self._actions.append(Reject("the server is stopping: the number of workers does not change any more"))
        elif not 1 <= self.wanted + by <= self._capacity:
            self._actions.append(
                Reject(f"there are {self.wanted} workers wanted; their number can be from 1 to {self._capacity}")
            )
        else:
            self.wanted += by

    def _stop(self, status: int, graceful: bool, now: float) -> None:
        self._exit_status = self._exit_status or status
        for worker in self.workers.values():
            if not graceful:
                self._dismiss(worker, now)
            elif worker.state in (State.BOOTING, State.READY):
                self._relieve(worker, now)

    # -- decisions -----------------------------------------------------------------------------------------------

    def _abandon(self) -> None:
        """The reload has failed: what it began ends with `_balance`, which finds the new workers outdated."""
        assert self._proven is not None
        failed = self.generation
        self.generation, self.policy = self._proven
        self.wanted = min(self.policy.wanted, self._capacity)
        self._actions.append(Warn(f"no worker of reload {failed} could boot: the workers from before it go on"))
        self._actions.append(Abandon(failed))

    def _back_off(self, now: float) -> None:
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(self._failures, 16))
        self._failures += 1
        self._failed_at = now
        self._spawn_at = now + delay
        self._actions.append(Warn(f"workers fail, {self._failures} so far: the next one starts in {delay:g} seconds"))

    def _balance(self, now: float) -> None:
        """Bring the workers closer to what is wanted: spawn what is missing, drain what is too much."""
        if self.stopping:
            if not self.workers:
                self._actions.append(Exit(self._exit_status or 0))
            return
        if not self._open:
            return
        self._drain_booting(now)
        self._drain_ready(now)
        if self._spawn_at is None or now >= self._spawn_at:
            self._spawn_at = None
            self._spawn(now)
        if not self._announced and self._proven is not None and self._count(State.READY) >= self.wanted:
            self._announced = True
            self._actions.append(Announce())

    def _drain_booting(self, now: float) -> None:
        """Whoever would be outdated or too much when ready need not get there."""
        for worker in self._all(State.BOOTING):
            if not self._fresh(worker):
                self._relieve(worker, now)
        booting = self._all(State.BOOTING)
        fresh = sum(map(self._fresh, self.workers.values()))
        serving = len(booting) + self._count(State.READY)
        surplus = max(0, fresh - self.wanted, serving - self.wanted - self.surge)
        for worker in booting[::-1][:surplus]:
            self._relieve(worker, now)

    def _drain_ready(self, now: float) -> None:
        """The outdated ones go first, the oldest first."""
        ready = sorted(self._all(State.READY), key=lambda one: (self._fresh(one), one.number))
        for worker in ready[: max(0, len(ready) - self.wanted)]:
            self._relieve(worker, now)

    def _spawn(self, now: float) -> None:
        fresh = sum(map(self._fresh, self.workers.values()))
        serving = self._count(State.BOOTING) + self._count(State.READY)
        # Who still drains takes memory as well: a new replacement waits for a place, a missing worker does not.
        limit = self._capacity if serving < self.wanted else min(self._capacity, 2 * self.wanted + self.surge)
        while fresh < self.wanted and serving < self.wanted + self.surge and len(self.workers) < limit:
            self._spawned += 1
            self.workers[self._spawned] = Worker(self._spawned, self.generation, now)
            self._actions.append(Spawn(self._spawned, self.generation))
            fresh += 1
            serving += 1

    def _relieve(self, worker: Worker, now: float) -> None:
        worker.state = moved(worker.state, Move.RELIEVED)
        worker.asked = True
        # At the time-out a worker gives up by itself what it still runs, and shuts its application down: time for that.
        due = now + self.policy.graceful_timeout + KILL_TIME
        worker.steps = [(due, LogStack(worker.number)), (due + STACK_TIME, Kill(worker.number, hard=True))]
        self._actions.append(Drain(worker.number))

    def _dismiss(self, worker: Worker, now: float) -> None:
        """End it at once. One that is being killed already keeps its time."""
        worker.asked = True
        if worker.state is State.STOPPING:
            return
        worker.state = moved(worker.state, Move.DISMISSED)
        due = now + KILL_TIME
        worker.steps = [(due, LogStack(worker.number)), (due + STACK_TIME, Kill(worker.number, hard=True))]
        self._actions.append(Kill(worker.number, hard=False))

    def _put_down(self, worker: Worker, now: float) -> None:
        """End a stuck one, in a way that tells why."""
        worker.state = moved(worker.state, Move.DISMISSED)
        worker.steps = [
            (now, LogStack(worker.number)),
            (now + STACK_TIME, Abort(worker.number)),
            (now + STACK_TIME + KILL_TIME, Kill(worker.number, hard=True)),
        ]

    def _step(self, now: float) -> None:
        """Do what is due about each worker."""
        for worker in self.workers.values():
            while worker.steps and worker.steps[0][0] <= now:
                action = worker.steps.pop(0)[1]
                if isinstance(action, Kill):
                    worker.state = moved(worker.state, Move.DISMISSED)
                self._actions.append(action)

    def _fresh(self, worker: Worker) -> bool:
        """Whether it serves, or will, and is not to be replaced."""
        current = worker.generation == self.generation and not worker.recycle
        return current and worker.state in (State.BOOTING, State.READY)

    def _watched(self, worker: Worker) -> bool:
        return worker.state is not State.STOPPING

    def _all(self, state: State) -> list[Worker]:
        """Those in this state, the oldest first."""
        return [worker for worker in self.workers.values() if worker.state is state]

    def _count(self, state: State) -> int:
        return len(self._all(state))
