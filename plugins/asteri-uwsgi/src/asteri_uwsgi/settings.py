"""The settings of the uwsgi protocol. Limits and deadlines are those of `asteri_http.settings`."""

from __future__ import annotations

from dataclasses import dataclass

from asteri_core.api import LOCAL_PEERS, setting, trusted


@dataclass(frozen=True, slots=True)
class UwsgiSettings:
    """The uwsgi protocol."""

    uwsgi_allow_ips: tuple[str, ...] = setting(
        LOCAL_PEERS,
        "peers that may speak the uwsgi protocol: addresses, networks, unix or *; may be repeated. "
        "Its variables say who the client is, and whether it has come by TLS",
        metavar="ADDRESS",
        check=trusted,
    )
