"""The settings of the worker models that the kernel has no use for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from asteri_core.api import setting

LOOPS = ("auto", "asyncio", "uvloop")


def _loop(raw: Any) -> str:
    name = str(raw)
    if name not in LOOPS:
        raise ValueError(f"one of {', '.join(LOOPS)} was expected")
    if name == "uvloop" and find_spec("uvloop") is None:
        raise ValueError("uvloop is not installed: pip install asteri[uvloop]")
    return name


@dataclass(frozen=True, slots=True)
class WorkersSettings:
    """Worker models."""

    loop: str = setting(
        "auto",
        "event loop of the asgi worker: asyncio runs inside asteri's own reactor, uvloop beside it; auto is asyncio",
        choices=LOOPS,
        check=_loop,
    )
