"""The life of a worker: its states and the moves between them.

    BOOTING ──▶ READY ──▶ DRAINING ──▶ STOPPING ──▶ GONE

Every move goes to the right and may skip states; nothing comes back. The arbiter's supervisor checks its moves against
`MOVES`. The scoreboard stores the state's number, so the numbers are part of the shared layout.
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


MOVES: dict[State, frozenset[State]] = {
    State.BOOTING: frozenset({State.READY, State.DRAINING, State.STOPPING, State.GONE}),
    State.READY: frozenset({State.DRAINING, State.STOPPING, State.GONE}),
    State.DRAINING: frozenset({State.STOPPING, State.GONE}),
    State.STOPPING: frozenset({State.GONE}),
    State.GONE: frozenset(),
}
