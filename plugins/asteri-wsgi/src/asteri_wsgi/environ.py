"""The ``environ`` of a request: the facts of the exchange in the words of CGI and PEP 3333.

Most of an environ is the same for every request of an application on one listening address, so it is a copy
of a template. Header names repeat, so ``HTTP_X`` keys are remembered, a bounded number of them. What
`keeps_field` drops (``Proxy``, names with an underscore) is dropped here again, because here is where it
would do harm. Every header becomes ``HTTP_...`` or CONTENT_TYPE, so none can set SCRIPT_NAME, PATH_INFO or
REMOTE_USER; CONTENT_LENGTH is the body's.
"""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import unquote_to_bytes

from asteri_core.api import Address, ApplicationContext
from asteri_http.exchange import Exchange
from asteri_http.fields import keeps_field

from .body import Wait, lazy_body
from .error_stream import ErrorStream
from .file_wrapper import FileWrapper
from .tls import add_tls

CACHE_LIMIT = 512
"""Entries a cache keeps: peers choose the header names, and a wildcard address has many local ones."""

DROPPED = ""
"""The key of a header that is not passed on."""

_PROTOCOLS = {"1.1": "HTTP/1.1", "1.0": "HTTP/1.0", "2": "HTTP/2", "3": "HTTP/3"}
_DEFAULT_PORTS = {"http": "80", "https": "443"}

_keys: dict[bytes, str] = {
    b"content-type": "CONTENT_TYPE",
    b"content-length": DROPPED,  # set from the exchange, which knows the body's length
}


class Environs:
    """Makes the environ of each request of one application."""

    def __init__(self, root_path: str, context: ApplicationContext) -> None:
        self._fixed: dict[str, Any] = {
            "wsgi.version": (1, 0),
            "wsgi.errors": ErrorStream(context.log),
            "wsgi.multithread": context.multithread,
            "wsgi.multiprocess": context.multiprocess,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "wsgi.file_wrapper": FileWrapper,
            "SCRIPT_NAME": native(root_path),
            "SERVER_SOFTWARE": "asteri",
        }
        self.root = root_path.encode()
        self._templates: dict[tuple[str, Address], dict[str, Any]] = {}

    def make(self, exchange: Exchange, wait: Wait) -> dict[str, Any]:
        peer = exchange.peer
        scheme = exchange.scheme
        environ = (self._templates.get((scheme, peer.local)) or self._learn(scheme, peer.local)).copy()
        address = peer.address
        # A unix peer has no address; the keys stay, since applications index them.
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = (
            (address[0], str(address[1])) if type(address) is tuple else ("", "")
        )
        environ["REQUEST_METHOD"] = exchange.method
        environ["REQUEST_URI"] = environ["RAW_URI"] = exchange.target.decode("latin-1")
        environ["PATH_INFO"] = self._path(exchange.raw_path)
        environ["QUERY_STRING"] = exchange.query.decode("latin-1")
        environ["SERVER_PROTOCOL"] = _PROTOCOLS[exchange.version]

        for name, value in exchange.headers:
            key = _keys.get(name)
            if key is None:
                key = key_of(name)
            if not key:
                continue
            if key not in environ:
                environ[key] = value.decode("latin-1")
            else:
                # RFC 9110 section 5.3; RFC 6265 section 5.4 for cookies, which HTTP/2 may split.
                separator = "; " if key == "HTTP_COOKIE" else ","
                environ[key] += separator + value.decode("latin-1")
        if exchange.authority:
            # An absolute target overrides Host (RFC 9112 section 3.2.2); HTTP/2 may have no Host at all.
            environ["HTTP_HOST"] = exchange.authority.decode("latin-1")

        if peer.tls is not None:
            add_tls(environ, peer.tls)
        add_body(environ, exchange, wait)
        return environ

    def _path(self, raw: bytes) -> str:
        """PATH_INFO: decoded, as a native string, without the root path where the proxy has left it in front."""
        if raw == b"*":
            return ""  # OPTIONS *: the server as a whole; PATH_INFO starts with a slash or is empty
        path = unquote_to_bytes(raw) if b"%" in raw else raw
        root = self.root
        if root and path.startswith(root) and path[len(root) : len(root) + 1] in (b"", b"/"):
            path = path[len(root) :]
        return path.decode("latin-1")

    def template(self, scheme: str, local: Address) -> dict[str, Any]:
        """What the environs of all requests to one address begin with."""
        # PEP 3333 wants a SERVER_NAME in any case; a unix socket's path is not the name of a host.
        host, port = local if isinstance(local, tuple) else ("localhost", _DEFAULT_PORTS.get(scheme, "80"))
        return self._fixed | {"wsgi.url_scheme": scheme, "SERVER_NAME": host, "SERVER_PORT": str(port)}

    def _learn(self, scheme: str, local: Address) -> dict[str, Any]:
        template = self.template(scheme, local)
        if len(self._templates) < CACHE_LIMIT:
            self._templates[scheme, local] = template
        return template


def native(text: str) -> str:
    """A native string of PEP 3333: the text's bytes, read as latin-1."""
    return text.encode().decode("latin-1")


def key_of(name: bytes) -> str:
    """The environ key of a header name, `DROPPED` for one that is not passed on."""
    key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_") if keeps_field(name) else DROPPED
    if len(_keys) < CACHE_LIMIT:
        _keys[name] = key
    return key


def add_body(environ: dict[str, Any], exchange: Exchange, wait: Wait) -> None:
    """Add what is said of the request's body, and the file to read it from."""
    body: Any = exchange.body
    length = exchange.content_length
    if body is None:
        environ["wsgi.input"] = lazy_body(exchange, wait)
    else:
        environ["wsgi.input"] = body
        if length is None and exchange.has_body:
            # The chunks are decoded and counted: say so as RFC 9112 section 7.1.3 does. Frameworks that read no
            # further than CONTENT_LENGTH would find no body else.
            length = body.seek(0, io.SEEK_END)
            body.seek(0)
            environ.pop("HTTP_TRANSFER_ENCODING", None)
    if length is not None:
        environ["CONTENT_LENGTH"] = str(length)
    if exchange.has_body and exchange.content_length is None:
        # Only such a body can have trailers. PEP 3333 has no word for them; the list is filled when the body has ended.
        environ["asteri.trailers"] = exchange.trailers
