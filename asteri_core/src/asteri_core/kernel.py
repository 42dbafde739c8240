"""The parts of the kernel that have twins, by the names that all twins have. These are the Python ones.

A service takes its parts from here, or from the module that a plugin's `asteri_core.specs.KernelSpec` loads; worker
models find them as `asteri_core.worker_api.Host.kernel`. What needs an event loop is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from .collect import Collector
from .executors.inline import InlineExecutor
from .executors.pool import PoolExecutor
from .ledger import Ledger
from .logs import AccessLog
from .reactor import Reactor
from .sansio.router import Router

if TYPE_CHECKING:
    from .executors.tasks import TaskExecutor
    from .reactor.door import ReactorSelector

__all__ = [
    "Collector",
    "InlineExecutor",
    "Ledger",
    "PoolExecutor",
    "Reactor",
    "ReactorSelector",
    "Router",
    "TaskExecutor",
    "access_log",
]

_ASYNC = {"TaskExecutor": "executors.tasks", "ReactorSelector": "reactor.door"}


class Kernel(Protocol):
    """What this module and each of its twins has."""

    Reactor: Callable[..., Any]
    Router: Callable[..., Any]
    ReactorSelector: Callable[..., Any]
    InlineExecutor: Callable[..., Any]
    PoolExecutor: Callable[..., Any]
    TaskExecutor: Callable[..., Any]
    Ledger: Callable[..., Any]
    Collector: Callable[..., Any]
    access_log: Callable[[AccessLog], Any]
    """The writer of lines into an access log: an object with its ``write``, ``flush`` and ``close``."""


def access_log(log: AccessLog) -> AccessLog:
    """The log itself makes its lines."""
    return log


def __getattr__(name: str) -> Any:
    if name in _ASYNC:
        return getattr(import_module(f"{__package__}.{_ASYNC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
