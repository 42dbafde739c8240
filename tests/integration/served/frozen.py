"""Says how many objects no collection looks at."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from typing import Any

CYCLE: list[Any] = []
CYCLE.append(CYCLE)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d %d" % (gc.get_freeze_count(), any(thing is CYCLE for thing in gc.get_objects()))]
