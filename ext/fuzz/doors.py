"""The three doors of a reactor, each as the turn of a loop that has nothing else to do."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

Turn = Callable[[], object]


@contextmanager
def polled(twin: Any, reactor: Any) -> Iterator[Turn]:
    """A loop of the caller's."""
    yield lambda: reactor.poll(0)


@contextmanager
def under_asyncio(twin: Any, reactor: Any, known: bool) -> Iterator[Turn]:
    """A stock asyncio loop polls inside the reactor; its selector knows the loop, or does not."""
    selector = twin.ReactorSelector(reactor)
    loop = asyncio.SelectorEventLoop(selector)
    selector.loop = loop if known else None

    def turn() -> None:
        loop.call_soon(loop.stop)
        loop.run_forever()

    with closing(loop):
        yield turn


@contextmanager
def watched(twin: Any, reactor: Any) -> Iterator[Turn]:
    """A foreign loop, which polls only when it is told to: by the descriptor, by `timeout`, or by ``on_dirty``."""
    dirty: list[bool] = []
    reactor.on_dirty = lambda: dirty.append(True)

    def turn() -> None:
        readable = select.select([reactor.fileno()], [], [], 0)[0]
        if dirty or readable or reactor.timeout() == 0:
            dirty.clear()
            reactor.poll(0)

    yield turn
    reactor.on_dirty = None


DOORS: dict[str, Callable[[Any, Any], Any]] = {
    "poll": polled,
    "selector": lambda twin, reactor: under_asyncio(twin, reactor, False),
    "selector of a known loop": lambda twin, reactor: under_asyncio(twin, reactor, True),
    "descriptor": watched,
}
