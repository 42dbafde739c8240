"""The second door: a selector for a stock asyncio loop, in whose `select` the reactor serves its own peers.

asyncio registers its descriptors here and asks for those that are ready; they are watched in the reactor's own wait.
A turn in which only peers were served returns an empty list, as a time-out does, so that the callbacks they have
scheduled run next. The selector does not own the reactor: closing it takes out what asyncio registered, no more.
"""

from __future__ import annotations

import selectors
from collections.abc import Mapping
from functools import partial
from typing import Any

from .loop import Reactor


class ReactorSelector(selectors.BaseSelector):
    """`selectors.BaseSelector` on top of a reactor."""

    def __init__(self, reactor: Reactor) -> None:
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
        self._reactor.poll(None if timeout is None else max(0.0, timeout))
        if not self._ready:
            return []
        ready, self._ready = self._ready, []
        return ready

    def close(self) -> None:
        for fd in list(self._keys):
            self._reactor.remove(fd)
        self._keys.clear()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def _collect(self, fd: int, mask: int) -> None:
        key = self._keys.get(fd)
        if key is not None and mask & key.events:
            self._ready.append((key, mask & key.events))


def _fileno(fileobj: Any) -> int:
    return fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
