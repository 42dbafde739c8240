"""An exchange as another thread sees it: the same attributes and operations, each done under the reactor's lock.

What an operation leaves to send is sent at once, in the calling thread, so that an answer does not wait for the
reactor's thread to wake. After `detach` the exchange is closed to the application, whatever becomes of the real one.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from operator import attrgetter
from typing import Any, cast

from ..errors import Disconnected
from ..reactor import Reactor
from ..sansio.connection import AnyConnection, Exchange, Header, Sendable, Want

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


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
        read = reader(name)
        value = read(self)
        setattr(SharedExchange, name, property(read))
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

    def upgrade(self, connection: AnyConnection, headers: Sequence[Header] = ()) -> AnyConnection:
        with self._lock:
            self._check()
            self._exchange.upgrade(connection, headers)
            self._reactor.flush()
        return cast(AnyConnection, self._like(connection))

    def _like(self, connection: Any) -> SharedExchange:
        """A view of what has methods of the same names."""
        return SharedExchange(connection, self._reactor)

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


def reader(name: str) -> Callable[[SharedExchange], Any]:
    """What reads an attribute of a view's exchange: under the lock where no GIL makes that one step, since an exchange
    makes some of them when they are first asked for."""
    read: Callable[[SharedExchange], Any] = attrgetter(f"_exchange.{name}")
    if not FREE_THREADED:
        return read

    def read_locked(self: SharedExchange) -> Any:
        with self._lock:
            return read(self)

    return read_locked
