"""Workers that die: others answer, new ones come, and what is lost is what the dead one held. Crash loops slow down."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Serve = Callable[..., Any]
CLIENTS = 8
SECONDS_PER_KILL = 10


@pytest.mark.timeout(60 + SECONDS_PER_KILL * int(os.environ.get("SOAK_KILLS", "0")))
@pytest.mark.parametrize("workers", [1, 2])
def test_a_kill_loses_at_most_what_the_worker_held(
    serve: Serve, model: Any, load: Any, kills: int, workers: int, capsys: Any
) -> None:
    killed = []
    with serve(model.app, *model.options, "-w", str(workers)) as server:
        server.wait_for_log("worker ready", workers)
        with load(server.port, clients=CLIENTS) as running:
            for number in range(kills):
                # All that were started before are up, and have answered long enough not to be taken for a crash loop.
                alive_since = time.monotonic()
                while time.monotonic() < alive_since + 1.2:
                    running.wait_for(5)
                victim = random.choice(server.workers())
                killed.append(victim)
                os.kill(victim, signal.SIGKILL)
                server.wait_for_log("worker ready", workers + number + 1)
            running.wait_for(50)
        assert server.stop() == 0
    with capsys.disabled():
        print(f"\n{model}, {workers} workers: {kills} kills: {running.report()}")
    troubles = running.lost + running.refused
    # Who had been answered on its connection before knows whose it was; who had not may have been with the dead one.
    assert {trouble.pid for trouble in troubles} <= {0, *killed}
    assert len(troubles) <= CLIENTS * kills
    assert all("wrong" not in trouble.why and "no connection" not in trouble.why for trouble in troubles)
    assert running.slowest < 8


def test_a_worker_that_is_killed_while_it_is_the_only_one_leaves_the_queue_open(
    serve: Serve, ends: Any, ask: Callable[..., bytes]
) -> None:
    with serve("app:wsgi") as server:
        ask(server)  # who answers has told the arbiter that it is ready: its end is no failure to boot
        [victim] = server.workers()
        wait = ends(victim)
        os.kill(victim, signal.SIGSTOP)  # so that it accepts none of the peers that come now
        peers = [server.connect() for _ in range(20)]
        for peer in peers:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        os.kill(victim, signal.SIGKILL)
        wait()
        for peer in peers:
            with peer:
                assert peer.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


CRASH = """
import os

def app(environ, start_response):
    os._exit(7)
"""


def test_a_crash_loop_slows_down_and_a_mended_application_is_served_at_once(serve: Serve, folder: Path) -> None:
    (folder / "crash.py").write_text(CRASH)
    with serve("crash:app", wait=False) as server:
        begun = time.monotonic()
        for number in range(1, 5):
            # Asked before the next worker is there, so that it ends right after it was ready: one that lives for a
            # second has not failed.
            ask_and_lose(server)
            server.wait_for_log("workers fail", number)
        # 0.5 + 1 + 2 seconds between the attempts
        assert 3.4 < time.monotonic() - begun < 15
        found = server.wait_for_log("workers fail", 4)
        delays = [re.search(r"starts in ([\d.]+) seconds", line) for line in found]
        assert [delay and delay[1] for delay in delays] == ["0.5", "1", "2", "4"]
        (folder / "crash.py").write_text((folder / "app.py").read_text() + "\napp = wsgi\n")
        mended = time.monotonic()
        server.signal(signal.SIGHUP)
        with server.connect() as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            assert peer.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        assert time.monotonic() - mended < 3


def ask_and_lose(server: Any) -> None:
    with server.connect() as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        try:
            assert peer.recv(65536) == b""
        except ConnectionResetError:
            return


NO_BOOT = {
    "no such module": ("nowhere:app", "", 4),
    "no such attribute": ("broken:other", "", 4),
    "fails at import": ("broken:app", "raise RuntimeError('broken')", 4),
    "syntax error": ("broken:app", "def app(:", 4),
    "no known interface": ("broken:app", "app = 5", 4),
    "ends the process": ("broken:app", "import os\nos._exit(9)", 3),
    "is killed": ("broken:app", "import os\nos.kill(os.getpid(), 9)", 3),
    "refuses in lifespan": (
        "broken:app",
        "async def app(scope, receive, send):\n"
        "    await send({'type': 'lifespan.startup.failed', 'message': 'no database'})",
        3,
    ),
}


@pytest.mark.parametrize(("app", "source", "status"), NO_BOOT.values(), ids=NO_BOOT.keys())
def test_a_server_whose_first_worker_cannot_boot_ends(
    serve: Serve, folder: Path, app: str, source: str, status: int
) -> None:
    (folder / "broken.py").write_text(source)
    with serve(app, "-w", "2", wait=False) as server:
        assert server.process.wait(15) == status


def test_workers_finish_what_runs_and_go_when_the_arbiter_is_killed(serve: Serve, model: Any, ends: Any) -> None:
    with serve(model.app, *model.options, "-w", "2") as server:
        server.wait_for_log("worker ready", 2)
        with server.connect() as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nX-Pause: 0.5\r\n\r\n")
            wait = ends(*server.workers())
            server.process.kill()
            answer = b""
            while piece := peer.recv(65536):
                answer += piece
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        wait(10)
        server.process.wait()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), 1)
