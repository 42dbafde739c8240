"""The connection scope of an HTTP request (ASGI HTTP and WebSocket message format, "HTTP Connection Scope").

A scope belongs to the application: it and every dictionary and list in it are new for each request, so that what
middleware adds for one request is not seen by the next. The scope is one dictionary display: that is faster than a copy
of a template which is filled in.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from asteri_core.api import Peer
from asteri_http.exchange import Exchange

from .messages import Scope
from .tls import tls_extension

HTTP_SPEC_VERSION = "2.5"
"""The newest version of the HTTP message format, of 2024-06-05."""


def scope_maker(
    root_path: str, state: dict[str, Any], version: str = "3.0", debug: bool = False
) -> Callable[[Exchange], Scope]:
    """A function that makes the scope of an exchange.

    ``root_path`` is where the proxy in front mounts the application. The ``path`` of ASGI begins with it, whether the
    proxy has left it in the target or not. ``state`` is the namespace of the lifespan, copied for each request.
    """
    below_root = root_path + "/"

    def make_scope(exchange: Exchange) -> Scope:
        raw_path = exchange.raw_path
        path = (unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path).decode("utf-8", "replace")
        if root_path and path[:1] == "/" and not (path == root_path or path.startswith(below_root)):
            path = root_path + path
        authority = exchange.authority
        headers = exchange.headers
        if not authority or (b"host", authority) in headers:
            headers = headers.copy()
        else:
            # The target's authority overrides Host (RFC 9112 section 3.2.2), and HTTP/2 may have no Host at all.
            headers = [(b"host", authority), *(header for header in headers if header[0] != b"host")]
        peer = exchange.peer
        client = peer.address
        server = peer.local
        extensions: dict[str, Any] = {
            "http.response.early_hint": {},
            "http.response.trailers": {},
            "http.response.pathsend": {},
            "http.response.zerocopysend": {},
        }
        if debug:
            extensions["http.response.debug"] = {}
        if peer.tls is not None:
            extensions["tls"] = tls_extension(peer.tls)
        if exchange.has_body and exchange.content_length is None:
            # Only such a body can have trailers. The specification has no word for them, so the name is ours; the list
            # is filled by the time of the last piece of the body.
            extensions["asteri.request.trailers"] = {"trailers": exchange.trailers}
        return {
            "type": "http",
            "asgi": {"version": version, "spec_version": HTTP_SPEC_VERSION},
            "http_version": exchange.version,
            "method": exchange.method.upper(),
            "scheme": exchange.scheme,
            "path": path,
            "raw_path": raw_path,
            "query_string": exchange.query,
            "root_path": root_path,
            "headers": headers,
            "client": client if type(client) is tuple else None,
            "server": server if type(server) is tuple else (server, None),
            "state": state.copy(),
            "extensions": extensions,
        }

    return make_scope


def scope_template(root_path: str, version: str, debug: bool) -> Scope:
    """A scope with everything that is the same for all requests. The C twin copies it and sets the rest."""
    facts: dict[str, Any] = {
        "raw_path": b"",
        "query": b"",
        "authority": b"",
        "headers": [],
        "method": "",
        "version": "",
    }
    exchange = SimpleNamespace(peer=Peer("", ""), scheme="", has_body=False, content_length=None, **facts)
    return scope_maker(root_path, {}, version, debug)(cast(Exchange, exchange))
