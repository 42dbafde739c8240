"""The settings of processes act on a real server."""

from __future__ import annotations

import ast
import concurrent.futures
import os
import pwd
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Serve = Callable[..., Any]
ROOT = os.geteuid() == 0

PRIVILEGED = """
import asteri_core.executors.inline
import asteri_workers.sync
from app import wsgi
"""
"""Loaded before root is given up, because the tests may be installed where nobody else may read."""


def test_the_application_and_its_interface_are_those_named(serve: Serve, facts: Any) -> None:
    with serve("--interface", "wsgi", app="app:either") as server:
        assert "script name" in facts(server)
    with serve("--interface", "asgi", app="app:either") as server:
        assert "loop" in facts(server)


def test_there_are_as_many_workers_as_asked_for(serve: Serve) -> None:
    for options, environ, count in (
        (("--workers", "3"), {}, 3),
        ((), {"WEB_CONCURRENCY": "2"}, 2),
        (("--workers", "auto"), {}, len(os.sched_getaffinity(0))),
    ):
        with serve(*options, environ=environ) as server:
            server.wait_for_log("worker ready", count)
            assert len(server.workers()) == count


def test_the_worker_model_is_the_one_asked_for(serve: Serve, facts: Any) -> None:
    with serve("--worker-class", "sync") as server:
        assert facts(server)["threads"] == 1
    for name in ("gthread", "asgi"):  # both run it in a thread of its own
        with serve("--worker-class", name) as server:
            assert facts(server)["threads"] == 2


@pytest.mark.parametrize(("name", "threads"), [("sync", False), ("gthread", True), ("asgi", True)])
def test_the_application_is_told_of_threads_and_processes(serve: Serve, facts: Any, name: str, threads: bool) -> None:
    for workers in ("1", "2"):
        with serve("--worker-class", name, "--workers", workers) as server:
            assert facts(server)["multi"] == [threads, workers == "2"]


def test_threads_run_requests_at_the_same_time(serve: Serve, ask: Any) -> None:
    with serve("--threads", "2") as server, concurrent.futures.ThreadPoolExecutor() as pool:
        meetings = [pool.submit(ask, server, "GET /meet HTTP/1.1") for _ in range(2)]
        assert [meeting.result()[:12] for meeting in meetings] == [b"HTTP/1.1 200"] * 2


def test_preload_loads_the_application_once_and_shares_it(serve: Serve, facts: Any) -> None:
    with serve("--preload", "--workers", "2") as server:
        found = facts(server)
        assert found["loaded by"] == found["arbiter"] == server.pid
        assert found["frozen"] > 1000  # so that no collection writes to what is shared
    with serve("--workers", "2") as server:
        found = facts(server)
        assert found["loaded by"] == found["pid"] != server.pid


def test_a_daemon_leaves_its_terminal_and_its_starter_when_it_is_ready(folder: Path) -> None:
    path = folder / "app.sock"
    command = [sys.executable, "-m", "asteri", "-D", "--bind", f"unix:{path}", "--pid", "pid"]
    subprocess.run([*command, "app:wsgi"], cwd=folder, check=True, timeout=20, capture_output=True)
    arbiter = int((folder / "pid").read_text())
    descriptor = os.pidfd_open(arbiter)
    try:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(path))
            peer.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            found = ast.literal_eval(peer.recv(65536).partition(b"\r\n\r\n")[2].decode())
        assert found["arbiter"] == arbiter
        assert found["session"] not in (os.getsid(0), arbiter), "it could get a terminal again"
        assert os.readlink(f"/proc/{arbiter}/fd/0") == "/dev/null"
        again = subprocess.run([*command, "app:wsgi"], cwd=folder, timeout=20, capture_output=True, text=True)
        assert again.returncode == 1
        assert "belongs to the running process" in again.stderr
    finally:
        os.kill(arbiter, signal.SIGTERM)
        ended, _, _ = select.select([descriptor], [], [], 20)
        os.close(descriptor)
    assert ended, "the daemon does not end"
    assert not path.exists()
    assert not (folder / "pid").exists()


