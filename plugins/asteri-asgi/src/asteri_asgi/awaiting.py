"""What the coroutines of the C twin need from Python, and those of the Python twin have because they are real ones."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from types import FrameType
from typing import Any


async def await_it(thing: Awaitable[Any]) -> Any:
    """Await anything that ``await`` takes; what it does not take is refused in the interpreter's own words."""
    return await thing


def frame_without_code() -> FrameType:
    """A frame that has not begun, for a coroutine that has none of its own but is expected to show one."""
    coroutine: Any = await_it(None)  # type: ignore[arg-type]
    frame: FrameType = coroutine.cr_frame
    coroutine.close()
    return frame


def mark_as_coroutine_function(kind: type) -> None:
    """Have instances of ``kind`` taken for coroutine functions: adapters between colours ask before they call."""
    mark = getattr(inspect, "markcoroutinefunction", None)  # since Python 3.12
    if mark is not None:
        mark(kind)
    else:
        kind._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
