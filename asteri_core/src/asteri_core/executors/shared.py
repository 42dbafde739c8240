"""An exchange as another thread sees it: the same attributes and operations, each done under the reactor's lock.

What an operation leaves to send is sent at once, in the calling thread, so that an answer does not wait for the
reactor's thread to wake. After `detach` the exchange is closed to the application, whatever becomes of the real one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from operator import attrgetter
from typing import Any

from ..errors import Disconnected
from ..reactor import Reactor
from ..sansio.connection import Connection, Exchange, Header, Sendable, Want


class SharedExchange:
    """Satisfies `Exchange`; attributes not listed here are those of the real one."""

    __slots__ = ("_detached", "_exchange", "_lock", "_reactor")

    def __init__(self, exchange: Exchange, reactor: Reactor) -> None:
        self._exchange = exchange
        self._reactor = reactor
        self._lock: AbstractContextManager[object] = reactor.lock
        self._detached = False

    def __getattr__(self, name: str) -> Any:
        """An attribute that is asked for the first time: from now on the class has a property for it.

        A property made of C functions costs a tenth of a call of this method.
        """
        value = getattr(self._exchange, name)
        setattr(SharedExchange, name, property(attrgetter(f"_exchange.{name}")))
        return value

    @property
    def detached(self) -> bool:
        return self._detached

    def detach(self) -> None:
        """From now on every operation raises `Disconnected`. The caller holds the lock."""
        self._detached = True

    def read(self) -> bytes | None:
        with self._lock:
            self._check()
            data = self._exchange.read()
            if data is None:
                self._reactor.flush()
            return data

    def respond(self, status: int, headers: Sequence[Header], reason: bytes = b"") -> None:
        with self._lock:
            self._check()
            self._exchange.respond(status, headers, reason)

    def retract(self) -> bool:
        with self._lock:
            return not self._detached and self._exchange.retract()

    def inform(self, status: int, headers: Sequence[Header]) -> None:
        with self._lock:
            self._check()
            self._exchange.inform(status, headers)
            self._reactor.flush()

    def send(self, data: Sendable, end: bool = False) -> bool:
        with self._lock:
            self._check()
            try:
                return self._exchange.send(data, end)
            finally:
                self._reactor.flush()

    def finish(self, trailers: Sequence[Header] = ()) -> None:
        with self._lock:
            self._check()
            try:
                self._exchange.finish(trailers)
            finally:
                self._reactor.flush()

    def upgrade(self, connection: Connection, headers: Sequence[Header] = ()) -> None:
        with self._lock:
            self._check()
            self._exchange.upgrade(connection, headers)
            self._reactor.flush()

    def abort(self) -> None:
        with self._lock:
            if not self._detached:
                self._exchange.abort()
                self._reactor.flush()

    def watch(self, want: Want, callback: Callable[[], None]) -> bool:
        with self._lock:
            return self._detached or self._exchange.watch(want, callback)

    def _check(self) -> None:
        if self._detached:
            raise Disconnected("the request has been ended by the server")
