"""`running_server`: a real server process on a port of its own, for tests of plugins and applications."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

STOP_SECONDS = 20.0


class RunningServer:
    """A server process, where it listens, and what it has logged."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.lines: list[str] = []
        """What it has written to standard error so far."""
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def workers(self) -> list[int]:
        """The process ids of the workers that live now (Linux)."""
        # A child that goes while the file is read can hide another one (proc(5)): two looks have to agree.
        before: list[int] | None = None
        while before != (now := self._children()):
            before = now
        return now

    def _children(self) -> list[int]:
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]

    def signal(self, number: signal.Signals) -> None:
        """Send the arbiter a signal."""
        self.process.send_signal(number)

    def connect(self, timeout: float = 10.0) -> socket.socket:
        """A new connection to the server."""
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def wait_for_log(self, pattern: str, count: int = 1, timeout: float = 20.0) -> list[str]:
        """Wait until ``count`` lines of the log match the regular expression, and return them.

        Raises AssertionError with the log if that does not happen in ``timeout`` seconds.
        """
        end = time.monotonic() + timeout
        with self._news:
            while True:
                found = [line for line in self.lines if re.search(pattern, line)]
                if len(found) >= count:
                    return found
                left = end - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    raise AssertionError(f"{pattern!r} was not logged {count} times:\n" + "\n".join(self.lines))
                self._news.wait(min(left, 0.5))

    def stop(self) -> int:
        """Stop it gracefully, and by force if that takes too long. The exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            status = self.process.wait()
        self._reader.join(STOP_SECONDS)
        return status

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._news.notify_all()
        self.process.stderr.close()
        with self._news:
            self._news.notify_all()


@contextlib.contextmanager
def running_server(
    app: str,
    *options: str,
    cwd: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    command: Sequence[str] = (sys.executable, "-m", "asteri"),
    wait: bool = True,
) -> Iterator[RunningServer]:
    """Serve ``app`` with ``options`` on a free port of 127.0.0.1 in a process of its own, until the block ends.

    With ``wait`` the block begins when the first workers are ready. Raises AssertionError with the log if that does
    not happen.
    """
    with socket.socket() as sock:
        # The port is ours before the server starts, so nobody else takes it and early connections wait in its queue.
        sock.bind(("127.0.0.1", 0))
        sock.listen(2048)
        process = subprocess.Popen(
            [*command, "--bind", f"fd://{sock.fileno()}", *options, app],
            pass_fds=[sock.fileno()],
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**os.environ, **(environ or {})},
            start_new_session=True,
        )
        server = RunningServer(process, sock.getsockname()[1])
    try:
        if wait:
            server.wait_for_log("worker ready")
        yield server
    finally:
        server.stop()
