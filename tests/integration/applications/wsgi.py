"""The application of the matrix, over WSGI. Its twins beside it have the same routes."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

BLOCK = bytes(range(256)) * 256
PAGE = Path(__file__).with_name("page.html")
"""What a browser is shown."""

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


def websocket(environ: Environ, plain: Plain) -> Iterable[bytes]:
    socket = environ["asteri.websocket"]
    match environ["PATH_INFO"]:
        case "/ws/echo":
            socket.accept(headers=[("X-Route", "echo")])
            for message in socket:
                socket.send(message)
        case "/ws/second":
            socket.accept(socket.subprotocols[1])
        case "/ws/close":
            socket.accept()
            socket.send("last")
            socket.close(4321, "enough")
        case "/ws/error":
            socket.accept()
            raise RuntimeError("this route raises on purpose")
        case "/ws/push":
            socket.accept()
            for _ in range(int(parse_qs(environ["QUERY_STRING"])["count"][0])):
                socket.send(BLOCK)
        case "/ws/early-error":
            raise RuntimeError("this route raises on purpose")
        case _:
            return plain(b"refused\n", "403 Forbidden")
    return []


def app(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    plain = Plain(start_response)
    if "asteri.websocket" in environ:
        return websocket(environ, plain)
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
        case "/whoami":
            names = ("REMOTE_ADDR", "REMOTE_PORT", "wsgi.url_scheme", "HTTP_HOST")
            return plain(" ".join(environ[name] for name in names).encode())
        case "/page":
            start_response("200 OK", [("Content-Type", "text/html")])
            return [PAGE.read_bytes()]
        case "/report":
            print("reported:", environ["wsgi.input"].read().decode(), file=sys.stderr)
            return plain(b"thanks\n")
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
