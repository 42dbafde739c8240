"""TERM finishes what was started, INT does not wait, and what takes longer than it may is shown and ended."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from asteri_core.testing import running_server

Serve = Callable[..., Any]
PAUSED = "GET / HTTP/1.1\r\nHost: test\r\nX-Tell: {0}\r\nX-Mark: {0}\r\nX-Pause: 0.6\r\n\r\n"


def test_term_under_load_finishes_everything_that_was_started(
    serve: Serve, model: Any, load: Any, ends: Any, folder: Path
) -> None:
    logs = ("--access-logfile", "access.log", "--access-logformat", "%(s)s %({x-mark}i)s")
    with ExitStack() as stack:
        server = stack.enter_context(serve(model.app, *model.options, "-w", "2", *logs))
        server.wait_for_log("worker ready", 2)
        running = stack.enter_context(load(server.port))
        running.wait_for(50)
        peer = stack.enter_context(server.connect())
        peer.sendall(PAUSED.format("last").encode())
        server.wait_for_log("running last")
        wait = ends(*server.workers())
        server.signal(signal.SIGTERM)
        answer = b""
        while piece := peer.recv(65536):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b" last 0")
        wait(20)
        assert server.process.wait(20) == 0
        running.stop()
    # Whatever a worker has run has also reached its client, and the other way round.
    logged = (folder / "access.log").read_text().split("\n")[:-1]
    assert sorted(logged) == sorted(f"200 {mark}" for mark in running.marks | {"last"})
    assert not [one for one in running.lost if "wrong" in one.why or one.pid], "an answer was cut"


def test_requests_in_line_are_finished_before_the_end(serve: Serve) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(serve("app:wsgi", "-k", "sync"))
        peers = [stack.enter_context(server.connect()) for _ in range(5)]
        for number, peer in enumerate(peers):
            peer.sendall(PAUSED.format(number).replace("0.6", "0.2").encode())
        server.wait_for_log("running [0-4]", 2)  # one is over, and before the next one began the others were read
        server.signal(signal.SIGTERM)
        for peer in peers:
            assert peer.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        assert server.process.wait(5) == 0


def test_who_comes_after_the_stop_is_refused_while_others_are_finished(serve: Serve, ask: Any, folder: Path) -> None:
    with serve("app:wsgi", "-k", "gthread", "--threads", "2") as server, server.connect() as peer:
        peer.sendall(PAUSED.format("long").replace("Pause: 0.6", "Until: go").encode())
        server.wait_for_log("running long")
        server.signal(signal.SIGTERM)
        with contextlib.suppress(ConnectionRefusedError):
            while ask(server) is not None:
                assert server.process.poll() is None
        assert server.process.poll() is None
        (folder / "go").touch()
        assert peer.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_a_quick_stop_does_not_wait_for_what_runs(serve: Serve, model: Any, ends: Any, number: signal.Signals) -> None:
    with serve(model.app, *model.options, "-w", "2") as server, server.connect() as peer:
        server.wait_for_log("worker ready", 2)
        peer.sendall(PAUSED.format("long").replace("0.6", "20").encode())
        server.wait_for_log("running long")
        wait = ends(*server.workers())
        begun = time.monotonic()
        server.signal(number)
        wait(10)
        assert server.process.wait(5) == 0
        # A call that cannot be interrupted is killed KILL_TIME after it was asked to end.
        assert time.monotonic() - begun < 15


STUCK = """
import sys
import time

def app(environ, start_response):
    start_response("200 OK", [])
    wait_for_godot()
    return [b"done"]

def wait_for_godot():
    print("waiting", file=sys.stderr, flush=True)
    time.sleep(60)

async def asgi(scope, receive, send):
    import asyncio
    if scope["type"] != "http":
        raise NotImplementedError
    print("waiting", file=sys.stderr, flush=True)
    await asyncio.sleep(60)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})
