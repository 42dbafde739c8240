"""The life of a worker as its arbiter sees it: the states, and what moves it from one to the next.

    BOOTING ──▶ READY ──▶ DRAINING ──▶ STOPPING ──▶ GONE

Every move goes to the right and may skip states; nothing comes back. `TRANSITIONS` is the whole truth: what it does not
list is a defect of ours and raises `IllegalMove`. The scoreboard stores a state's number, so the numbers are part of
the shared layout.
"""

from __future__ import annotations

import enum


class State(enum.IntEnum):
    """Where a worker is in its life."""

    GONE = 0
    """There is no process (any more)."""
    BOOTING = 1
    """Forked; it loads the application and does not accept yet."""
    READY = 2
    """It accepts connections."""
    DRAINING = 3
    """It accepts nothing new and finishes what it has."""
    STOPPING = 4
    """It was told to end at once, or is being killed."""


class Move(enum.Enum):
    """What happens to a worker."""

    READIED = "readied"
    """It says that it accepts."""
    RELIEVED = "relieved"
    """It is told to drain."""
    DISMISSED = "dismissed"
    """It is told to end at once, aborted or killed."""
    EXITED = "exited"
    """Its process has ended."""


TRANSITIONS: dict[tuple[State, Move], State] = {
    (State.BOOTING, Move.READIED): State.READY,
    (State.BOOTING, Move.RELIEVED): State.DRAINING,
    (State.BOOTING, Move.DISMISSED): State.STOPPING,
    (State.BOOTING, Move.EXITED): State.GONE,
    (State.READY, Move.RELIEVED): State.DRAINING,
    (State.READY, Move.DISMISSED): State.STOPPING,
    (State.READY, Move.EXITED): State.GONE,
    # It got ready at the very moment when it was told to go.
    (State.DRAINING, Move.READIED): State.DRAINING,
    (State.STOPPING, Move.READIED): State.STOPPING,
    (State.DRAINING, Move.DISMISSED): State.STOPPING,
    (State.DRAINING, Move.EXITED): State.GONE,
    # Told to end at once, then killed because it did not.
    (State.STOPPING, Move.DISMISSED): State.STOPPING,
    (State.STOPPING, Move.EXITED): State.GONE,
}


class IllegalMove(Exception):
    """A worker was to be moved in a way that its state does not allow."""


def moved(state: State, move: Move) -> State:
    """The state after a move. Raises `IllegalMove`."""
    try:
        return TRANSITIONS[state, move]
    except KeyError:
        raise IllegalMove(f"a worker that is {state.name.lower()} cannot be {move.value}") from None
