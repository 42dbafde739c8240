"""A WSGI application wrapped in the validator of the standard library, which raises on whatever breaks PEP 3333."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.validate import validator

TEXT = [("Content-Type", "text/plain")]


def plain(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    match environ["PATH_INFO"]:
        case "/echo":
            body = b"".join(iter(lambda: environ["wsgi.input"].read(4096), b""))
            start_response("200 OK", [*TEXT, ("Content-Length", str(len(body)))])
            return [body]
        case "/lines":
            start_response("200 OK", TEXT)
            return [line.upper() for line in environ["wsgi.input"]]
        case "/stream":
            start_response("200 OK", TEXT)
            return (b"piece %d\n" % number for number in range(5))
        case "/write":
            write = start_response("200 OK", TEXT)
            write(b"written, ")
            write(b"twice, ")
            return [b"and returned\n"]
        case "/again":
            start_response("200 OK", TEXT)
            try:
                raise RuntimeError("found out late")
            except RuntimeError:
                start_response("503 Service Unavailable", TEXT, sys.exc_info())
            return [b"sorry\n"]
        case "/empty":
            start_response("204 No Content", [])
            return []
        case "/errors":
            environ["wsgi.errors"].write("said by the application\n")
            environ["wsgi.errors"].flush()
    start_response("200 OK", [*TEXT, ("Content-Length", "6")])
    return [b"hello\n"]


app = validator(plain)
