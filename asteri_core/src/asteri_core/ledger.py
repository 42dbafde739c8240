"""The ledger of a worker: what runs, since when, and what has become of it.

    started(exchange) ─▶ begin(exchange) ... finished(exchange)

`started` and `finished` are what the reactor calls for the events of all connections. They keep the scoreboard, call
the request hooks, write the access log and count towards the limits of the worker's life. With a request time-out
`time` stands before the executor, and `overdue` tells whose time is over. It runs nothing and answers nothing.

Every method is called in the reactor's thread or with its lock held.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .logs import AccessLog
from .sansio.connection import Exchange
from .scoreboard import Slot

if TYPE_CHECKING:
    from .reactor import Reactor

log = logging.getLogger("asteri.error")


class Ledger:
    """The book-keeping of one worker.

    ``begin`` gets every exchange that has been started; it is set before the first. ``start`` is what `time` passes
    them on to. ``requests`` is the number of them after which the worker asks to be replaced, 0 for never;
    ``request_timeout`` is in seconds, 0 for none. ``owner`` is what the hooks get as their worker.
    """

    def __init__(
        self,
        slot: Slot,
        clock: Callable[[], float],
        *,
        access: AccessLog | None = None,
        pre_request: Sequence[Callable[..., Any]] = (),
        post_request: Sequence[Callable[..., Any]] = (),
        owner: Any = None,
        requests: int = 0,
        request_timeout: float = 0.0,
    ) -> None:
        self.begin: Callable[[Exchange], None] = _nowhere
        self.start: Callable[[Exchange], None] = _nowhere
        self.reactor: Reactor | None = None
        """Whose turns requests come in: the time of a request begins when its turn does. None: when it is told."""
        self._slot = slot
        self._clock = clock
        self._access = access
        self._pre_request = tuple(pre_request)
        self._post_request = tuple(post_request)
        self._owner = owner
        self._requests = requests
        self._request_timeout = request_timeout
        self._running: dict[Exchange, float] = {}
        self._due: dict[Exchange, float] = {}

    @property
    def running(self) -> list[Exchange]:
        """What runs now, first started first."""
        return list(self._running)

    def started(self, exchange: Exchange) -> None:
        """A request head is complete."""
        self._running[exchange] = self._clock() if self.reactor is None else self.reactor.now
        self._slot.begin_request(len(self._running), b"%b %b" % (exchange.method.encode("latin-1"), exchange.target))
        for hook in self._pre_request:
            call_hook(hook, worker=self._owner, request=exchange)
        self.begin(exchange)

    def time(self, exchange: Exchange) -> None:
        """The application's time begins: its body, if it had to be collected, is whole."""
        self._due[exchange] = self._clock() + self._request_timeout
        self.start(exchange)

    def finished(self, exchange: Exchange) -> None:
        """An exchange is over."""
        running = self._running
        duration = self._clock() - running.pop(exchange)
        self._slot.end_request(len(running), duration, exchange.status, exchange.sent)
        self._due.pop(exchange, None)
        if self._access is not None:
            self._access.write(exchange, duration, time.time())
        for hook in self._post_request:
            call_hook(hook, worker=self._owner, request=exchange, response=exchange)
        if self._requests:
            self._requests -= 1
            if not self._requests:
                self._slot.ask_recycle()

    def overdue(self, now: float) -> list[Exchange]:
        """Those whose time is over; each is told once."""
        over = []
        for exchange, due in self._due.items():
            # They are in the order of their start, so the overdue ones come first.
            if now < due:
                break
            over.append(exchange)
        for exchange in over:
            del self._due[exchange]
        return over


def _nowhere(exchange: Exchange) -> None:
    raise RuntimeError("the ledger has nobody to pass a request on to")


def call_hook(hook: Callable[..., Any], **arguments: Any) -> None:
    """A request hook's error is its own: the request goes on."""
    try:
        hook(**arguments)
    except Exception:
        log.exception("a request hook failed")
