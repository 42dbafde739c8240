"""The third door: an asyncio loop with a poller of its own (uvloop, or one that runs already) watches the reactor.

The reactor's descriptor is a reader of the loop; its next deadline is a timer of the loop; and what tasks have left
to send is sent in the same turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..reactor import Reactor


def watch_reactor(loop: asyncio.AbstractEventLoop, reactor: Reactor) -> Callable[[], None]:
    """Have ``loop`` turn ``reactor`` whenever it has something to do. Returns what ends that."""
    return _Watch(loop, reactor).end


class _Watch:
    def __init__(self, loop: asyncio.AbstractEventLoop, reactor: Reactor) -> None:
        self._loop = loop
        self._reactor = reactor
        self._timer: asyncio.TimerHandle | None = None
        self._due = False
        loop.add_reader(reactor.fileno(), self._turn)
        reactor.on_dirty = self._dirty
        self._dirty()

    def end(self) -> None:
        self._reactor.on_dirty = None
        self._loop.remove_reader(self._reactor.fileno())
        if self._timer is not None:
            self._timer.cancel()

    def _dirty(self) -> None:
        if not self._due:
            self._due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._due = False
        self._reactor.poll(0)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        timeout = self._reactor.timeout()
        if timeout is not None:
            self._timer = self._loop.call_later(timeout, self._turn)