def test_a_daemon_that_cannot_boot_ends_its_starter_with_the_status_that_says_so(folder: Path) -> None:
    command = [sys.executable, "-m", "asteri", "-D", "--bind", "127.0.0.1:0", "--error-logfile", "log", "app:nothing"]
    ended = subprocess.run(command, cwd=folder, timeout=20, capture_output=True, text=True)
    assert ended.returncode == 4
    assert "error log" in ended.stderr
    assert "nothing" in (folder / "log").read_text()


def test_the_pid_file_names_the_arbiter_and_a_stale_one_is_taken_over(serve: Serve, folder: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (folder / "pid").write_text(f"{gone.pid}\n")
    with serve("--pid", "pid") as server:
        assert (folder / "pid").read_text() == f"{server.pid}\n"
    assert not (folder / "pid").exists()


@pytest.fixture
def public(folder: Path) -> Iterator[Path]:
    """The folder of the application where everybody may enter, but only its owner may write."""
    path = Path(tempfile.mkdtemp(prefix="asteri-"))
    path.chmod(0o755)
    shutil.copy(folder / "app.py", path)
    (path / "privileged.py").write_text(PRIVILEGED)
    yield path
    shutil.rmtree(path)


def test_workers_become_another_user_and_group_and_keep_their_logs(
    serve: Serve, facts: Any, ask: Any, public: Path
) -> None:
    if ROOT:
        user = pwd.getpwnam("daemon")
        name, uid, gid = user.pw_name, user.pw_uid, 54321
        groups = {str(one) for one in (*os.getgrouplist(name, gid), gid)}
    else:
        name, uid, gid = str(os.geteuid()), os.geteuid(), os.getegid()
        groups = {str(one) for one in os.getgroups()}
    log = public / "access.log"
    options = ("--chdir", str(public), "--preload", "--access-logfile", str(log), "--error-logfile", "error.log")
    sockets = ("--bind", "unix:app.sock", "--unix-user", name, "--unix-group", str(gid))
    with serve("--user", name, "--group", str(gid), *options, *sockets, app="privileged:wsgi", wait=False) as server:
        found = facts(server)
        assert set(found["uid"]) == {str(uid)}
        assert set(found["gid"]) == {str(gid)}
        assert set(found["groups"]) == groups
        assert Path(f"/proc/{server.pid}").stat().st_uid == os.geteuid()
        for path in (log, public / "error.log", public / "app.sock"):
            assert (path.stat().st_uid, path.stat().st_gid) == (uid, gid), path
        log.rename(public / "access.old")
        server.signal(signal.SIGUSR1)
        while not log.exists():
            assert server.process.poll() is None
        ask(server)
        assert server.stop() == 0
    assert log.read_text().count("\n") + (public / "access.old").read_text().count("\n") == 2
    assert "cannot reopen" not in (public / "error.log").read_text()


def test_the_mask_of_new_files_is_the_one_asked_for(serve: Serve, facts: Any, folder: Path) -> None:
    with serve("--umask", "027", "--access-logfile", "access.log") as server:
        assert facts(server)["umask"] == ["0027"]
    assert stat.S_IMODE((folder / "access.log").stat().st_mode) == 0o640


def test_the_directory_is_entered_before_the_application_is_loaded(serve: Serve, facts: Any, folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "app.py").rename(folder / "inner" / "app.py")
    with serve("--chdir", "inner") as server:
        assert facts(server)["cwd"] == str(folder / "inner")


def test_the_processes_bear_the_name(serve: Serve, facts: Any) -> None:
    with serve("--name", "figtree") as server:
        assert facts(server)["name"] == ["figtree"]
        assert Path(f"/proc/{server.pid}/comm").read_text() == "figtree\n"


def test_the_environment_is_set_before_the_application_is_loaded(serve: Serve, facts: Any, folder: Path) -> None:
    source = (folder / "app.py").read_text()
    (folder / "app.py").write_text("import os\nos.environ['ANSWER'] += '!'\n" + source)
    with serve("--env", "ANSWER=42") as server:
        assert facts(server)["answer"] == "42!"
