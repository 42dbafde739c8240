"""WSGI applications without a framework, with as little work as the interface allows: the server's is to be seen."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from contents import DIGEST_TARGET, FILE_VARIABLE, LARGE, SMALL, received

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

BLOCK = 64 * 1024


def small(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """500 bytes."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "500")])
    return [SMALL]


def large(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """12 KB."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "12288")])
    return [LARGE]


def sink(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Reads the whole body, and says how long it was."""
    content = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    answer = received(len(content), content if environ["PATH_INFO"] == DIGEST_TARGET else None)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer]


def sleep(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """500 bytes after a millisecond, in which this thread does nothing."""
    time.sleep(0.001)
    return small(environ, start_response)


def file(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The large file, by the server's own way of sending files where it has one."""
    path = os.environ[FILE_VARIABLE]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(os.path.getsize(path)))])
    wrapper: Callable[[BinaryIO, int], Iterable[bytes]] = environ.get("wsgi.file_wrapper", blocks)
    return wrapper(open(path, "rb"), BLOCK)


def blocks(handle: BinaryIO, size: int) -> Iterator[bytes]:
    with handle:
        while block := handle.read(size):
            yield block
