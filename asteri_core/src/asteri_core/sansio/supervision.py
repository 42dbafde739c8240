"""The words between the supervisor and whoever acts for it: what has happened, and what shall be done.

Events are in the past tense, actions in the imperative. A worker is meant by its number, a generation of workers by the
count of reloads before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say about workers. Times are in seconds."""

    wanted: int
    """Workers that serve at a time."""
    timeout: float = 30.0
    """Without a heart-beat for so long a worker is stuck; 0 is never."""
    graceful_timeout: float = 30.0
    """So long may a worker take to drain."""


# -- what has happened ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opened:
    """The sockets listen: the first workers may come."""


@dataclass(frozen=True, slots=True)
class Readied:
    """A worker accepts connections."""

    worker: int


@dataclass(frozen=True, slots=True)
class Exited:
    """A worker's process has ended, or could not be started. ``status`` is negative for a signal's number."""

    worker: int
    status: int


@dataclass(frozen=True, slots=True)
class Ticked:
    """Some time has passed. ``beats`` are the times of the last heart-beats seen."""

    beats: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Paused:
    """Everybody was stopped for so long, as by Ctrl-Z or with the container."""

    seconds: float


@dataclass(frozen=True, slots=True)
class RecycleAsked:
    """A worker asks to be replaced."""

    worker: int


@dataclass(frozen=True, slots=True)
class Reloaded:
    """There is a new configuration, perhaps a new application."""

    policy: Policy


@dataclass(frozen=True, slots=True)
class Scaled:
    """Somebody wants so many workers more (or fewer)."""

    by: int


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Somebody wants no workers for now, while the sockets stay open."""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody wants the server to end."""

    graceful: bool


Event = Opened | Readied | Exited | Ticked | Paused | RecycleAsked | Reloaded | Scaled | Withdrawn | StopAsked


# -- what shall be done ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start this worker. If that is not possible, `Exited` follows."""

    worker: int
    generation: int


@dataclass(frozen=True, slots=True)
class Drain:
    """Tell the worker to finish what it has and to exit."""

    worker: int


@dataclass(frozen=True, slots=True)
class Kill:
    """End the worker at once: ask it to, or if ``hard`` do not ask."""

    worker: int
    hard: bool


@dataclass(frozen=True, slots=True)
class LogStack:
    """Have the log show where every thread of the worker is."""

    worker: int


@dataclass(frozen=True, slots=True)
class Abort:
    """Tell a stuck worker that it is about to be killed."""

    worker: int


@dataclass(frozen=True, slots=True)
class Announce:
    """All of the first workers are ready. Comes once."""


@dataclass(frozen=True, slots=True)
class Abandon:
    """A reload has failed: forget this generation, the one before goes on."""

    generation: int


@dataclass(frozen=True, slots=True)
class Reject:
    """What was asked for is not done; ``reason`` is for the log."""

    reason: str


@dataclass(frozen=True, slots=True)
class Warn:
    """Something went wrong that the log should tell; ``reason`` is a sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class Exit:
    """No worker is left: end with this exit status."""

    status: int


Action = Spawn | Drain | Kill | LogStack | Abort | Announce | Abandon | Reject | Warn | Exit
