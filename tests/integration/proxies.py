"""Real proxies in front of a real server: nginx and HAProxy, each a process with a configuration of its own."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ }}
http {{
    access_log off; client_max_body_size 0;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {inside}
}}
"""
HAPROXY = """
global
    log stderr format raw local0 warning
defaults
    log global
    timeout connect 10s
    timeout client 30s
    timeout server 30s
{inside}
"""


@contextlib.contextmanager
def free_ports(count: int) -> Iterator[list[int]]:
    """Ports of 127.0.0.1 that are kept from everybody but a proxy until the block ends.

    What is bound with SO_REUSEADDR and does not listen keeps the system from giving the port away, and lets those
    listen on it who say SO_REUSEADDR too, as nginx and HAProxy do.
    """
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", 0))
        yield [probe.getsockname()[1] for probe in probes]


@contextlib.contextmanager
def nginx(folder: Path, inside: str, ports: Sequence[int]) -> Iterator[None]:
    """Runs nginx with ``inside`` in its block ``http``, from when it listens on ``ports``."""
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, inside=inside))
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin") or "nginx"
    with _running([program, "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"], ports, folder / "error.log"):
        yield


@contextlib.contextmanager
def haproxy(folder: Path, inside: str, ports: Sequence[int]) -> Iterator[None]:
    """Runs HAProxy with the sections ``inside``, from when it listens on ``ports``."""
    (folder / "haproxy.cfg").write_text(HAPROXY.format(inside=inside))
    program = shutil.which("haproxy", path="/usr/sbin:/usr/bin") or "haproxy"
    with _running([program, "-db", "-f", f"{folder}/haproxy.cfg"], ports, folder / "output"):
        yield


@contextlib.contextmanager
def _running(command: Sequence[str], ports: Sequence[int], log: Path) -> Iterator[None]:
    with open(log, "ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        end = time.monotonic() + 30
        for port in ports:
            while not _listens(port):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.01)
        yield
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return False
    return True
