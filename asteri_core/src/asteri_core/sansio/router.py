"""The router is the first connection of every byte stream: it tells from the first bytes which protocol is spoken.

Its entries are asked in their order. The first YES wins, but only once every entry before it has said NO: a higher
entry's "not yet" holds back a lower entry's YES. The only event is `Switched`. What nobody recognises goes to the
fallback entry, which answers in its own way ("always an answer"). The router speaks no protocol and sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .connection import ConnectionFactory, Event, Failed, Peer, Sendable, Sniff, Switched

SNIFF_LIMIT = 4096
"""Bytes after which an undecided router stops waiting: no known preface is longer than such a PROXY v2 header."""

FIRST_WORDS = 1.0
"""Seconds that a silent peer gets when the server stops: its first bytes may be on their way."""


class Route(NamedTuple):
    """One protocol the router can hand the stream to."""

    name: str
    sniff: Callable[[bytes], Sniff]
    factory: ConnectionFactory


def decide(routes: Sequence[Route], data: bytes, complete: bool) -> Route | None:
    """The route for these first bytes, or None if more are needed. The last route is the fallback.

    ``complete`` says that no more bytes will come: then MORE counts as NO.
    """
    for route in routes:
        answer = route.sniff(data)
        if answer is Sniff.YES:
            return route
        if answer is Sniff.MORE and not complete:
            return None
    return routes[-1]


class Router:
    """Collects the first bytes of one peer until a route is clear."""

    __slots__ = ("_buffer", "_closed", "_deadline", "_events", "_peer", "_routes", "wake")

    def __init__(self, routes: Sequence[Route], peer: Peer, deadline: float) -> None:
        self.wake: Callable[[], None] = _nothing
        self._routes = routes
        self._peer = peer
        self._buffer = b""
        self._deadline: float | None = deadline
        self._events: list[Event] = []
        self._closed = False

    @property
    def wants_data(self) -> bool:
        return True

    def receive_data(self, data: bytes, now: float) -> None:
        self._buffer = data = self._buffer + data
        self._route(now, len(data) >= SNIFF_LIMIT)

    def receive_eof(self, now: float) -> None:
        if self._buffer:
            self._route(now, True)
        else:
            self._close()

    def lost(self, now: float) -> None:
        self._close()

    def events(self) -> Sequence[Event]:
        if not self._events:
            return ()
        events, self._events = self._events, []
        return events

    def data_to_send(self, now: float) -> Sequence[Sendable]:
        if not self._closed:
            return ()
        self._closed = False
        return (b"",)

    def deadline(self) -> float | None:
        return self._deadline

    def expire(self, now: float) -> None:
        if self._deadline is None or now < self._deadline:
            return
        if self._buffer:
            self._route(now, True)
        else:
            self._events.append(Failed(TimeoutError("no bytes within the handshake time-out")))
            self._close()

    def drain(self, until: float, now: float) -> None:
        if self._deadline is not None:
            self._deadline = min(self._deadline, max(until, now + FIRST_WORDS))

    def _route(self, now: float, complete: bool) -> None:
        route = decide(self._routes, self._buffer, complete)
        if route is not None:
            self._deadline = None
            self._events.append(Switched(route.factory(self._peer, now), self._buffer))

    def _close(self) -> None:
        self._deadline = None
        self._closed = True


def _nothing() -> None:
    """The wake-up of a connection that nobody drives yet."""
