"""Every lifecycle hook of a Python configuration file is called: in its process, in its turn, with its arguments."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asteri_core.hooks import LIFECYCLE

Serve = Callable[..., Any]

APPLICATION = """
import sys
import time


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/hang":
        print("hanging", file=sys.stderr, flush=True)
        time.sleep(600)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""

CONFIGURATION = """
import os


def _say(process, *facts):
    text = " ".join(map(str, facts))
    os.write(2, f"hook in {process}: {text}\\n".encode())  # in one piece


def on_starting(server):
    _say("arbiter", "on_starting", server.pid == os.getpid())


def on_reload(server):
    _say("arbiter", "on_reload", server.pid == os.getpid())


def when_ready(server):
    _say("arbiter", "when_ready", len(server.workers))


def pre_fork(server, worker):
    _say("arbiter", "pre_fork", worker.number, worker.pid)


def child_exit(server, worker):
    _say("arbiter", "child_exit", worker.number, worker.status)


def nworkers_changed(server, new_value, old_value):
    _say("arbiter", "nworkers_changed", new_value, old_value)


def on_exit(server):
    _say("arbiter", "on_exit", len(server.workers))


def post_fork(server, worker):
    _say(f"worker {worker.number}", "post_fork", worker.pid == os.getpid(), server.pid == os.getppid())


def post_worker_init(worker):
    _say(f"worker {worker.number}", "post_worker_init")


def worker_int(worker):
    _say(f"worker {worker.number}", "worker_int")


def worker_abort(worker):
    _say(f"worker {worker.number}", "worker_abort")


def pre_request(worker, request):
    _say(f"worker {worker.number}", "pre_request", request.method, request.target.decode())


def post_request(worker, request, response):
    _say(f"worker {worker.number}", "post_request", request.target.decode(), response.status, response.sent)


def worker_exit(server, worker):
    _say(f"worker {worker.number}", "worker_exit", worker.pid == os.getpid(), server.pid == os.getppid())
"""

LIVES = {
    "arbiter": (
        "on_starting True",
        "pre_fork 1 0",
        "nworkers_changed 1 None",
        "when_ready 1",
        "on_reload True",
        "pre_fork 2 0",
        "child_exit 1 0",
        "child_exit 2 0",
        "on_exit 0",
    ),
    "worker 1": (
        "post_fork True True",
        "post_worker_init",
        "pre_request GET /first",
        "post_request /first 200 2",
        "worker_exit True True",
    ),
    "worker 2": ("post_fork True True", "post_worker_init", "worker_int", "worker_exit True True"),
}
"""What each process calls: for a start, a request, HUP, which puts worker 2 in the place of worker 1, and INT."""


@pytest.fixture
def hooked(folder: Path, serve: Serve) -> Callable[..., Any]:
    """Starts a server whose configuration has every hook."""
    (folder / "hooked.py").write_text(APPLICATION)
    (folder / "life.py").write_text(CONFIGURATION)
    return lambda *options: serve("hooked:wsgi", "-c", "life.py", *options)


def called(server: Any, process: str) -> tuple[str, ...]:
    """What this process has called so far."""
    start = f"hook in {process}: "
    return tuple(line.removeprefix(start) for line in server.lines if line.startswith(start))


def test_each_hook_is_called_in_its_turn(hooked: Any, ask: Any) -> None:
    with hooked() as server:
        server.wait_for_log("^hook .* when_ready")
        assert ask(server, target="/first").endswith(b"ok")
        server.wait_for_log("^hook .* post_request")
        server.signal(signal.SIGHUP)
        server.wait_for_log("^hook .* child_exit 1")
        server.signal(signal.SIGINT)
        assert server.process.wait(10) == 0
    assert {process: called(server, process) for process in LIVES} == LIVES


def test_a_stuck_worker_calls_its_hook_before_it_goes(hooked: Any) -> None:
    with hooked("--timeout", "2") as server, server.connect() as peer:
        peer.sendall(b"GET /hang HTTP/1.1\r\nHost: test\r\n\r\n")
        server.wait_for_log("^hook .* child_exit 1 1$")
    assert called(server, "worker 1") == (
        "post_fork True True",
        "post_worker_init",
        "pre_request GET /hang",
        "worker_abort",
    )


def test_no_hook_is_forgotten_here() -> None:
    elsewhere = {"worker_abort", "ssl_context"}  # below, and in the tests of TLS
    assert {*(call.split()[0] for calls in LIVES.values() for call in calls), *elsewhere} == set(LIFECYCLE)


def test_a_hook_that_fails_is_logged_and_the_server_goes_on(folder: Path, serve: Serve, ask: Any) -> None:
    (folder / "hooked.py").write_text(APPLICATION)
    names = [name for name in LIFECYCLE if name not in ("worker_abort", "ssl_context")]
    failing = "".join(f"def {name}(*arguments):\n    raise LookupError({name!r} + ' erred')\n" for name in names)
    (folder / "life.py").write_text(failing)
    with serve("hooked:wsgi", "-c", "life.py") as server:
        assert ask(server).endswith(b"ok")
        server.signal(signal.SIGHUP)
        server.wait_for_log("worker ready", 2)
        server.wait_for_log("exited with status 0")
        assert ask(server).endswith(b"ok")
        server.signal(signal.SIGINT)
        assert server.process.wait(10) == 0
    for name in names:
        assert any(f"LookupError: {name} erred" in line for line in server.lines), name


FORKING = """
import os
import signal
import time


def when_ready(server):
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    os.kill(pid, signal.SIGTERM)
    _, status = os.waitpid(pid, 0)
    os.write(2, f"the child ended with {status}\\n".encode())
"""


def test_what_a_child_of_a_hook_is_sent_is_not_for_the_server(serve: Serve, folder: Path, ask: Any) -> None:
    (folder / "forking.py").write_text(FORKING)
    with serve("app:wsgi", "-c", "forking.py") as server:
        assert server.wait_for_log("^the child ended with")[0].endswith(f" {signal.SIGTERM.value}")
        assert ask(server).startswith(b"HTTP/1.1 200 ")
        assert not [line for line in server.lines if "received" in line]