"""


@pytest.mark.parametrize(
    ("app", "options", "logged"),
    [
        ("stuck:app", ("-k", "sync"), "wait_for_godot"),
        ("stuck:app", ("-k", "gthread", "--threads", "2"), "giving up 1 requests: GET '/stuck'"),
        ("stuck:asgi", ("-k", "asgi"), "giving up 1 requests: GET '/stuck'"),
    ],
)
def test_what_runs_longer_than_the_graceful_timeout_is_shown_and_ended(
    serve: Serve, folder: Path, ends: Any, app: str, options: tuple[str, ...], logged: str
) -> None:
    (folder / "stuck.py").write_text(STUCK)
    with serve(app, *options, "--graceful-timeout", "1") as server, server.connect() as peer:
        peer.sendall(b"GET /stuck HTTP/1.1\r\nHost: test\r\n\r\n")
        server.wait_for_log("waiting")
        begun = time.monotonic()
        wait = ends(*server.workers())
        server.signal(signal.SIGTERM)
        wait(10)
        assert 0.9 < time.monotonic() - begun < 20
        server.process.wait(10)
        server.wait_for_log(logged)


LIVING = """
import asyncio
import sys

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        print("starting", file=sys.stderr, flush=True)
        await asyncio.sleep({pause})
        print("started", file=sys.stderr, flush=True)
        await send({{"type": "lifespan.startup.complete"}})
        await receive()
        print("shut down", file=sys.stderr, flush=True)
        await send({{"type": "lifespan.shutdown.complete"}})
        return
    print("running", file=sys.stderr, flush=True)
    await asyncio.sleep(60)
"""


@pytest.mark.parametrize("worker", ["asgi", "sync"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_the_application_starts_lets_it_start_and_shut_down(
    folder: Path, worker: str, number: signal.Signals
) -> None:
    (folder / "living.py").write_text(LIVING.format(pause=0.5))
    with running_server("living:app", "-k", worker, cwd=folder, wait=False) as server:
        server.wait_for_log("^starting")
        server.signal(number)
        assert server.process.wait(10) == 0
        server.wait_for_log("^shut down")
        assert not [line for line in server.lines if "failed" in line]


TWICE = """
import atexit
import os
import time

pid = "server.pid"
_arbiter = os.getpid()


def _hold(where):
    os.write(2, f"held in {where}\\n".encode())
    while not os.path.exists(f"{where} goes on"):
        time.sleep(0.01)


def on_exit(server):
    _hold("the hook")


@atexit.register
def _last():
    if os.getpid() == _arbiter:
        _hold("the interpreter")
"""


@pytest.mark.parametrize("name", ["TERM", "HUP", "USR1", "USR2", "TTIN", "TTOU"])
def test_signals_while_the_server_ends_change_nothing(serve: Serve, folder: Path, name: str) -> None:
    (folder / "twice.py").write_text(TWICE)
    with serve("app:wsgi", "-c", "twice.py") as server:
        assert (folder / "server.pid").exists()
        server.signal(signal.SIGTERM)
        for where in ("the hook", "the interpreter"):
            server.wait_for_log(f"held in {where}")
            server.signal(signal.Signals[f"SIG{name}"])
            (folder / f"{where} goes on").touch()
        assert server.process.wait(10) == 0
        assert not (folder / "server.pid").exists()


def test_ctrl_c_breaks_off_what_hangs_while_the_server_ends(serve: Serve, folder: Path) -> None:
    (folder / "twice.py").write_text(TWICE)
    with serve("app:wsgi", "-c", "twice.py") as server:
        server.signal(signal.SIGTERM)
        for where in ("the hook", "the interpreter"):
            server.wait_for_log(f"held in {where}")
            server.signal(signal.SIGINT)
        assert server.process.wait(10) != 0
        assert not (folder / "server.pid").exists()


def test_a_shutdown_follows_also_when_requests_were_given_up(serve: Serve, folder: Path) -> None:
    (folder / "living.py").write_text(LIVING.format(pause=0))
    with serve("living:app", "-k", "asgi", "--graceful-timeout", "1") as server, server.connect() as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        server.wait_for_log("^running")
        server.signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
        server.wait_for_log("^shut down")
        assert not [line for line in server.lines if "failed" in line]
