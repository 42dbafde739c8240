"""The second door: what a worker model may import from the kernel, besides `asteri_core.api`.

A worker model is made for one worker from a `Host`. It gives the executor for handlers of its own colour (the kernel
bridges the other colour), and it drives the host's reactor until it is told to stop. That is all that a model adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from . import kernel as python_kernel
from .executors.executor import Executor, answer_timeout, log_overdue
from .executors.inline import InlineExecutor, RequestTimeout
from .executors.pool import PoolExecutor
from .executors.shared import SharedExchange
from .kernel import Kernel
from .reactor import Reactor
from .specs import Config

__all__ = [
    "Executor",
    "Host",
    "InlineExecutor",
    "Kernel",
    "PoolExecutor",
    "Reactor",
    "ReactorSelector",
    "RequestTimeout",
    "SharedExchange",
    "TaskExecutor",
    "WorkerModel",
    "answer_timeout",
    "log_overdue",
    "watch_reactor",
]

if TYPE_CHECKING:
    from .executors.tasks import TaskExecutor
    from .executors.watch import watch_reactor
    from .reactor.door import ReactorSelector

PYTHON_KERNEL = cast("Kernel", python_kernel)
_ASYNC = {"TaskExecutor": "executors.tasks", "watch_reactor": "executors.watch", "ReactorSelector": "reactor.door"}


def __getattr__(name: str) -> Any:
    """What needs asyncio is imported when it is asked for: a blocking worker never pays for it."""
    if name in _ASYNC:
        return getattr(import_module(f"{__package__}.{_ASYNC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@dataclass(frozen=True, slots=True)
class Host:
    """What a worker model is made from."""

    config: Config
    reactor: Reactor
    threads: int
    """``--threads``."""
    request_timeout: float | None
    """``--request-timeout`` in seconds. The kernel calls `Executor.expire`; only a model that cannot be interrupted by
    that needs it."""
    kernel: Kernel = PYTHON_KERNEL
    """Where the twins of executors and the selector come from that fit the reactor: ``host.kernel.PoolExecutor``."""


class WorkerModel(Protocol):
    """How one worker runs."""

    def executor(self, handler: Any) -> Executor:
        """The executor for a handler of the model's own colour."""

    def run(self) -> None:
        """Drive the reactor, and what the executor needs, until `stop`."""

    def stop(self) -> None:
        """Have `run` return soon, or at once when it has not begun. Called in the reactor's thread, from within a turn.

        It may come more than once, also while the executor starts or ends the application: that goes on.
        """

    def close(self) -> None:
        """Free what the model holds. The reactor is closed by the kernel afterwards."""
