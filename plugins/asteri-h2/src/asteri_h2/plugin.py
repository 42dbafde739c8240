"""What this distribution registers: the settings of HTTP/2 and the protocol."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from asteri_core.api import Config, Connection, ConnectionFactory, Peer, ProtocolSpec, Sniff, TrustPolicy, hookimpl
from asteri_http.settings import HttpSettings

from .settings import Http2Settings

asteri_api = 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def sniff(data: bytes) -> Sniff:
    """Whether a connection begins with the preface (RFC 9113 section 3.4)."""
    if data.startswith(PREFACE):
        return Sniff.YES
    return Sniff.MORE if PREFACE.startswith(data) else Sniff.NO


class Binding:
    """Makes connections for peers with TLS, and in cleartext for those that are trusted."""

    def __init__(self, config: Config) -> None:
        from asteri_http.date import DateCache

        from .answers import Signature

        self._settings, self._own = config[HttpSettings], config[Http2Settings]
        dates = DateCache(time.time) if self._settings.date_header else None
        self._signature = Signature(dates, self._settings.server_header)
        self._trust = TrustPolicy(self._own.h2c_allow_ips)

    def __call__(self, peer: Peer, now: float) -> Connection:
        from .connection import Http2Connection
        from .refusal import Refusal

        if peer.tls is None and not self._trust.trusts(peer.address):
            return Refusal(peer)
        return Http2Connection(self._settings, self._own, self._signature, peer, now)

    def upgrade(self, exchange: Any, now: float) -> Connection | None:
        """See `asteri_core.specs.Upgradable`. Only in cleartext, where ALPN could not ask, and for who is trusted.

        And not for a proxy that tells of a client: all further streams would be taken for those of this client.
        """
        from asteri_http.forwarded import FIELDS
        from h2.exceptions import ProtocolError

        from .connection import Http2Connection
        from .upgrade import head_of, settings_of

        peer = exchange.peer
        settings = settings_of(exchange)
        if settings is None or peer.tls is not None or not self._trust.trusts(peer.address):
            return None
        if any(name in FIELDS for name, _ in exchange.headers):
            return None
        try:
            connection = Http2Connection(self._settings, self._own, self._signature, peer, now, settings)
        except ProtocolError:
            return None  # settings that HTTP/2 does not allow
        connection.begin_with(head_of(exchange), peer)
        return connection


def bind(config: Config) -> ConnectionFactory:
    return Binding(config)


@hookimpl
def asteri_settings() -> Sequence[type]:
    return [HttpSettings, Http2Settings]


@hookimpl
def asteri_protocols() -> Sequence[ProtocolSpec]:
    return [
        ProtocolSpec(
            name="h2",
            provides="HTTP/2, by ALPN, with prior knowledge or by Upgrade",
            token="2",
            order=200,
            sniff=sniff,
            bind=bind,
            alpn=("h2",),
            upgrade="h2c",
            requires=("h2",),
            extra="h2",
        )
    ]
