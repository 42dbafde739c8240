"""What this distribution registers: the settings of HTTP/2 and the protocol."""

from __future__ import annotations

import time
from collections.abc import Sequence

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


def bind(config: Config) -> ConnectionFactory:
    """Connections for peers with TLS, and in cleartext for those that are trusted."""
    from asteri_http.date import DateCache

    from .answers import Signature
    from .connection import Http2Connection
    from .refusal import Refusal

    settings, own = config[HttpSettings], config[Http2Settings]
    signature = Signature(DateCache(time.time) if settings.date_header else None, settings.server_header)
    trust = TrustPolicy(own.h2c_allow_ips)

    def connect(peer: Peer, now: float) -> Connection:
        if peer.tls is None and not trust.trusts(peer.address):
            return Refusal(peer)
        return Http2Connection(settings, own, signature, peer, now)

    return connect


@hookimpl
def asteri_settings() -> Sequence[type]:
    return [HttpSettings, Http2Settings]


@hookimpl
def asteri_protocols() -> Sequence[ProtocolSpec]:
    return [
        ProtocolSpec(
            name="h2",
            provides="HTTP/2, by ALPN or with prior knowledge",
            token="2",
            order=200,
            sniff=sniff,
            bind=bind,
            alpn=("h2",),
            requires=("h2",),
            extra="h2",
        )
    ]
