"""What stands before a protocol: the first connection of each peer, and what it may switch to.

    peer ─▶ [PROXY header] ─▶ router ─▶ protocol
                                └─▶ TLS ─▶ (ALPN) protocol, or a router again

Here it is decided from settings and trust who meets which of these; each of them is a connection and knows none of the
others. TLS and cleartext share a bind: TLS begins with a byte with which nothing else does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..core_settings import ServerSettings, TlsSettings
from ..errors import ConfigurationError
from ..kernel import Kernel
from ..sansio import proxy
from ..sansio.connection import Connection, ConnectionFactory, Peer, Sniff
from ..sansio.router import Route
from ..specs import Config, ProtocolSpec
from ..trust import TrustPolicy

if TYPE_CHECKING:
    from ..registry import Registry
    from ..tls.contexts import Contexts

TLS_HANDSHAKE = b"\x16\x03"
"""A record of a handshake, and the major version that all of TLS has (RFC 8446 section 5.1)."""
VERSIONS = {"v1": (1,), "v2": (2,), "auto": (1, 2)}


def sniff_tls(data: bytes) -> Sniff:
    if data[:2] == TLS_HANDSHAKE:
        return Sniff.YES
    return Sniff.MORE if data == TLS_HANDSHAKE[:1] else Sniff.NO


def contexts_of(registry: Registry, config: Config, former: Contexts | None = None) -> Contexts | None:
    """The certificates of a configuration; None where it has none. Raises `ConfigurationError`.

    ``former`` are those of the configuration before it: where nothing but the files can have changed they go on, and
    with them the keys of the session tickets.
    """
    settings = config[TlsSettings]
    if not settings.certfile:
        for name in ("keyfile", "sni", "ca_certs"):
            if getattr(settings, name):
                raise ConfigurationError(f"{name} is given, and certfile is not")
        return None
    from ..tls.contexts import Contexts

    protocols = sorted(registry.protocols_for(config[ServerSettings].http), key=lambda spec: spec.order)
    alpn = tuple(name for spec in protocols for name in spec.alpn)
    hooks = registry.lifecycle("ssl_context")
    if former is not None and not hooks and (former.settings, former.alpn) == (settings, alpn):
        former.refresh()
        return former
    return Contexts(settings, alpn, hooks, config)


class Entrance:
    """Makes the connections of one worker. ``contexts`` is None where there is no TLS."""

    def __init__(
        self, kernel: Kernel, protocols: Sequence[ProtocolSpec], config: Config, contexts: Contexts | None
    ) -> None:
        settings = config[TlsSettings]
        self._kernel = kernel
        self._timeout = config[ServerSettings].handshake_timeout
        bound = [(spec, Route(spec.name, spec.sniff, spec.bind(config))) for spec in protocols]
        upgrades: dict[bytes, Any] = {}
        for spec, route in bound:
            made: Any = route.factory
            if spec.upgrade:
                upgrades[spec.upgrade.encode()] = made.upgrade
            if spec.upgrades:
                made.upgrades = upgrades
        self._protocols = tuple(route for _, route in bound)
        self._by_alpn = {name: route.factory for spec, route in bound for name in spec.alpn}
        self._routes = self._protocols
        if contexts is not None:
            self._routes = (Route("tls", sniff_tls, self._tls_by(contexts)), *self._protocols)
        self._connect = self._route
        if settings.proxy_protocol != "off":
            self._versions = VERSIONS[settings.proxy_protocol]
            self._trust = TrustPolicy(settings.proxy_allow_ips)
            self._maybe = (Route("proxy", proxy.sniff, self._header), *self._routes)
            self._connect = self._proxied_or_not if settings.proxy_protocol == "auto" else self._proxied

    @property
    def connect(self) -> ConnectionFactory:
        """Makes the connection of a peer that was accepted."""
        return self._connect

    def _route(self, peer: Peer, now: float) -> Connection:
        connection: Connection = self._kernel.Router(self._routes, peer, now + self._timeout)
        return connection

    # -- the PROXY header --------------------------------------------------------------------------------------------

    def _proxied(self, peer: Peer, now: float) -> Connection:
        return self._header(peer, now) if self._trust.trusts(peer.address) else self._route(peer, now)

    def _proxied_or_not(self, peer: Peer, now: float) -> Connection:
        if not self._trust.trusts(peer.address):
            return self._route(peer, now)
        connection: Connection = self._kernel.Router(self._maybe, peer, now + self._timeout)
        return connection

    def _header(self, peer: Peer, now: float) -> Connection:
        return proxy.ProxyHeader(self._route, peer, now + self._timeout, self._versions)

    # -- TLS ---------------------------------------------------------------------------------------------------------

    def _tls_by(self, contexts: Contexts) -> ConnectionFactory:
        from ..tls.stage import TlsStage

        def connect(peer: Peer, now: float) -> Connection:
            return TlsStage(contexts.wrap, contexts.facts, self._within_tls, peer, now, now + self._timeout)

        return connect

    def _within_tls(self, peer: Peer, now: float) -> Connection:
        agreed = peer.tls.alpn if peer.tls is not None else None
        factory = self._by_alpn.get(agreed or "")
        if factory is not None:
            return factory(peer, now)
        connection: Connection = self._kernel.Router(self._protocols, peer, now + self._timeout)
        return connection
