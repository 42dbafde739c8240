"""The application of the matrix, over WSGI. Its twins beside it have the same routes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs

BLOCK = bytes(range(256)) * 256

Environ = dict[str, Any]


class Plain:
    """A text with its length."""

    def __init__(self, start: Callable[..., Any]) -> None:
        self._start = start

    def __call__(self, body: bytes, status: str = "200 OK", fields: Iterable[tuple[str, str]] = ()) -> list[bytes]:
        self._start(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *fields])
        return [body]


def digest(environ: Environ) -> bytes:
    found = hashlib.sha256()
    while piece := environ["wsgi.input"].read(65536):
        found.update(piece)
    return found.hexdigest().encode()


def pattern(environ: Environ) -> Iterator[bytes]:
    size = int(parse_qs(environ["QUERY_STRING"])["size"][0])
    for offset in range(0, size, len(BLOCK)):
        yield BLOCK[: size - offset]


def cut() -> Iterator[bytes]:
    yield b"the beginning\n"
    raise RuntimeError("this route raises on purpose")


def endless() -> Iterator[bytes]:
    while True:
        yield BLOCK


def app(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    plain = Plain(start_response)
    text = [("Content-Type", "text/plain")]
    match environ["PATH_INFO"]:
        case "/hello":
            return plain(b"hello\n")
        case "/echo":
            return plain(environ["wsgi.input"].read())
        case "/trailers":
            environ["wsgi.input"].read()
            return plain(b"".join(b"%b: %b\n" % trailer for trailer in environ["asteri.trailers"]))
        case "/digest":
            return plain(digest(environ))
        case "/refuse":
            return plain(b"refused\n", "403 Forbidden")
        case "/cookies":
            return plain(b"cookies\n", fields=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
        case "/hints":
            environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload")])
            return plain(b"hinted\n")
        case "/error":
            raise RuntimeError("this route raises on purpose")
        case "/empty":
            start_response("204 No Content", [])
            return []
        case "/download":
            size = parse_qs(environ["QUERY_STRING"])["size"][0]
            start_response("200 OK", [*text, ("Content-Length", size)])
            return pattern(environ)
        case "/stream":
            start_response("200 OK", text)
            return (b"piece %d\n" % number for number in range(5))
        case "/cut":
            start_response("200 OK", text)
            return cut()
        case "/endless":
            start_response("200 OK", text)
            return endless()
    return plain(b"not found\n", "404 Not Found")
