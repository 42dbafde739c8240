"""The TLS of a request in an environ: the variables that Apache's mod_ssl has made customary. They are no headers."""

from __future__ import annotations

import functools
from typing import Any

from asteri_core.api import TlsFacts


def add_tls(environ: dict[str, Any], tls: TlsFacts) -> None:
    """Add what is known. ``SSL_CLIENT_VERIFY`` is ``NONE`` where the client has shown no certificate, else SUCCESS."""
    environ.update(_variables(tls))


@functools.lru_cache(512)
def _variables(tls: TlsFacts) -> dict[str, str]:
    found = {
        "HTTPS": "on",
        "SSL_PROTOCOL": tls.version,
        "SSL_CIPHER": tls.cipher,
        "SSL_TLS_SNI": tls.server_name or "",
        "SSL_CLIENT_VERIFY": "NONE",
    }
    certificate = tls.client_certificate
    if certificate is not None:
        found |= {
            "SSL_CLIENT_VERIFY": "SUCCESS",
            "SSL_CLIENT_S_DN": certificate.subject,
            "SSL_CLIENT_I_DN": certificate.issuer,
            "SSL_CLIENT_M_SERIAL": certificate.serial,
            "SSL_CLIENT_V_START": certificate.not_before,
            "SSL_CLIENT_V_END": certificate.not_after,
            "SSL_CLIENT_CERT": certificate.pem,
        }
    return {name: value.encode().decode("latin-1") for name, value in found.items()}
