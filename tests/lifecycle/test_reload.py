"""HUP: new workers take over from old ones under load, and no request is lost. A reload that fails changes nothing."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Serve = Callable[..., Any]
SECONDS_PER_ROUND = 10


@pytest.mark.timeout(60 + SECONDS_PER_ROUND * int(os.environ.get("SOAK_HUPS", "0")))
def test_no_request_is_lost_while_workers_are_replaced(
    serve: Serve, model: Any, load: Any, ends: Any, hups: int, capsys: Any
) -> None:
    with serve(model.app, *model.options, "-w", "2") as server:
        server.wait_for_log("worker ready", 2)
        with load(server.port) as running:
            for number in range(hups):
                wait = ends(*server.workers())
                server.signal(signal.SIGHUP)
                if number % 5 == 4:
                    # One reload on the heels of another: the workers of the first one are outdated while they boot.
                    server.wait_for_log("SIGHUP", number + number // 5 + 1)
                    server.signal(signal.SIGHUP)
                running.wait_for(20)
                wait(30)
            running.wait_for(50)
        assert server.stop() == 0
    with capsys.disabled():
        print(f"\n{model}: {hups} reloads: {running.report()}")
    assert running.lost == []
    assert running.refused == []
    assert len(running.pids) >= 2 * hups
    assert running.slowest < 8


def test_an_idle_connection_gets_one_more_answer_from_the_worker_that_is_replaced(
    serve: Serve, model: Any, ends: Any
) -> None:
    with serve(model.app, *model.options, "--keep-alive", "60") as server, server.connect() as peer:
        request = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
        peer.sendall(request)
        assert b"connection: close" not in peer.recv(65536).lower()
        wait = ends(*(old := server.workers()))
        shared = sockets(server.pid) & sockets(old[0])
        assert shared
        server.signal(signal.SIGHUP)
        end = time.monotonic() + 20
        while sockets(old[0]) & shared:  # it gives up the listening socket when it drains; the log is ahead of that
            assert time.monotonic() < end
            select.select([], [], [], 0.01)
        assert select.select([peer], [], [], 0.7)[0] == []  # the connection is not closed: it may bring a request
        peer.sendall(request)
        answer = peer.recv(65536)
        assert b"\r\nconnection: close" in answer.lower()
        assert answer.partition(b"\r\n\r\n")[2].startswith(b"%d " % old[0])
        assert peer.recv(65536) == b""
        wait()


def sockets(pid: int) -> set[str]:
    """The sockets that a process holds."""
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    return {name for name in found if name.startswith("socket:")}


def test_a_hang_up_from_a_terminal_leaves_workers_alone(serve: Serve, model: Any, ask: Any) -> None:
    with serve(model.app, *model.options) as server:
        [worker] = server.workers()
        os.kill(worker, signal.SIGHUP)
        for _ in range(3):
            assert ask(server).startswith(b"HTTP/1.1 200 ")
        assert server.workers() == [worker]
        assert server.stop() == 0


def test_a_reload_takes_over_changed_settings_and_changed_code(serve: Serve, folder: Path, ask: Any) -> None:
    settings = folder / "asteri.toml"
    settings.write_text('server_header = "before"\nworkers = 1\n')
    with serve("app:wsgi") as server:
        assert b"server: before\r\n" in ask(server)
        settings.write_text('server_header = "after"\nworkers = 2\n')
        source = (folder / "app.py").read_text()
        (folder / "app.py").write_text(source.replace("200 OK", "201 Created"))
        server.signal(signal.SIGHUP)
        server.wait_for_log("worker ready", 3)
        server.wait_for_log("worker 1 .* exited with status 0")
        assert len(server.workers()) == 2
        received = ask(server)
        assert received.startswith(b"HTTP/1.1 201 Created")
        assert b"server: after\r\n" in received


def test_an_address_that_is_given_up_refuses_at_once_while_its_last_requests_are_finished(folder: Path) -> None:
    settings = folder / "asteri.toml"
    settings.write_text('bind = "unix:first.sock"\nworker_class = "gthread"\nthreads = 2\n')
    with served_from(folder) as process, socket.socket(socket.AF_UNIX) as peer:
        wait_for(process, "worker ready")
        peer.connect(str(folder / "first.sock"))
        peer.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nX-Tell: it\r\nX-Until: go\r\n\r\n")
        wait_for(process, "running it")
        settings.write_text('bind = "unix:second.sock"\n')
        os.kill(process.pid, signal.SIGHUP)
        wait_for(process, "no longer listening on unix:first.sock")
        with socket.socket(socket.AF_UNIX) as late, pytest.raises((ConnectionRefusedError, FileNotFoundError)):
            late.connect(str(folder / "first.sock"))
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(str(folder / "second.sock"))
            other.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            assert other.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        peer.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.recv(65536)
        (folder / "go").touch()
        peer.settimeout(20)
        assert peer.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


BROKEN = {
    "a setting that does not exist": ("asteri.toml", "wokers = 3\n", "wokers"),
    "a value that is not valid": ("asteri.toml", "workers = 'many'\n", "workers"),
    "a file that is not TOML": ("asteri.toml", "workers = = 1\n", "asteri.toml"),
    "an application with a syntax error": ("app.py", "def wsgi(:\n", "SyntaxError"),
    "an application that fails at import": ("app.py", "raise RuntimeError('broken save')\n", "broken save"),
    "an application that is not there": ("app.py", "other = 1\n", "wsgi"),
}


@pytest.mark.parametrize(("name", "text", "logged"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_reload_keeps_the_old_workers_serving(
    serve: Serve, folder: Path, load: Any, name: str, text: str, logged: str
) -> None:
    (folder / "asteri.toml").write_text("workers = 2\n")
    with serve("app:wsgi") as server:
        server.wait_for_log("worker ready", 2)
        workers = set(server.workers())
        with load(server.port) as running:
            good = (folder / name).read_text()
            (folder / name).write_text(text)
            server.signal(signal.SIGHUP)
            server.wait_for_log(logged)
            server.wait_for_log("the reload failed|the workers from before it go on")
            running.wait_for(50)
            assert running.pids <= workers
            assert workers <= set(server.workers())
            (folder / name).write_text(good)
            server.signal(signal.SIGHUP)
            server.wait_for_log("worker ready", 4)
            running.wait_for(50)
        assert running.lost == []
        assert running.refused == []
        assert running.pids - workers, "the mended reload has brought new workers"


@contextlib.contextmanager
def served_from(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server whose address comes from the file, which the one on the command line would outrank."""
    command = [sys.executable, "-m", "asteri", "app:wsgi"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=20)


def wait_for(process: subprocess.Popen[bytes], text: str) -> None:
    """Read its log up to the line with the text."""
    assert process.stderr is not None
    while text.encode() not in (line := process.stderr.readline()):
        assert line, f"{text!r} was not logged"
