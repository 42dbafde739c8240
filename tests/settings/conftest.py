"""A real server for each setting, and an application that tells what it sees."""

from __future__ import annotations

import ast
import contextlib
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from asteri_core.testing import RunningServer, running_server

APP = '''
"""Answers with what it knows of itself and of the request."""

import gc
import os
import sys
import threading

LOADED_BY = os.getpid()
print("loaded by", LOADED_BY, flush=True)
BARRIER = threading.Barrier(2)


def status(line):
    with open("/proc/self/status") as file:
        return next(one.partition(":")[2].split() for one in file if one.startswith(line + ":"))


def facts():
    return {
        "pid": os.getpid(), "arbiter": os.getppid(), "loaded by": LOADED_BY, "session": os.getsid(0),
        "uid": status("Uid"), "gid": status("Gid"), "groups": status("Groups"), "name": status("Name"),
        "umask": status("Umask"), "cwd": os.getcwd(), "answer": os.environ.get("ANSWER"),
        "files": [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if int(fd) > 2
                  and os.path.islink(f"/proc/self/fd/{fd}")],
        "threads": threading.active_count(), "frozen": gc.get_freeze_count(),
    }


def wsgi(environ, start_response):
    path = environ["PATH_INFO"]
    found = facts()
    found["script name"] = environ["SCRIPT_NAME"]
    found["multi"] = [environ["wsgi.multithread"], environ["wsgi.multiprocess"]]
    found["length"] = len(environ["wsgi.input"].read())
    found["client"] = [environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]]
    if path == "/print":
        print("printed")
        print("complained", file=sys.stderr)
    if path == "/meet":
        BARRIER.wait(60)
    if path == "/large":
        content = b"x" * (64 << 20)
    else:
        content = repr(found).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(content)))])
    return [content]


async def asgi(scope, receive, send):
    import asyncio

    if scope["type"] == "lifespan":
        await receive()
        print("lifespan", flush=True)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    found = {"loop": type(asyncio.get_running_loop()).__module__, "extensions": sorted(scope["extensions"]), **facts()}
    found["root path"] = scope["root_path"]
    found["client"] = [scope["client"][0], scope["scheme"]]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": repr(found).encode()})


def either(*arguments):
    """By its shape it could be of two interfaces."""
    return wsgi(*arguments) if len(arguments) == 2 else asgi(*arguments)
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the application."""
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.fixture
def serve(folder: Path) -> Callable[..., AbstractContextManager[RunningServer]]:
    """Serves an application of the folder: ``with serve("--workers", "2", app="app:asgi") as server``."""

    def start(*options: str, app: str = "app:wsgi", **others: Any) -> AbstractContextManager[RunningServer]:
        return running_server(app, *options, cwd=folder, **others)

    return start


@pytest.fixture(scope="session")
def receive() -> Callable[[socket.socket], bytes]:
    """What comes until the peer closes, or cuts."""

    def received(peer: socket.socket) -> bytes:
        data = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := peer.recv(1 << 16):
                data += piece
        return data

    return received


@pytest.fixture(scope="session")
def ask(receive: Any) -> Callable[..., bytes]:
    """One request on a connection of its own, and all that comes back."""

    def asked(server: RunningServer, head: str = "GET / HTTP/1.1", *fields: str, body: bytes = b"") -> bytes:
        if body:
            fields = (*fields, f"Content-Length: {len(body)}")
        with server.connect() as peer:
            peer.sendall("\r\n".join([head, "Host: test", "Connection: close", *fields, "", ""]).encode() + body)
            answer: bytes = receive(peer)
            return answer

    return asked


@pytest.fixture(scope="session")
def facts(ask: Any) -> Callable[..., dict[str, Any]]:
    """What the application knows of itself."""

    def told(server: RunningServer, *request: str, body: bytes = b"") -> dict[str, Any]:
        head, _, content = ask(server, *request, body=body).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        answer: dict[str, Any] = ast.literal_eval(content.decode())
        return answer

    return told
