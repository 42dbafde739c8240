"""What this distribution registers: the settings of HTTP and the protocol HTTP/1.1."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from asteri_core.api import (
    Config,
    Connection,
    ConnectionFactory,
    Peer,
    PluginError,
    ProtocolSpec,
    Sniff,
    hookimpl,
    native_twin,
)
from asteri_http.date import DateCache
from asteri_http.settings import HttpSettings

from .connection import Http1Connection, Upgrade
from .writer import Signature

asteri_api = 1
NATIVE = "asteri_http1._native"
CLOCK = "asteri_native._reactor"
"""Where the native kernel has its clock. This distribution serves without it as well."""


def sniff(data: bytes) -> Sniff:
    """HTTP/1.1 is the fallback: what nobody else knows gets its answer here, a 400 for what is no HTTP at all."""
    return Sniff.YES


def bind(config: Config) -> ConnectionFactory:
    """Connections of the twin that is to serve."""
    return bind_python(config) if native_twin(NATIVE) is None else bind_native(config)


class PythonBinding:
    """Makes the connections of one worker."""

    def __init__(self, settings: HttpSettings, wall: Callable[[], float]) -> None:
        self._settings = settings
        self._signature = Signature(DateCache(wall) if settings.date_header else None, settings.server_header)
        self.upgrades: Mapping[bytes, Upgrade] = {}

    def __call__(self, peer: Peer, now: float) -> Connection:
        return Http1Connection(self._settings, self._signature, peer, now, self.upgrades)


def bind_python(config: Config) -> ConnectionFactory:
    return PythonBinding(config[HttpSettings], time.time)


def bind_native(config: Config) -> ConnectionFactory:
    """Raises `PluginError` where the C twin has not been built."""
    try:
        from ._native import Binding
    except ImportError as error:
        raise PluginError(f"{NATIVE} cannot be imported: {error}") from error
    return Binding(config[HttpSettings], wall_clock())


def wall_clock() -> Callable[[], float]:
    """Seconds since 1970: the clock of the native kernel, which C asks without a call of Python, where it is there."""
    try:
        kernel: Any = native_twin(CLOCK)
    except PluginError:
        return time.time
    return getattr(kernel, "wall_clock", time.time)


@hookimpl
def asteri_settings() -> Sequence[type]:
    return [HttpSettings]


@hookimpl
def asteri_protocols() -> Sequence[ProtocolSpec]:
    return [
        ProtocolSpec(
            name="http1",
            provides="HTTP/1.1 and HTTP/1.0",
            token="1",
            order=1000,
            sniff=sniff,
            bind=bind,
            alpn=("http/1.1",),
            upgrades=True,
            native=NATIVE,
        )
    ]
