"""How long a server takes from its command to its first answer.

    python benchmarks/startup.py [--repeat 20] [-- OPTIONS ...]

Each round spawns ``python -m asteri`` (or ``--command``) with one worker on a free port, connects until somebody
listens, and stops the clock when the answer to one request is whole. Options after ``--`` go to the server. What it
measures is the interpreter, the imports, the fork and the boot; on a busy machine it measures the machine.
"""

from __future__ import annotations

import argparse
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "3")])
    return [b"ok\\n"]
"""
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
LOOK = 0.001
"""Seconds between two attempts to connect."""
GIVE_UP = 20.0


def first_answer(command: list[str], folder: str) -> float:
    """Seconds from the start of the command to the end of the first answer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    begun = time.perf_counter()
    server = subprocess.Popen([*command, "--bind", f"127.0.0.1:{port}", "app:app"], cwd=folder, stderr=subprocess.PIPE)
    try:
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), GIVE_UP) as client:
                    client.sendall(REQUEST)
                    answer = b""
                    while piece := client.recv(4096):
                        answer += piece
            except ConnectionRefusedError:
                if server.poll() is not None or time.perf_counter() > begun + GIVE_UP:
                    raise
                time.sleep(LOOK)
                continue
            seconds = time.perf_counter() - begun
            if not answer.endswith(b"ok\n"):
                raise ValueError(f"not the expected answer: {answer!r}")
            return seconds
    finally:
        server.terminate()
        server.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--command", default=f"{shlex.quote(sys.executable)} -m asteri", help="what starts a server")
    parser.add_argument("options", nargs="*", help="options of the server")
    arguments = parser.parse_args()
    command = shlex.split(arguments.command) + arguments.options
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "app.py").write_text(APP)
        first_answer(command, folder)  # the first one compiles what is not compiled yet
        rounds = [first_answer(command, folder) for _ in range(arguments.repeat)]
    print(f"{' '.join(command)}: {arguments.repeat} rounds")
    print(f"min {min(rounds):.3f} s, median {statistics.median(rounds):.3f} s, max {max(rounds):.3f} s")


if __name__ == "__main__":
    main()
