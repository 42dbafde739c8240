"""What holds for the supervisor whatever happens in whatever order: a machine of random worlds plays against it.

The world has processes that boot, fail, hang, crash, drain or refuse to; it obeys the actions and reports what happens.
"""

from __future__ import annotations

from asteri_core.sansio.lifecycle import State
from asteri_core.sansio.supervision import (
    Abort,
    Drain,
    Exit,
    Exited,
    Kill,
    Opened,
    Paused,
    Policy,
    Readied,
    RecycleAsked,
    Reloaded,
    Scaled,
    Spawn,
    StopAsked,
    Ticked,
    Withdrawn,
)
from asteri_core.sansio.supervisor import Supervisor
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

TIMEOUT = 30.0
GRACE = 20.0
CAPACITY = 40
counts = st.integers(1, 5)


class World(RuleBasedStateMachine):
    """``alive`` holds the processes: number to whether the process has said that it is ready."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.alive: dict[int, bool] = {}
        self.told: set[int] = set()
        self.doomed: set[int] = set()
        self.exit_status = None
        self.spawned = 0

    def happens(self, event):
        before = {number for number, one in self.supervisor.workers.items() if one.state is State.READY}
        actions = self.supervisor.handle(event, self.now)
        assert self.exit_status is None
        for action in actions:
            match action:
                case Spawn(number):
                    self.spawned += 1
                    assert number == self.spawned
                    self.alive[number] = False
                case Drain(number):
                    assert number in self.alive
                    self.told.add(number)
                case Kill(number, hard):
                    assert number in self.alive
                    self.told.add(number)
                    if hard:
                        self.doomed.add(number)
                case Abort(number):
                    assert number in self.alive
                case Exit(status):
                    assert not self.alive
                    self.exit_status = status
        drained = {action.worker for action in actions if isinstance(action, Drain)}
        if not isinstance(event, Withdrawn | StopAsked) and not self.supervisor.stopping and drained & before:
            assert any(one.state is State.READY for one in self.supervisor.workers.values())

    @initialize(wanted=counts)
    def start(self, wanted):
        self.supervisor = Supervisor(Policy(wanted, TIMEOUT, GRACE), CAPACITY)
        self.happens(Opened())

    def running(self):
        return self.exit_status is None

    @precondition(running)
    @rule(data=st.data())
    def a_worker_gets_ready(self, data):
        booting = [number for number, ready in self.alive.items() if not ready]
        if booting:
            number = data.draw(st.sampled_from(booting))
            self.alive[number] = True
            self.happens(Readied(number))

    @precondition(running)
    @rule(data=st.data(), status=st.sampled_from([0, 1, 3, 4, -9, -15]))
    def a_worker_exits(self, data, status):
        if self.alive:
            number = data.draw(st.sampled_from(sorted(self.alive)))
            del self.alive[number]
            self.happens(Exited(number, status))

    @precondition(running)
    @rule(data=st.data(), seconds=st.sampled_from([0.0, 0.3, 1.0, 5.0, 31.0]))
    def time_passes(self, data, seconds):
        self.now += seconds
        beating = data.draw(st.sets(st.sampled_from(sorted(self.alive)))) if self.alive else ()
        self.happens(Ticked(dict.fromkeys(beating, self.now)))

    @precondition(running)
    @rule(seconds=st.sampled_from([1.1, 60.0]))
    def everybody_is_stopped(self, seconds):
        self.now += seconds
        self.happens(Paused(seconds))

    @precondition(running)
    @rule(wanted=counts)
    def hup(self, wanted):
        self.happens(Reloaded(Policy(wanted, TIMEOUT, GRACE)))

    @precondition(running)
    @rule(by=st.sampled_from([1, -1]))
    def ttin_or_ttou(self, by):
        self.happens(Scaled(by))

    @precondition(running)
    @rule()
    def winch(self):
        self.happens(Withdrawn())

    @precondition(running)
    @rule(data=st.data())
    def a_worker_wants_to_be_recycled(self, data):
        if self.alive:
            self.happens(RecycleAsked(data.draw(st.sampled_from(sorted(self.alive)))))

    @precondition(running)
    @rule(graceful=st.booleans())
    def stop(self, graceful):
        self.happens(StopAsked(graceful))

    @precondition(lambda self: not self.running())
    @rule()
    def nothing_happens_any_more(self):
        assert not self.alive

    @invariant()
    def never_more_workers_serve_than_wanted_and_the_surge(self):
        supervisor = self.supervisor
        serving = [one for one in supervisor.workers.values() if one.state in (State.BOOTING, State.READY)]
        if not supervisor.stopping:
            assert len(serving) <= supervisor.wanted + supervisor.surge

    @invariant()
    def the_supervisor_knows_the_living(self):
        assert set(self.supervisor.workers) == set(self.alive)

    @invariant()
    def what_is_missing_comes_or_has_a_deadline(self):
        supervisor = self.supervisor
        if self.doomed >= set(self.alive) and len(self.alive) == CAPACITY:
            return  # there is no place for anybody until one of the killed has ended, which is told by itself
        states = [one.state for one in supervisor.workers.values()]
        serving = states.count(State.READY) + states.count(State.BOOTING)
        if self.exit_status is None and not supervisor.stopping and serving < supervisor.wanted:
            assert supervisor.deadline() is not None

    def teardown(self):
        """However it was before: after TERM it ends, even with workers that obey nothing but a hard kill."""
        if not hasattr(self, "supervisor") or self.exit_status is not None:
            return
        self.happens(StopAsked(graceful=True))
        for _ in range(1000):
            if self.exit_status is not None:
                break
            for number in sorted(self.doomed & set(self.alive)):
                del self.alive[number]
                self.happens(Exited(number, -9))
            if self.exit_status is None:
                self.now = max(self.now, self.supervisor.deadline())
                self.happens(Ticked(dict.fromkeys(self.alive, self.now)))
        assert self.exit_status is not None


TestSupervisor = World.TestCase
TestSupervisor.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
