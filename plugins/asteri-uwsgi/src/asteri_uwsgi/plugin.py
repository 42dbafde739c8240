"""What this distribution registers: the setting and the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asteri_core.api import (
    Config,
    Connection,
    ConnectionFactory,
    Peer,
    ProtocolSpec,
    Sniff,
    TrustPolicy,
    hookimpl,
    native_twin,
)
from asteri_http.settings import HttpSettings

from .settings import UwsgiSettings

asteri_api = 1
NATIVE = "asteri_uwsgi._native"


def sniff(data: bytes) -> Sniff:
    """A request has the modifiers 0 and 0, a size between them. Any other NUL is for whoever refuses it."""
    if data[:1] != b"\0":
        return Sniff.NO
    if len(data) < 4:
        return Sniff.MORE
    return Sniff.YES if data[3:4] == b"\0" else Sniff.NO


def bind(config: Config) -> ConnectionFactory:
    """Connections that serve who is trusted, and refuse others. Requests are read by the C twin where it is built."""
    from .connection import UwsgiConnection
    from .request import RequestReader

    settings = config[HttpSettings]
    twin: Any = native_twin(NATIVE)
    reader: RequestReader = (RequestReader if twin is None else twin.RequestReader)(settings)
    trust = TrustPolicy(config[UwsgiSettings].uwsgi_allow_ips)

    def connect(peer: Peer, now: float) -> Connection:
        return UwsgiConnection(settings, reader, trust.trusts(peer.address), peer, now)

    return connect


@hookimpl
def asteri_settings() -> Sequence[type]:
    return [HttpSettings, UwsgiSettings]


@hookimpl
def asteri_protocols() -> Sequence[ProtocolSpec]:
    return [
        ProtocolSpec(
            name="uwsgi",
            provides="the binary uwsgi protocol of nginx's uwsgi_pass",
            token="uwsgi",
            order=300,
            sniff=sniff,
            bind=bind,
            native=NATIVE,
        )
    ]
