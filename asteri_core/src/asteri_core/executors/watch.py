"""The third door: an asyncio loop with a poller of its own (uvloop, or one that runs already) watches the reactor.

The reactor's descriptor is a reader of the loop; its next deadline is a timer of the loop; and what tasks have left
to send is sent in the same turn of the loop.
"""

from __future__ import annotations

import asyncio
import threading
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
        self._when = 0.0
        """When the timer rings, if there is one."""
        self._due = False
        self._thread = threading.get_ident()
        loop.add_reader(reactor.fileno(), self._turn)
        reactor.on_dirty = self._dirty
        self._arm()

    def end(self) -> None:
        self._reactor.on_dirty = None
        self._loop.remove_reader(self._reactor.fileno())
        if self._timer is not None:
            self._timer.cancel()

    def _dirty(self) -> None:
        # Another thread flushes by itself, and must not touch the loop.
        if not self._due and threading.get_ident() == self._thread:
            self._due = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._due = False
        with self._reactor.lock:
            self._reactor.flush()
        self._arm()

    def _turn(self) -> None:
        self._reactor.poll(0)
        self._arm()

    def _ring(self) -> None:
        self._timer = None
        self._turn()

    def _arm(self) -> None:
        """See to it that the timer rings in time. One that rings too early costs a turn, a new one each time more."""
        timeout = self._reactor.timeout()
        if timeout is None:
            return
        when = self._loop.time() + timeout
        if self._timer is not None:
            if self._when <= when:
                return
            self._timer.cancel()
        self._when = when
        self._timer = self._loop.call_at(when, self._ring)
