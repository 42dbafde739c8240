"""TTIN, TTOU and WINCH change how many workers there are; USR1 follows a rotation of the logs. Nothing is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

Serve = Callable[..., Any]


def test_more_and_fewer_workers_are_asked_for_under_load(serve: Serve, load: Any) -> None:
    with serve("app:wsgi") as server, load(server.port) as running:
        for count in (2, 3):
            server.signal(signal.SIGTTIN)
            server.wait_for_log("worker ready", count)
        workers = server.workers()
        assert len(workers) == 3
        running.wait_for(60)
        server.signal(signal.SIGTTOU)
        server.wait_for_log("worker 1 .* exited with status 0")
        assert server.workers() == workers[1:]
        running.wait_for(20)
        running.stop()
        assert running.lost == []
        assert running.refused == []


def test_there_is_always_one_worker_left(serve: Serve, ask: Any) -> None:
    with serve("app:wsgi") as server:
        server.signal(signal.SIGTTOU)
        server.wait_for_log("can be from 1")
        assert len(server.workers()) == 1
        assert ask(server).startswith(b"HTTP/1.1 200")


def test_winch_drains_all_workers_while_new_peers_wait_for_the_next_one(serve: Serve) -> None:
    with serve("app:wsgi", "-w", "2") as server:
        server.wait_for_log("worker ready", 2)
        server.signal(signal.SIGWINCH)
        server.wait_for_log("exited with status 0", 2)
        assert server.workers() == []
        with server.connect() as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            server.signal(signal.SIGTTIN)
            assert peer.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        server.signal(signal.SIGHUP)
        server.wait_for_log("worker ready", 5)
        assert server.stop() == 0


def test_no_line_is_lost_when_logs_are_rotated_under_load(serve: Serve, model: Any, load: Any, folder: Path) -> None:
    log = folder / "access.log"
    logs = ("--access-logfile", str(log), "--access-logformat", "%({x-mark}i)s %(p)s")
    rotated = []
    with serve(model.app, *model.options, "-w", "2", *logs) as server:
        server.wait_for_log("worker ready", 2)
        with load(server.port) as running:
            for number in range(4):
                running.wait_for(30)
                rotated.append(folder / f"access.{number}")
                log.rename(rotated[-1])
                server.signal(signal.SIGUSR1)
                server.wait_for_log("SIGUSR1", number + 1)
            running.wait_for(100)
        assert server.stop() == 0
    assert running.lost == []
    lines = [line for path in (*rotated, log) for line in path.read_text().splitlines()]
    assert sorted(line.split()[0] for line in lines) == sorted(running.marks)
    # Each file was left by both workers, and the last one is used by both.
    last = {line.split()[1] for line in log.read_text().splitlines()}
    assert len(last) == 2


def test_the_error_log_is_reopened_by_the_arbiter_and_its_workers(serve: Serve, folder: Path, ends: Any) -> None:
    log = folder / "error.log"
    with serve("app:wsgi", "--error-logfile", str(log), wait=False) as server:
        while not log.exists() or "worker ready" not in log.read_text():
            assert server.process.poll() is None
        log.rename(folder / "error.old")
        server.signal(signal.SIGUSR1)
        while not log.exists():
            assert server.process.poll() is None
        [worker] = server.workers()
        wait = ends(worker)
        os.kill(server.pid, signal.SIGHUP)
        wait()
        text = log.read_text()
        assert "received SIGHUP" in text
        assert "worker ready" in text
        assert "SIGHUP" not in (folder / "error.old").read_text()
