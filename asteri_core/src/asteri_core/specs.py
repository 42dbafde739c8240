"""What a plugin provides: the values its hooks return at boot, which the registry checks and freezes.

A spec names a thing, says what it is in one sentence and how to make it. No spec is consulted while a request runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from logging import Logger
from typing import Any, Protocol, TypeVar

from .sansio.connection import Colour, Connection, ConnectionFactory, Exchange, Sniff, Want

API_VERSION = 1
"""The version of the contracts in `asteri_core.api`. A plugin states its own as ``asteri_api``; others are refused."""

T = TypeVar("T")


class Config(Protocol):
    """The checked values of every setting: ``config[HttpSettings].keep_alive``."""

    def __getitem__(self, group: type[T]) -> T:
        """The typed, frozen settings of one group. Raises KeyError when no plugin has declared that group."""


class Upgradable(Protocol):
    """What makes connections that take over a request of HTTP/1.1."""

    def upgrade(self, exchange: Exchange, now: float) -> Connection | None:
        """The connection to which the byte stream goes behind a 101, and which answers the request; None to let
        HTTP/1.1 answer it. The exchange is read only, and never begins."""


@dataclass(frozen=True, slots=True)
class ProtocolSpec:
    """A protocol on a byte stream."""

    name: str
    provides: str
    """One sentence for ``--plugin list``."""
    token: str
    """Its name for ``--http``, e.g. ``"1"``."""
    order: int
    """The router asks in ascending order. The highest order is the fallback for what nobody recognises."""
    sniff: Callable[[bytes], Sniff]
    bind: Callable[[Config], ConnectionFactory]
    """Called once per worker, before the first connection."""
    alpn: tuple[str, ...] = ()
    upgrade: str = ""
    """A token of HTTP's Upgrade field: a request with it may be handed over to this protocol. What ``bind`` gives then
    is an `Upgradable` as well."""
    upgrades: bool = False
    """Whether what ``bind`` gives hands requests over: it has an attribute ``upgrades``, which is set to a dict of the
    tokens (bytes in lower case) that are installed, and of `Upgradable.upgrade` of each."""
    requires: tuple[str, ...] = ()
    """Modules that must be importable; the extra that installs them is named by ``extra``."""
    extra: str = ""
    native: str = ""
    """The C module of its native twin, for ``--plugin list``; empty when it has none. ``bind`` makes the choice, by
    `asteri_core.twins.native_twin`."""


@dataclass(frozen=True, slots=True)
class CodecSpec:
    """What an application may talk over an upgraded exchange, such as WebSocket.

    The kernel only hands it to the interfaces. What it makes of an exchange is agreed between it and them, in a module
    that both may import.
    """

    name: str
    """As clients ask for it in Upgrade or ``:protocol``, in lower case: `Exchange.protocol`."""
    provides: str
    bind: Callable[[Config], Callable[[Any], Any]]
    """Called once per worker. What it gives is called with exchanges that ask for this codec."""
    requires: tuple[str, ...] = ()
    extra: str = ""
    native: str = ""
    """As for a protocol."""


@dataclass(frozen=True, slots=True)
class ApplicationContext:
    """What an interface may tell the application about where it runs, and what else there is for applications."""

    multithread: bool
    multiprocess: bool
    log: Logger
    codecs: Mapping[bytes, Callable[[Any], Any]] = field(default_factory=dict)
    """What was bound of every codec, by its name."""


class BlockingHandler(Protocol):
    """An application of a blocking interface, ready to be run for an exchange.

    The call returns when the application is done with the exchange: it has been finished, upgraded or aborted on
    every path, and the application's errors have been logged and answered. After content that is not the last, and
    after an interim response, it waits for `Want.WRITE`, full or not: that is when the executor gets to send. It
    raises nothing but what is a defect, or the executor's own exceptions (derived from BaseException) that stop a
    request.
    """

    def startup(self) -> None: ...

    def __call__(self, exchange: Exchange, wait: Callable[[Exchange, Want], None]) -> None: ...

    def shutdown(self) -> None: ...


class AsyncHandler(Protocol):
    """The same for an async interface: three coroutines, all run in the same event loop.

    ``startup`` raises `WorkerBootError` when the application refuses to start.
    """

    async def startup(self) -> None: ...

    async def __call__(self, exchange: Exchange, wait: Callable[[Exchange, Want], Any]) -> None: ...

    async def shutdown(self) -> None: ...


@dataclass(frozen=True, slots=True)
class InterfaceSpec:
    """A way to call an application."""

    name: str
    provides: str
    colour: Colour
    recognises: Callable[[Any], bool]
    """Whether this object is such an application; the interface of the lowest ``order`` that says yes wins."""
    bind: Callable[[Any, Config, ApplicationContext], Any]
    """Makes the `BlockingHandler` or `AsyncHandler` of an application. Raises `ApplicationLoadError`."""
    order: int = 100
    requires: tuple[str, ...] = ()
    extra: str = ""
    native: str = ""
    """As for a protocol."""


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """A worker model."""

    name: str
    provides: str
    colour: Colour
    factory: Callable[[Any], Any]
    """Makes the `asteri_core.worker_api.WorkerModel` of one worker from its `asteri_core.worker_api.Host`."""
    multithread: bool = False
    requires: tuple[str, ...] = ()
    extra: str = ""


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """Twins of the kernel's own hot parts: the reactor, the executors, the ledger.

    There is a Python one without a spec; what is provided here serves in its place.
    """

    name: str
    provides: str
    load: Callable[[], Any]
    """Gives the parts: an object with the names of `asteri_core.kernel`. Called in the arbiter, once."""
    native: tuple[str, ...]
    """The C modules without which it cannot serve."""
