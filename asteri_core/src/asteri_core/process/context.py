"""What a worker is born with: everything the arbiter hands over the fork, in one object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..logs import Logs
from ..scoreboard import Scoreboard, Slot
from ..specs import Config
from .listener import Listener

if TYPE_CHECKING:
    from ..registry import Registry
    from ..tls.contexts import Contexts

READY = b"R"
"""What a worker writes to `WorkerContext.ready_fd` once it accepts connections."""


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """The argument of a worker's main function, which returns the exit status.

    The worker starts with no signal blocked. HUP and USR1 are ignored, USR2 writes the stack of every thread to the
    error log, the others do what they do by default, until it installs what it wants: a worker that is told to go while
    it still boots has nothing to finish.
    """

    number: int
    """The worker's number, from 1 on; none is given twice in an arbiter's life."""
    generation: int
    """How many reloads there have been."""
    registry: Registry
    config: Config
    listeners: Sequence[Listener]
    scoreboard: Scoreboard
    slot: Slot
    """The worker's own place on the scoreboard, already claimed."""
    application: Any
    """The application when it was loaded before the fork (``--preload``), else None."""
    logs: Logs
    """The logs that the arbiter has opened."""
    lifeline_fd: int
    """Ends (EOF) when the arbiter is gone, however it went. The worker then drains and exits."""
    ready_fd: int
    """Takes `READY`. It is closed afterwards."""
    tls: Contexts | None
    """The certificates and session keys; None where there is no TLS."""
    server: Any
    """The first argument of the lifecycle hooks: the arbiter's public face."""
