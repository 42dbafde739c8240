"""The second door: a selector for a stock asyncio loop, in whose `select` the reactor serves its own peers.

asyncio registers its descriptors here and asks for those that are ready; they are watched in the reactor's own wait.
When the selector knows its loop, `select` goes on turning the reactor for as long as the loop has nothing to do, so
that requests that never wait for the loop cost it no turn. Then, and after any turn when no loop is known, it returns
an empty list, as a time-out does. The selector does not own the reactor: closing it takes out what asyncio registered,
no more.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from .loop import Reactor

TIMERS_PILED = 128
"""Timers set during one `select` after which the loop gets a turn: only there does it forget those that were
cancelled."""


class KeyMap(Mapping[Any, selectors.SelectorKey]):
    """What is registered, found by file object or descriptor: what `selectors.BaseSelector.get_map` gives. asyncio asks
    it by file objects since CPython 3.13."""

    def __init__(
        self, get_key: Callable[[Any], selectors.SelectorKey], keys: Mapping[int, selectors.SelectorKey]
    ) -> None:
        self._get_key = get_key
        self._keys = keys

    def __getitem__(self, fileobj: Any) -> selectors.SelectorKey:
        return self._get_key(fileobj)

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class ReactorSelector(selectors.BaseSelector):
    """`selectors.BaseSelector` on top of a reactor."""

    def __init__(self, reactor: Reactor) -> None:
        self.loop: Any = None
        """The asyncio loop that polls here, or None. What is looked at are its attributes ``_ready``, ``_scheduled``
        and ``_stopping``; a loop without them gets its turn after every turn of the reactor in which anything has
        happened."""
        self._reactor = reactor
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._ready: list[tuple[selectors.SelectorKey, int]] = []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = _fileno(fileobj)
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} (fd {fd}) is already registered")
        self._reactor.add(fd, events, partial(self._collect, fd))
        key = self._keys[fd] = selectors.SelectorKey(fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = self.get_key(fileobj)
        del self._keys[key.fd]
        self._reactor.remove(key.fd)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self.get_key(fileobj)
        if events != key.events:
            self._reactor.change(key.fd, events, partial(self._collect, key.fd))
        changed = self._keys[key.fd] = key._replace(events=events, data=data)
        return changed

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        try:
            return self._keys[_fileno(fileobj)]
        except (KeyError, ValueError):
            for key in self._keys.values():
                # A closed file has lost its number, but asyncio still takes it out by itself.
                if key.fileobj is fileobj:
                    return key
            raise KeyError(f"{fileobj!r} is not registered") from None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = None if self.loop is None else _View(self.loop, timeout)
        left = None if timeout is None else max(0.0, timeout)
        while True:
            dispatched = self._reactor.turn(left)
            if self._ready or loop is None or loop.is_due(dispatched):
                break
            left = loop.left()
            if left is not None and left <= 0:
                break
        ready, self._ready = self._ready, []
        return ready

    def close(self) -> None:
        for fd in list(self._keys):
            self._reactor.remove(fd)
        self._keys.clear()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return KeyMap(self.get_key, self._keys)

    def _collect(self, fd: int, mask: int) -> None:
        key = self._keys.get(fd)
        if key is not None and mask & key.events:
            self._ready.append((key, mask & key.events))


class _View:
    """What is seen of a loop during one `select`."""

    def __init__(self, loop: Any, timeout: float | None) -> None:
        self._loop = loop
        self._until = None if timeout is None else time.monotonic() + timeout
        """When the loop wants its turn at the latest."""
        self._opaque = not all(hasattr(loop, name) for name in ("_ready", "_scheduled", "_stopping"))
        if not self._opaque:
            self._callbacks: Any = loop._ready
            self._timers: Any = loop._scheduled
            """A heap: the loop waits for the first one."""
            self._count = len(self._timers)
            self._first = self._timers[0] if self._timers else None

    def left(self) -> float | None:
        """Seconds until the loop wants its turn."""
        return None if self._until is None else self._until - time.monotonic()

    def is_due(self, dispatched: bool) -> bool:
        """Whether the loop is to have its turn now. ``dispatched`` says that the reactor has done anything."""
        if self._opaque:
            return dispatched
        timers = self._timers
        if self._callbacks or self._loop._stopping or len(timers) >= self._count + TIMERS_PILED:
            return True
        if timers and timers[0] is not self._first:
            # Whether it has been cancelled already does not matter: then the loop is called for nothing, once, and
            # forgets it.
            self._first = timers[0]
            due = time.monotonic() + self._first._when - self._loop.time()
            self._until = due if self._until is None else min(self._until, due)
        return False


def _fileno(fileobj: Any) -> int:
    if isinstance(fileobj, int):
        return fileobj
    try:
        return int(fileobj.fileno())
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"Invalid file object: {fileobj!r}") from None
