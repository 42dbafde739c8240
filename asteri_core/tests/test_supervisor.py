"""The supervisor's rules, each as a story: at a time something happens, and these are the actions that follow.

A worker is its number. Times are whole seconds unless it matters. No process, no clock.
"""

from __future__ import annotations

import re

import pytest
from asteri_core.sansio.lifecycle import TRANSITIONS, IllegalMove, Move, State, moved
from asteri_core.sansio.supervision import (
    Abandon,
    Abort,
    Announce,
    Drain,
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
from asteri_core.sansio.supervisor import Supervisor

TERM = StopAsked(graceful=True)
QUIT = StopAsked(graceful=False)


def soft(worker):
    return Kill(worker, hard=False)


def hard(worker):
    return Kill(worker, hard=True)


def plain(actions):
    """Without the sentences for the log, which have their own tests."""
    return [action for action in actions if not isinstance(action, Warn | Reject)]


def tell(supervisor, story):
    for line, (now, event, expected) in enumerate(story):
        got = plain(supervisor.handle(event, now))
        assert got == expected, f"line {line}: {event} at {now}"


def policy(wanted, **facts):
    """Without heart-beats, unless the story is about them."""
    return Policy(wanted, **{"timeout": 0, **facts})


def serving(wanted, at=0.0, **facts):
    """A supervisor whose first workers, 1 to ``wanted``, are ready, and have been for long at time 100."""
    supervisor = Supervisor(policy(wanted, **facts))
    supervisor.handle(Opened(), at)
    for worker in range(1, wanted + 1):
        supervisor.handle(Readied(worker), at)
    return supervisor


STORIES = {
    "the first workers are spawned when the sockets are open, and announced when all are ready": (
        lambda: Supervisor(Policy(2)),
        [
            (0, Ticked(), []),
            (0, Opened(), [Spawn(1, 0), Spawn(2, 0)]),
            (1, Readied(2), []),
            (2, Readied(1), [Announce()]),
            (3, Ticked({1: 3, 2: 3}), []),
        ],
    ),
    "a worker that dies is replaced at once": (
        lambda: serving(2),
        [(100, Exited(1, -9), [Spawn(3, 0)]), (101, Readied(3), [])],
    ),
    "term drains and exits with 0 when the last worker is gone": (
        lambda: serving(2),
        [
            (100, TERM, [Drain(1), Drain(2)]),
            (101, Exited(2, 0), []),
            (102, Exited(1, 0), [Exit(0)]),
        ],
    ),
    "term before anything has been spawned exits at once": (lambda: Supervisor(Policy(2)), [(0, TERM, [Exit(0)])]),
    "term while booting exits with 0": (
        lambda: Supervisor(Policy(1)),
        [(0, Opened(), [Spawn(1, 0)]), (1, TERM, [Drain(1)]), (2, Exited(1, -15), [Exit(0)])],
    ),
    "a second term changes nothing": (lambda: serving(1), [(100, TERM, [Drain(1)]), (101, TERM, [])]),
    "a drain that takes too long is logged and killed": (
        lambda: serving(1, graceful_timeout=10, timeout=0),
        [
            (100, TERM, [Drain(1)]),
            (111.9, Ticked(), []),
            (112, Ticked(), [LogStack(1)]),
            (112.2, Ticked(), []),
            (112.25, Ticked(), [hard(1)]),
            (113, Exited(1, -9), [Exit(0)]),
        ],
    ),
    "quit ends at once and kills after a short time": (
        lambda: serving(1),
        [
            (100, QUIT, [soft(1)]),
            (101.9, Ticked(), []),
            (102, Ticked(), [LogStack(1)]),
            (102.25, Ticked(), [hard(1)]),
            (103, Exited(1, -9), [Exit(0)]),
        ],
    ),
    "quit cuts a drain short": (
        lambda: serving(1),
        [(100, TERM, [Drain(1)]), (101, QUIT, [soft(1)]), (101.1, Exited(1, 0), [Exit(0)])],
    ),
    "a worker without heart-beat has its stack logged, is aborted, then killed, and replaced": (
        lambda: serving(1, timeout=30),
        [
            (29, Ticked({1: 29}), []),
            (58, Ticked({1: 29}), []),
            (59, Ticked({1: 29}), [LogStack(1), Spawn(2, 0)]),
            (59.25, Ticked({1: 29}), [Abort(1)]),
            (61.25, Ticked({1: 29}), [hard(1)]),
            (61.5, Exited(1, -9), []),
        ],
    ),
    "who was stopped together with the server is not stuck, and has as long for its heart-beat as it had before": (
        lambda: serving(1, timeout=30),
        [
            (29, Ticked({1: 29}), []),
            (139, Paused(100), []),
            (139, Ticked({1: 29}), []),
            (158, Ticked({1: 29}), []),
            (159, Ticked({1: 29}), [LogStack(1), Spawn(2, 0)]),
        ],
    ),
    "who was stopped while it drained has as long for the rest as it had before": (
        lambda: serving(1, graceful_timeout=10),
        [
            (100, TERM, [Drain(1)]),
            (205, Paused(100), []),
            (211, Ticked(), []),
            (212, Ticked(), [LogStack(1)]),
            (212.25, Ticked(), [hard(1)]),
        ],
    ),
    "a stuck worker that goes when aborted is not killed": (
        lambda: serving(1, timeout=30),
        [
            (30, Ticked(), [LogStack(1), Spawn(2, 0)]),
            (30.25, Ticked(), [Abort(1)]),
            (31, Exited(1, 1), []),
            (40, Ticked(), []),
        ],
    ),
    "a time-out of 0 never kills": (lambda: serving(1, timeout=0), [(1e6, Ticked(), [])]),
    "a worker that hangs while booting is stuck too, and the first one to do so ends the server": (
        lambda: Supervisor(Policy(1, timeout=30)),
        [
            (0, Opened(), [Spawn(1, 0)]),
            (30, Ticked(), [LogStack(1), Spawn(2, 0)]),
            (30.25, Ticked(), [Abort(1)]),
            (30.5, Exited(1, -6), [soft(2)]),
            (31, Exited(2, -3), [Exit(3)]),
        ],
    ),
    "a stuck worker that drains is put down by its heart-beat": (
        lambda: serving(1, timeout=30, graceful_timeout=1000),
        [
            (20, Ticked({1: 20}), []),
            (20, TERM, [Drain(1)]),
            (50, Ticked(), [LogStack(1)]),
            (50.25, Ticked(), [Abort(1)]),
        ],
    ),
    "a worker that cannot boot before any was ready ends the server with 3": (
        lambda: Supervisor(Policy(2)),
        [
            (0, Opened(), [Spawn(1, 0), Spawn(2, 0)]),
            (1, Exited(1, 3), [soft(2)]),
            (2, Exited(2, 0), [Exit(3)]),
        ],
    ),
    "an application that cannot be loaded ends the server with 4": (
        lambda: Supervisor(Policy(1)),
        [(0, Opened(), [Spawn(1, 0)]), (1, Exited(1, 4), [Exit(4)])],
    ),
    "term while the server ends for a reason keeps the reason": (
        lambda: Supervisor(Policy(2)),
        [
            (0, Opened(), [Spawn(1, 0), Spawn(2, 0)]),
            (1, Exited(1, 4), [soft(2)]),
            (1, TERM, []),
            (2, Exited(2, 0), [Exit(4)]),
        ],
    ),
    "a worker that does not boot later on is tried ever more slowly": (
        lambda: serving(1),
        [
            (100, Exited(1, 1), [Spawn(2, 0)]),
            (101, Exited(2, 3), []),
            (101.4, Ticked(), []),
            (101.5, Ticked(), [Spawn(3, 0)]),
            (102, Exited(3, 3), []),
            (102.9, Ticked(), []),
            (103, Ticked(), [Spawn(4, 0)]),
            (104, Exited(4, 4), []),
            (106, Ticked(), [Spawn(5, 0)]),
        ],
    ),
    "a worker that crashes right after it was ready counts as one that does not boot": (
        lambda: serving(1),
        [
            (100, Exited(1, 1), [Spawn(2, 0)]),
            (101, Readied(2), []),
            (101.9, Exited(2, -11), []),
            (102.4, Ticked(), [Spawn(3, 0)]),
            (103, Readied(3), []),
            (103.5, Exited(3, -11), []),
            (104.4, Ticked(), []),
            (104.5, Ticked(), [Spawn(4, 0)]),
        ],
    ),
    "a worker that stays ready for a while clears the failures": (
        lambda: serving(1),
        [
            (100, Exited(1, 1), [Spawn(2, 0)]),
            (101, Exited(2, 3), []),
            (101.5, Ticked(), [Spawn(3, 0)]),
            (102, Readied(3), []),
            (103, Ticked(), []),
            (104, Exited(3, 1), [Spawn(4, 0)]),
            (105, Exited(4, 3), []),
            (105.5, Ticked(), [Spawn(5, 0)]),
        ],
    ),
    "a reload waits for each new worker before an old one drains": (
        lambda: serving(2),
        [
            (100, Reloaded(policy(2)), [Spawn(3, 1)]),
            (101, Readied(3), [Drain(1), Spawn(4, 1)]),
            (102, Exited(1, 0), []),
            (103, Readied(4), [Drain(2)]),
            (104, Exited(2, 0), []),
        ],
    ),
    "a reload replaces a quarter at a time": (
        lambda: serving(8),
        [
            (100, Reloaded(policy(8)), [Spawn(9, 1), Spawn(10, 1)]),
            (101, Readied(10), [Drain(1), Spawn(11, 1)]),
            (102, Readied(9), [Drain(2), Spawn(12, 1)]),
        ],
    ),
    "a reload that cannot boot is abandoned and the old workers go on": (
        lambda: serving(2),
        [
            (100, Reloaded(policy(2)), [Spawn(3, 1)]),
            (101, Exited(3, 4), [Abandon(1)]),
            (102, Ticked(), []),
            (103, Exited(1, -9), [Spawn(4, 0)]),
            (104, Reloaded(policy(2)), [Drain(4), Spawn(5, 2), Spawn(6, 2)]),
            (105, Readied(5), []),
            (106, Readied(6), [Drain(2)]),
        ],
    ),
    "an abandoned reload takes its other workers with it": (
        lambda: serving(8),
        [
            (100, Reloaded(policy(8)), [Spawn(9, 1), Spawn(10, 1)]),
            (101, Exited(10, 3), [Abandon(1), Drain(9)]),
            (102, Exited(9, -15), []),
        ],
    ),
    "a reload that has proved itself goes on in spite of a failure": (
        lambda: serving(2),
        [
            (100, Reloaded(policy(2)), [Spawn(3, 1)]),
            (101, Readied(3), [Drain(1), Spawn(4, 1)]),
            (102, Exited(4, 3), []),
            (102.5, Ticked(), [Spawn(5, 1)]),
            (103, Readied(5), [Drain(2)]),
        ],
    ),
    "a reload changes the number of workers": (
        lambda: serving(1),
        [
            (100, Reloaded(policy(3)), [Spawn(2, 1), Spawn(3, 1), Spawn(4, 1)]),
            (101, Readied(2), []),
            (101, Readied(3), []),
            (101, Readied(4), [Drain(1)]),
            (102, Exited(1, 0), []),
            (200, Reloaded(policy(1)), [Drain(2), Drain(3)]),
            (201, Exited(2, 0), [Spawn(5, 2)]),
            (202, Readied(5), [Drain(4)]),
        ],
    ),
    "a second reload does not wait for the workers of the first": (
        lambda: serving(1),
        [
            (100, Reloaded(policy(1)), [Spawn(2, 1)]),
            (101, Reloaded(policy(1)), [Drain(2), Spawn(3, 2)]),
            (102, Readied(2), []),
            (103, Exited(2, 0), []),
            (104, Readied(3), [Drain(1)]),
        ],
    ),
    "replacements wait while too many drain": (
        lambda: serving(1),
        [
            (100, Reloaded(policy(1)), [Spawn(2, 1)]),
            (101, Readied(2), [Drain(1)]),
            (102, Reloaded(policy(1)), [Spawn(3, 2)]),
            (103, Readied(3), [Drain(2)]),
            (104, Reloaded(policy(1)), []),
            (105, Exited(1, 0), [Spawn(4, 3)]),
        ],
    ),
    "a worker that dies is replaced although many drain": (
        lambda: serving(1),
        [
            (100, Reloaded(policy(1)), [Spawn(2, 1)]),
            (101, Readied(2), [Drain(1)]),
            (102, Reloaded(policy(1)), [Spawn(3, 2)]),
            (103, Readied(3), [Drain(2)]),
            (104.5, Exited(3, -9), [Spawn(4, 2)]),
        ],
    ),
    "a recycled worker goes on until its successor is ready": (
        lambda: serving(2),
        [
            (100, RecycleAsked(1), [Spawn(3, 0)]),
            (101, RecycleAsked(1), []),
            (102, Readied(3), [Drain(1)]),
            (103, Exited(1, 0), []),
        ],
    ),
    "recycling is done for a few at a time": (
        lambda: serving(4),
        [
            (100, RecycleAsked(2), [Spawn(5, 0)]),
            (100, RecycleAsked(3), []),
            (101, Readied(5), [Drain(2), Spawn(6, 0)]),
            (102, Readied(6), [Drain(3)]),
        ],
    ),
    "a worker that is going cannot ask to be recycled": (
        lambda: serving(1),
        [(100, TERM, [Drain(1)]), (101, RecycleAsked(1), []), (102, Exited(1, 0), [Exit(0)])],
    ),
    "ttin adds a worker and ttou takes the oldest": (
        lambda: serving(2),
        [(100, Scaled(1), [Spawn(3, 0)]), (101, Readied(3), []), (102, Scaled(-1), [Drain(1)])],
    ),
    "ttou takes a booting worker before a ready one": (
        lambda: serving(1),
        [(100, Scaled(1), [Spawn(2, 0)]), (101, Scaled(-1), [Drain(2)]), (102, Exited(2, -15), [])],
    ),
    "ttou while workers are replaced takes a booting one": (
        lambda: serving(3),
        [
            (100, RecycleAsked(1), [Spawn(4, 0)]),
            (101, Exited(3, -9), [Spawn(5, 0)]),
            (102, RecycleAsked(2), []),
            (103, Scaled(-1), [Drain(5)]),
            (104, Readied(4), [Drain(1), Spawn(6, 0)]),
        ],
    ),
    "ttou does not take the last worker": (lambda: serving(1), [(100, Scaled(-1), [])]),
    "winch drains every worker and the server stays": (
        lambda: serving(2),
        [
            (100, Withdrawn(), [Drain(1), Drain(2)]),
            (101, Exited(1, 0), []),
            (101, Exited(2, 0), []),
            (102, Ticked(), []),
            (103, Scaled(1), [Spawn(3, 0)]),
            (104, Readied(3), []),
            (105, Reloaded(policy(2)), [Spawn(4, 1), Spawn(5, 1)]),
        ],
    ),
    "hup while stopping is refused": (
        lambda: serving(1),
        [(100, TERM, [Drain(1)]), (101, Reloaded(policy(1)), []), (102, Exited(1, 0), [Exit(0)])],
    ),
    "the first worker gets ready while it is told to go": (
        lambda: Supervisor(Policy(1)),
        [(0, Opened(), [Spawn(1, 0)]), (1, TERM, [Drain(1)]), (1, Readied(1), []), (2, Exited(1, 0), [Exit(0)])],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_story(name):
    make, story = STORIES[name]
    tell(make(), story)


def test_the_delay_between_failures_doubles_up_to_its_limit():
    supervisor = serving(1)
    supervisor.handle(Exited(1, 1), 100)
    now, delays = 100.0, []
    for worker in range(2, 12):
        supervisor.handle(Exited(worker, 3), now)
        due = supervisor.deadline()
        delays.append(due - now)
        now = due
        assert plain(supervisor.handle(Ticked(), now)) == [Spawn(worker + 1, 0)]
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]


def test_a_failure_storm_after_many_failures_does_not_overflow():
    supervisor = serving(1)
    supervisor.handle(Exited(1, 1), 100)
    now = 100.0
    for worker in range(2, 2000):
        supervisor.handle(Exited(worker, 3), now)
        now = supervisor.deadline()
        supervisor.handle(Ticked(), now)


@pytest.mark.parametrize(
    ("make", "event", "sentence"),
    [
        (lambda: serving(1), Scaled(-1), "there are 1 workers wanted; their number can be from 1 to 1024"),
        (lambda: Supervisor(Policy(4), capacity=4), Scaled(1), "there are 4 workers wanted; .* from 1 to 4"),
    ],
)
def test_what_is_refused_is_said(make, event, sentence):
    (reject,) = make().handle(event, 1)
    assert isinstance(reject, Reject)
    assert re.search(sentence, reject.reason)


@pytest.mark.parametrize("event", [Scaled(1), Reloaded(policy(2))])
def test_a_stopping_server_says_that_it_does_not_change_any_more(event):
    supervisor = serving(1)
    supervisor.handle(TERM, 100)
    (reject,) = supervisor.handle(event, 101)
    assert "the server is stopping" in reject.reason


def test_failures_are_said():
    supervisor = serving(1)
    supervisor.handle(Exited(1, 1), 100)
    assert supervisor.handle(Exited(2, 3), 101) == [Warn("workers fail, 1 so far: the next one starts in 0.5 seconds")]
    supervisor = serving(1)
    supervisor.handle(Reloaded(policy(1)), 100)
    warn, abandon = supervisor.handle(Exited(2, 4), 101)
    assert "no worker of reload 1 could boot" in warn.reason
    assert abandon == Abandon(1)


def test_the_deadline_is_that_of_the_first_thing_due():
    supervisor = Supervisor(Policy(1, timeout=30, graceful_timeout=10))
    assert supervisor.deadline() is None
    supervisor.handle(Opened(), 5)
    assert supervisor.deadline() == 35
    supervisor.handle(Readied(1), 6)
    assert supervisor.deadline() == 36
    supervisor.handle(Ticked({1: 20}), 20)
    assert supervisor.deadline() == 50
    supervisor.handle(TERM, 21)
    assert supervisor.deadline() == 33


def test_the_number_of_processes_is_bounded():
    supervisor = Supervisor(Policy(5), capacity=3)
    assert plain(supervisor.handle(Opened(), 0)) == [Spawn(1, 0), Spawn(2, 0), Spawn(3, 0)]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("move", Move)
def test_every_move_goes_to_the_right_or_is_refused_by_name(state, move):
    if (state, move) in TRANSITIONS:
        after = moved(state, move)
        assert after is State.GONE or after >= state
    else:
        with pytest.raises(IllegalMove, match=f"a worker that is {state.name.lower()} cannot be {move.value}"):
            moved(state, move)


def test_a_worker_cannot_be_ready_twice():
    supervisor = serving(1)
    with pytest.raises(IllegalMove):
        supervisor.handle(Readied(1), 1)
