"""What is attacked: protocol, implementation and worker model, and a real server process of each.

The next protocols add themselves to `PROTOCOLS`; the ids of the tests follow.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
from asteri_core.testing import RunningServer, running_server

from .wire import Client, Response

HERE = Path(__file__).parents[1]

PROTOCOLS = ("h1",)
OVER_TLS = {"h1s": "", "h2s": "h2"}
"""The same bytes over TLS, in records; and the protocol that a client names by ALPN."""
IMPLEMENTATIONS: dict[str, dict[str, str]] = {"py": {"ASTERI_IMPL": "python"}, "c": {"ASTERI_IMPL": "native"}}
"""Test id, and the environment that forces the implementation."""
MODELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "sync": ("attacking.app:wsgi", ("-k", "sync")),
    "asgi": ("attacking.app:asgi", ("-k", "asgi")),
    "gthread": ("attacking.app:wsgi", ("-k", "gthread", "--threads", "4")),
    "uvloop": ("attacking.app:asgi", ("-k", "asgi", "--loop", "uvloop")),
    "sync_runs_asgi": ("attacking.app:asgi", ("-k", "sync")),
    "asgi_runs_wsgi": ("attacking.app:wsgi", ("-k", "asgi", "--threads", "4")),
}
"""Worker models: the application that runs on it, and the options. The last two go over the kernel's bridges."""


@dataclass(frozen=True)
class Target:
    protocol: str
    implementation: str
    model: str

    @property
    def interface(self) -> str:
        """``wsgi`` or ``asgi``."""
        return MODELS[self.model][0].partition(":")[2]

    def __str__(self) -> str:
        return f"{self.protocol}-{self.implementation}-{self.model}"


def targets(*models: str, protocols: Sequence[str] = PROTOCOLS) -> list[Target]:
    """Every protocol and implementation on each of the worker models."""
    return [Target(*parts) for parts in itertools.product(protocols, IMPLEMENTATIONS, models)]


def tls_context(authority: trustme.CA, alpn: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if alpn:
        context.set_alpn_protocols([alpn])
    return context


class Attacked:
    """A running server, and what its application saw."""

    def __init__(
        self, target: Target, server: RunningServer, record: Path, authority: trustme.CA | None = None
    ) -> None:
        """``authority`` is there where the server speaks TLS."""
        self.target = target
        self.server = server
        self.pids = server.workers()
        self._record = record.open("rb")
        self._begun = b""
        self._release = Path(f"{record}.release")
        self._tls = tls_context(authority, OVER_TLS[target.protocol]) if authority is not None else None
        self._tls_of_http1 = tls_context(authority, "") if authority is not None else None
        self._barriers = itertools.count()
        self._checked = 0

    def client(self, timeout: float = 10.0, receive_buffer: int = 0) -> Client:
        return Client(self.server.port, timeout, receive_buffer, self._tls)

    def get(self, target: str = "/echo") -> Response:
        """A good request of its own."""
        with Client(self.server.port, tls=self._tls_of_http1) as client:
            client.send(b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % target.encode())
            return client.response()

    def records(self) -> list[dict[str, Any]]:
        """What the application has seen and done since the last call, up to now.

        A request made last is a barrier: a connection accepted before it, and bytes sent before it, have been looked
        at when it is answered.
        """
        last = f"GET /barrier-{next(self._barriers)}"
        assert self.get(last.partition(" ")[2]).status == 200
        # Another thread of the worker may be in the middle of a record.
        *lines, self._begun = (self._begun + self._record.read()).split(b"\n")
        records = [json.loads(line) for line in lines]
        return [record for record in records if "/barrier-" not in record["seen"]]

    def seen(self) -> list[tuple[str, bytes]]:
        """The whole requests, with their bodies, that the application has seen since the last call."""
        return [
            (record["seen"], record["body"].encode("latin-1"))
            for record in self.records()
            if record["kind"] == "request"
        ]

    def release(self) -> None:
        """Let the requests of ``/hang`` go on, now and later."""
        self._release.touch()

    def hold(self) -> None:
        """Let the requests of ``/hang`` wait."""
        self._release.unlink(missing_ok=True)

    def descriptors(self) -> int:
        """How many the worker has open."""
        return len(os.listdir(f"/proc/{self.pids[0]}/fd"))

    def holdings(self) -> tuple[int, int, int]:
        """Descriptors, threads and child processes of the worker."""
        process = f"/proc/{self.pids[0]}"
        threads = os.listdir(f"{process}/task")
        children = [Path(f"{process}/task/{thread}/children").read_text().split() for thread in threads]
        return self.descriptors(), len(threads), sum(map(len, children))

    def processor_time(self) -> float:
        """Seconds that the worker's threads have run."""
        tasks = Path(f"/proc/{self.pids[0]}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def check_alive(self) -> None:
        """The worker processes are the ones of the beginning, and no connection had to be given up for a defect."""
        lines = self.server.lines
        assert self.server.workers() == self.pids, "\n".join(lines[-40:])
        count = len(lines)
        defects = [line for line in lines[self._checked : count] if "connection has failed" in line]
        assert defects == [], "\n".join(lines[-40:])
        self._checked = count

    def close(self) -> None:
        self._record.close()


@contextlib.contextmanager
def attacked(target: Target, folder: Path, *options: str) -> Iterator[Attacked]:
    """A server of ``target``; files go to ``folder``."""
    app, model = MODELS[target.model]
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "record"
    record.touch()
    environ = {
        "ATTACKS_RECORD": str(record),
        "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
        **IMPLEMENTATIONS[target.implementation],
    }
    authority = None
    if target.protocol in OVER_TLS:
        authority = trustme.CA()
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
        options = ("--certfile", "server.pem", *options)
    with running_server(app, *model, *options, cwd=folder, environ=environ) as server:
        attack = Attacked(target, server, record, authority)
        try:
            yield attack
            attack.check_alive()
        finally:
            attack.close()
