"""A plugin written by somebody else serves without a change to the kernel."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(120)

APPLICATION = """
import threading

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [threading.current_thread().name.encode()]
"""


@contextmanager
def serving(python: Path, folder: Path, *arguments: str) -> Iterator[tuple[str, int]]:
    """A server process of its own on a free port; gives the address that its log tells."""
    (folder / "application.py").write_text(APPLICATION)
    command = [python, "-m", "asteri", "--bind", "127.0.0.1:0", *arguments, "application:app"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines = []
    try:
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"127\.0\.0\.1:(\d+)", line):
                yield "127.0.0.1", int(found[1])
                break
        else:
            pytest.fail("the server did not start:\n" + "".join(lines))
        process.terminate()
        process.stderr.read()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def talk(address: tuple[str, int], data: bytes) -> bytes:
    """Send all of ``data``, then EOF, and read to the end."""
    with socket.create_connection(address, timeout=10) as peer:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: peer.recv(65536), b""))


REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def test_its_protocol_and_its_worker_serve_beside_ours(third_party_python: Path, tmp_path: Path) -> None:
    with serving(third_party_python, tmp_path, "--worker-class", "named") as address:
        assert talk(address, b"LINES\none\ntwo\n") == b"> one\n> two\n"
        answer = talk(address, REQUEST)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"a-third-party-worker" in answer


def test_its_setting_acts_from_the_command_line(third_party_python: Path, tmp_path: Path) -> None:
    with serving(third_party_python, tmp_path, "--lines-mark", "echo: ") as address:
        assert talk(address, b"LINES\none\n") == b"echo: one\n"


def test_it_can_be_disabled(third_party_python: Path, tmp_path: Path) -> None:
    with serving(third_party_python, tmp_path, "--disable-plugin", "lines") as address:
        assert talk(address, b"LINES\none\n").startswith(b"HTTP/1.1 400 ")


UPGRADE = REQUEST.replace(b"Connection: close", b"Connection: upgrade\r\nUpgrade: lines")


@pytest.mark.parametrize("worker", ["sync", "gthread", "asgi", "named"])
@pytest.mark.parametrize("colour", ["blocking", "async"])
def test_an_upgraded_connection_goes_on_in_its_protocol(
    third_party_python: Path, tmp_path: Path, worker: str, colour: str
) -> None:
    options = ("--worker-class", worker, "--interface", f"lines-{colour}")
    with serving(third_party_python, tmp_path, *options) as address:
        with socket.create_connection(address, timeout=10) as peer:
            peer.sendall(UPGRADE + b"at once\n")
            with peer.makefile("rb") as lines:
                head = list(iter(lines.readline, b"\r\n"))
                assert head[0] == b"HTTP/1.1 101 Switching Protocols\r\n"
                assert {b"connection: upgrade\r\n", b"upgrade: lines\r\n"} <= set(head)
                assert lines.readline() == b"> at once\n"
                peer.sendall(b"lat")
                peer.sendall(b"er\n")
                assert lines.readline() == b"> later\n"
                peer.shutdown(socket.SHUT_WR)
                assert lines.read() == b""
        assert talk(address, REQUEST).startswith(b"HTTP/1.1 426 ")


def test_it_is_listed_with_what_it_provides(third_party_python: Path, tmp_path: Path) -> None:
    command = [third_party_python, "-m", "asteri", "--plugin", "list"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "asteri-lines" in result.stdout
    assert "an echo of lines" in result.stdout
    assert "one request at a time, elsewhere" in result.stdout
