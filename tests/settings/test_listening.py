"""The settings of sockets and connections act on a real server."""

from __future__ import annotations

import errno
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Serve = Callable[..., Any]
REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


def test_it_listens_wherever_it_is_told_to(serve: Serve, folder: Path, ask: Any) -> None:
    with serve("--bind", "unix:app.sock", "--bind", f"unix:@asteri-{os.getpid()}") as server:
        assert ask(server).startswith(b"HTTP/1.1 200 ")
        for path in (str(folder / "app.sock"), f"\0asteri-{os.getpid()}"):
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(path)
                peer.sendall(REQUEST)
                assert peer.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_the_backlog_limits_the_queue(serve: Serve, folder: Path) -> None:
    with serve("--bind", "unix:app.sock", "--backlog", "3") as server:
        [worker] = server.workers()
        os.kill(worker, signal.SIGSTOP)
        peers: list[socket.socket] = []
        try:
            for _ in range(50):
                peers.append(socket.socket(socket.AF_UNIX))
                peers[-1].setblocking(False)
                if peers[-1].connect_ex(str(folder / "app.sock")) == errno.EAGAIN:
                    break
        finally:
            os.kill(worker, signal.SIGCONT)
            for peer in peers:
                peer.close()
        assert len(peers) == 5, "a backlog of 3 lets 4 peers wait on Linux"


def test_several_servers_share_a_port(serve: Serve) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        probe.bind(("127.0.0.1", 0))  # not listening, so it gets no peers
        bind = ("--bind", f"127.0.0.1:{probe.getsockname()[1]}")
        with serve(*bind, "--reuse-port"), serve(*bind, "--reuse-port"):
            pass
        with serve(*bind, wait=False) as server:
            assert server.process.wait(10) == 1
            server.wait_for_log("in use")


def test_a_unix_socket_gets_its_mode_and_its_owner(serve: Serve, folder: Path) -> None:
    options = ["--bind", "unix:app.sock", "--unix-mode", "0606"]
    user, group = (7, 8) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    with serve(*options, "--unix-user", str(user), "--unix-group", str(group)):
        facts = (folder / "app.sock").stat()
        assert stat.S_IMODE(facts.st_mode) == 0o606
        assert (facts.st_uid, facts.st_gid) == (user, group)
    assert not (folder / "app.sock").exists()


def test_only_the_protocols_asked_for_are_spoken(serve: Serve, ask: Any) -> None:
    with serve("--http", "1") as server:
        assert ask(server).startswith(b"HTTP/1.1 200 ")
    with serve("--http", "9", wait=False) as server:
        assert server.process.wait(10) == 2
        server.wait_for_log("there is no protocol '9'")


def test_more_connections_than_a_worker_holds_wait_their_turn(serve: Serve) -> None:
    with serve("--worker-connections", "1") as server, server.connect() as first, server.connect(0.5) as second:
        first.sendall(REQUEST)
        assert first.recv(65536).startswith(b"HTTP/1.1 200 ")
        second.sendall(REQUEST)
        with pytest.raises(TimeoutError):
            second.recv(65536)
        first.close()
        second.settimeout(10)
        assert second.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_body_beyond_the_buffer_goes_to_a_file(serve: Serve, facts: Any) -> None:
    def spilled(size: int) -> bool:
        found = facts(server, "POST / HTTP/1.1", body=b"x" * size)
        assert found["length"] == size
        # A file without a name shows as its inode in the folder of temporary files.
        return any(name.endswith("(deleted)") for name in found["files"])

    with serve("--body-buffer", "100K") as server:
        assert not spilled(100 << 10)
        assert spilled((100 << 10) + 1)


def test_the_loop_is_the_one_asked_for(serve: Serve, facts: Any) -> None:
    for name, module in (("asyncio", "asyncio.unix_events"), ("uvloop", "uvloop")):
        with serve("--loop", name, app="app:asgi") as server:
            assert facts(server)["loop"] == module


def test_the_lifespan_is_run_as_asked_for(folder: Path) -> None:
    for mode, expected in (("auto", True), ("on", True), ("off", False)):
        output = folder / mode
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "asteri", "-b", "127.0.0.1:0", "--lifespan", mode, "app:asgi"],
                cwd=folder, stdout=file, stderr=subprocess.PIPE,
            )  # fmt: skip
            assert process.stderr is not None
            while b"worker ready" not in process.stderr.readline():
                assert process.poll() is None
            process.terminate()
            process.communicate()
        assert ("lifespan" in output.read_text()) == expected


def test_the_debug_extension_is_offered_when_asked_for(serve: Serve, facts: Any) -> None:
    for options, expected in (((), False), (("--asgi-debug",), True)):
        with serve(*options, app="app:asgi") as server:
            assert ("http.response.debug" in facts(server)["extensions"]) == expected


def test_only_trusted_peers_speak_uwsgi(serve: Serve, receive: Any) -> None:
    variables = b"".join(
        len(text).to_bytes(2, "little") + text
        for text in (b"REQUEST_METHOD", b"GET", b"REQUEST_URI", b"/", b"SERVER_PROTOCOL", b"HTTP/1.1")
    )
    packet = b"\0" + len(variables).to_bytes(2, "little") + b"\0" + variables
    for trusted, status in (("127.0.0.0/8", b"200"), ("192.0.2.0/24,unix", b"403")):
        with serve("--uwsgi-allow-ips", trusted) as server, server.connect() as peer:
            peer.sendall(packet)
            assert receive(peer).startswith(b"HTTP/1.1 " + status)
