"""A WSGI application that answers with what it has been asked, so that no answer can be taken for another's."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable
from typing import Any

KEPT = ("CONTENT_LENGTH", "HTTP_", "PATH_INFO", "QUERY_STRING", "REQUEST_METHOD")


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/error":
        raise RuntimeError("this route raises on purpose")
    if path == "/gil":
        start_response("200 OK", [])
        return [repr(getattr(sys, "_is_gil_enabled", lambda: True)()).encode()]
    said = [f"{key}={environ[key]}\n" for key in sorted(environ) if key.startswith(KEPT)]
    blocks = [hashlib.sha256(environ["wsgi.input"].read()).hexdigest().encode(), "".join(said).encode()]
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Said", environ.get("HTTP_X_SAID", ""))])
    return iter(blocks) if path == "/stream" else blocks
