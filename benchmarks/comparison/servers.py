"""Starts a server on its cores and stops it with everything that it has started; builds the limits.

Its output goes to a file, whose end is shown when it does not start.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from . import usage
from .client import HOST, BadAnswer

FOLDER = Path(__file__).parents[1]
PATIENCE = 20.0
"""Seconds a server may take to listen."""
GRACE = 10.0
"""Seconds it may take to stop before it is killed."""
LOOK = 0.02


def build(source: str, folder: Path) -> Path | None:
    """Compile one of the programs of ``limit/`` into a folder. None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    program = folder / source.removesuffix(".c")
    subprocess.run([compiler, "-std=c11", "-O2", "-Wall", "-o", program, FOLDER / "limit" / source], check=True)
    return program


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for a day and its key, made by openssl."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def running(
    arguments: list[str], port: int, cores: set[int], processes: int = 1, environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Run a server on ``cores``, from when it listens and has so many processes. Gives the id of its first process.

    Raises `BadAnswer` when it does not start.
    """
    with tempfile.TemporaryFile() as output:
        server = subprocess.Popen(
            arguments,
            cwd=FOLDER / "apps",
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
            start_new_session=True,
        )
        try:
            try:
                _wait(server, port, processes)
            except BadAnswer as error:
                output.seek(0)
                last = output.read().decode(errors="replace").strip().splitlines()[-1:]
                raise BadAnswer(": ".join([str(error), *last])) from None
            yield server.pid
        finally:
            _stop(server)


def _wait(server: subprocess.Popen[bytes], port: int, processes: int) -> None:
    until = time.monotonic() + PATIENCE
    while not _listens(port) or len(usage.tree(server.pid)) < processes:
        if server.poll() is not None:
            raise BadAnswer(f"it ended with {server.returncode} instead of listening")
        if time.monotonic() > until:
            raise BadAnswer(f"it did not listen within {PATIENCE:.0f} s")
        time.sleep(LOOK)


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(GRACE)
    # Who is still there has either not stopped in time or lost its parent.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    until = time.monotonic() + GRACE
    while usage.tree(server.pid) and time.monotonic() < until:
        time.sleep(LOOK)
