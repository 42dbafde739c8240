"""The kernel's hot parts in C, by the names of `asteri_core.kernel`, which says what they are for.

What is rare stays in Python and is the same for both twins: it is handed to the C parts, or they are used instead.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from asteri_core.collect import Collector as PythonCollector
from asteri_core.executors.inline import InlineExecutor as PythonInlineExecutor
from asteri_core.sansio.connection import Exchange
from asteri_core.specs import BlockingHandler

from ._executors import InlineExecutor as NativeInlineExecutor
from ._executors import PoolExecutor
from ._ledger import Collector as NativeCollector
from ._ledger import Ledger
from ._ledger import Lines as access_log
from ._reactor import Reactor, ReactorSelector, Router

if TYPE_CHECKING:
    from .tasks import TaskExecutor

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


def Collector(
    limit: int, post: Callable[[Callable[[], None]], None], then: Callable[[Exchange], None]
) -> NativeCollector:
    """Small bodies are collected in C, all others by the Python collector."""
    return NativeCollector(limit, then, PythonCollector(limit, post, then).collect)


def InlineExecutor(handler: BlockingHandler, reactor: Any, request_timeout: float | None = None) -> Any:
    """With a request time-out the application is interrupted between any two steps, which is the Python one's art."""
    if request_timeout:
        return PythonInlineExecutor(handler, reactor, request_timeout)
    return NativeInlineExecutor(handler, reactor)


def __getattr__(name: str) -> Any:
    """Only a worker that has an event loop pays for its import."""
    if name == "TaskExecutor":
        return import_module(f"{__package__}.tasks").TaskExecutor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
