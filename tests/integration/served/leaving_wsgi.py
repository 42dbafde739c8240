"""A WSGI application that stops at the point that its query names, and tells how it has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from control import stop_at, tell

BLOCK = bytes(65536)


class Blocks:
    """An endless body."""

    def __init__(self, point: str) -> None:
        self._point = point
        self._closed = 0

    def __iter__(self) -> Iterator[bytes]:
        number = 0
        while True:
            if self._point == f"yield {number}":
                stop_at(self._point)
            yield b"a small block" if number == 0 else BLOCK
            number += 1

    def close(self) -> None:
        self._closed += 1
        tell(f"closed {self._closed}")


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    point = environ["QUERY_STRING"].replace("%20", " ")
    if not point:
        start_response("200 OK", [("Content-Length", "6")])
        return [b"hello\n"]
    if point in ("before the input", "input"):
        try:
            if point == "input":
                tell(point)
            else:
                stop_at(point)
            environ["wsgi.input"].read()
        except OSError as error:
            tell(f"told by {type(error).__name__}")
            raise
    if point == "before the head":
        stop_at(point)
    write = start_response("200 OK", [])
    if point == "write":
        try:
            write(b"the first block")
            stop_at(point)
            while True:
                write(BLOCK)
        except OSError as error:
            tell(f"told by {type(error).__name__}")
            raise
    return Blocks(point)
