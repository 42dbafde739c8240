"""Async handlers as tasks whose first step runs on the spot."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, final

from asteri_core.api import AsyncHandler, Exchange, Want

_T = TypeVar("_T")

class Starter:
    """Begins the calls of a TaskExecutor, which inherits from it."""

    _handler: AsyncHandler
    _flush: Callable[[], None]
    _loop: asyncio.AbstractEventLoop
    _context: contextvars.Context
    _tasks: dict[Exchange, asyncio.Task[None]]
    _waits: dict[Exchange, dict[Want, set[asyncio.Future[None]]]]

    def start(self, exchange: Exchange, /) -> None:
        """Run the handler for an exchange; its first step runs at once."""

@final
class Call(Coroutine[Any, Any, None]):
    """One call of the handler, as the coroutine of its task."""

    @property
    def __name__(self) -> str: ...
    @property
    def __qualname__(self) -> str: ...
    @property
    def cr_await(self) -> Any:
        """What the handler waits for."""
    @property
    def cr_code(self) -> Any:
        """The handler's code."""
    @property
    def cr_frame(self) -> Any:
        """The handler's frame."""
    @property
    def cr_origin(self) -> None: ...
    @property
    def cr_running(self) -> bool: ...
    @property
    def cr_suspended(self) -> bool: ...
    def __await__(self) -> Call: ...  # type: ignore[override]
    def __next__(self) -> Any: ...
    def send(self, value: Any, /) -> Any:
        """Run the next step."""
    def throw(self, kind: Any, value: Any = ..., trace: Any = ..., /) -> Any:
        """Run the next step, which begins with an error."""
    def close(self) -> None:
        """End it where it is."""

def eager_task(
    coroutine: Coroutine[Any, Any, _T], loop: asyncio.AbstractEventLoop, context: contextvars.Context, /
) -> asyncio.Task[_T]:
    """A task of the loop, which runs, and in whose thread this is called. The first step has run when this returns."""
