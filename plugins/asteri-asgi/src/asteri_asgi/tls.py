"""The TLS extension of a scope (ASGI TLS extension, version 0.2)."""

from __future__ import annotations

import functools
from typing import Any

from asteri_core.api import TlsFacts

_VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}


def tls_extension(tls: TlsFacts) -> dict[str, Any]:
    """What the scope of each request over this TLS has as ``extensions["tls"]``."""
    extension = _facts(tls).copy()
    extension["client_cert_chain"] = list(extension["client_cert_chain"])
    return extension


@functools.lru_cache(512)
def _facts(tls: TlsFacts) -> dict[str, Any]:
    certificate = tls.client_certificate
    return {
        "server_cert": tls.server_certificate,
        "client_cert_chain": [certificate.pem] if certificate and certificate.der else [],
        "client_cert_name": certificate.subject if certificate else None,
        "client_cert_error": None,
        "tls_version": _VERSIONS.get(tls.version),
        "cipher_suite": tls.cipher_code or None,
    }
