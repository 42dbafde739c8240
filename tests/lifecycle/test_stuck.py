"""What hangs is shown and ended: a worker without heart-beat by the arbiter, an overdue request by its worker."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

Serve = Callable[..., Any]

HANGS = '''
import asyncio
import ctypes
import sys
import time


def loop_for_ever():
    print("hanging", file=sys.stderr, flush=True)
    while True:
        pass


def sleep_in_c():
    print("hanging", file=sys.stderr, flush=True)
    time.sleep(600)


def hold_the_interpreter():
    """PyDLL does not release the lock of the interpreter: no Python code can run in this process any more."""
    print("hanging", file=sys.stderr, flush=True)
    ctypes.PyDLL(None).sleep(600)


WAYS = {"/loop": loop_for_ever, "/sleep": sleep_in_c, "/hold": hold_the_interpreter}


def wsgi(environ, start_response):
    WAYS.get(environ["PATH_INFO"], int)()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    if scope["path"] == "/await":
        print("hanging", file=sys.stderr, flush=True)
        await wait_for_nobody()
    WAYS.get(scope["path"], int)()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def wait_for_nobody():
    await asyncio.Event().wait()
'''

STUCK = (
    ("sync", "wsgi", "/loop", "loop_for_ever"),
    ("sync", "wsgi", "/sleep", "sleep_in_c"),
    ("sync", "wsgi", "/hold", "hold_the_interpreter"),
    ("gthread", "wsgi", "/hold", "hold_the_interpreter"),
    ("asgi", "asgi", "/sleep", "sleep_in_c"),
    ("asgi", "asgi", "/hold", "hold_the_interpreter"),
)

BRIEF = ("--timeout", "2", "--graceful-timeout", "1")


@pytest.fixture
def hangs(folder: Path) -> None:
    (folder / "hangs.py").write_text(HANGS)


@pytest.mark.usefixtures("hangs")
@pytest.mark.parametrize(("model", "app", "way", "function"), STUCK)
def test_a_stuck_worker_leaves_its_stack_and_is_replaced(
    serve: Serve, ask: Any, ends: Any, model: str, app: str, way: str, function: str
) -> None:
    with serve(f"hangs:{app}", "-k", model, "--timeout", "2") as server, server.connect() as peer:
        wait = ends(*server.workers())
        begun = time.monotonic()
        peer.sendall(f"GET {way} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        server.wait_for_log("hanging")
        # Another worker answers after the time-out. What the stuck one had accepted just before goes with it.
        while not ask(server).endswith(b"ok"):
            assert time.monotonic() < begun + 20
        wait(10)
        assert 1.9 < time.monotonic() - begun < 30
        server.wait_for_log(f"in {function}$")
        # The request that was started last: with threads that may be one of ours above.
        server.wait_for_log(f"is stuck.*running 'GET ({way}|/)'")


@pytest.mark.usefixtures("hangs")
def test_threads_that_hang_do_not_stop_the_heart_beat(serve: Serve, ask: Any) -> None:
    with serve("hangs:wsgi", "-k", "gthread", "--threads", "2", *BRIEF) as server, server.connect() as peer:
        [worker] = server.workers()
        peer.sendall(b"GET /sleep HTTP/1.1\r\nHost: test\r\n\r\n")
        server.wait_for_log("hanging")
        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert ask(server).endswith(b"ok")
        assert server.workers() == [worker]


@pytest.mark.usefixtures("hangs")
def test_without_a_timeout_nobody_is_killed(serve: Serve, ends: Any) -> None:
    with serve("hangs:wsgi", "--timeout", "0") as server, server.connect() as peer:
        wait = ends(*server.workers())
        peer.sendall(b"GET /sleep HTTP/1.1\r\nHost: test\r\n\r\n")
        server.wait_for_log("hanging")
        with pytest.raises(AssertionError, match="still runs"):
            wait(1.5)
        server.signal(signal.SIGINT)
        assert server.process.wait(10) == 0


OVERDUE = (
    ("sync", "wsgi", "/loop", "loop_for_ever"),
    ("sync", "wsgi", "/sleep", "sleep_in_c"),
    ("gthread", "wsgi", "/sleep", "sleep_in_c"),
    ("asgi", "asgi", "/await", "wait_for_nobody"),
    # And over the bridges.
    ("asgi", "wsgi", "/sleep", "sleep_in_c"),
    ("sync", "asgi", "/await", "wait_for_nobody"),
    ("gthread", "asgi", "/await", "wait_for_nobody"),
)


@pytest.mark.usefixtures("hangs")
@pytest.mark.parametrize(("model", "app", "way", "function"), OVERDUE)
def test_an_overdue_request_is_answered_504_and_leaves_its_stack_and_others_go_on(
    serve: Serve, model: str, app: str, way: str, function: str
) -> None:
    options = ("-k", model, "--threads", "2", "--request-timeout", "1", "--graceful-timeout", "1")
    with ExitStack() as stack:
        server = stack.enter_context(serve(f"hangs:{app}", *options))
        [worker] = server.workers()
        overdue, other = (stack.enter_context(server.connect()) for _ in range(2))
        begun = time.monotonic()
        overdue.sendall(f"GET {way} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        server.wait_for_log("hanging")
        for _ in range(3):
            other.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            assert other.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        assert overdue.recv(65536).startswith(b"HTTP/1.1 504 ")
        assert 0.9 < time.monotonic() - begun < 20
        server.wait_for_log(f"request time-out: GET '{way}'")
        server.wait_for_log(f"in {function}")
        # The very connection, and the worker, are still good.
        other.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        assert other.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        assert server.workers() == [worker]
