"""A load generator that trusts nobody: every request is counted, and every answer is looked at.

    answered    the right status, the right content, complete
    refused     the server closed a connection that had been answered before without a byte of answer to the next
                request: it may have been idle for too long. The client asks again on a new connection
    lost        everything else: cut, wrong, too late, or no connection at all

Clients are threads with blocking sockets, so that what a client sees is what the system calls say, in their order.
Most keep their connection; every fourth one makes a new connection for each request.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from dataclasses import dataclass

TIMEOUT = 15.0
"""Seconds after which an answer is lost. A server that is asked for one answer each moment is never that slow."""

BODY = b"x" * 20000
PAUSES = (b"0", b"0", b"0.02", b"0", b"0")
"""Seconds for which the application pauses, in turn: so there is always a request that runs."""


@dataclass(frozen=True)
class Trouble:
    """A request without its answer."""

    when: float
    pid: int
    """The worker that has answered on this connection before, 0 when none has."""
    why: str


class NoAnswer(Exception):
    """The connection has ended, or worse. ``nothing`` says whether not a single byte came."""

    def __init__(self, why: str, nothing: bool) -> None:
        super().__init__(why)
        self.nothing = nothing


class Load:
    """Clients that ask ``port`` again and again while the block runs."""

    def __init__(self, port: int, clients: int = 8, pause: float = 0.01) -> None:
        self.answered = 0
        self.refused: list[Trouble] = []
        self.lost: list[Trouble] = []
        self.marks: set[str] = set()
        """The requests that have been answered; each is asked once."""
        self.pids: set[int] = set()
        """The workers that have answered."""
        self.slowest = 0.0
        """The longest time, in seconds, from a new connection to its first answer."""
        self._port = port
        self._pause = pause
        self._stopped = threading.Event()
        self._lock = threading.Condition()
        self._threads = [
            threading.Thread(target=self._run, args=(index, index % 4 == 3), daemon=True) for index in range(clients)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Let every request that has been sent get its answer, then end."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(2 * TIMEOUT)
            assert not thread.is_alive(), "a client hangs"

    def wait_for(self, answers: int, timeout: float = 30.0) -> None:
        """Wait until so many answers more have come."""
        with self._lock:
            wanted = self.answered + answers
            assert self._lock.wait_for(lambda: self.answered >= wanted, timeout), (
                f"{wanted - self.answered} of {answers} answers have not come in {timeout} seconds; "
                f"lost: {self.lost[:5]}"
            )

    def report(self) -> str:
        """The figures in one line."""
        return (
            f"{self.answered} answered, {len(self.refused)} refused, {len(self.lost)} lost, "
            f"slowest new connection {self.slowest:.3f} s, {len(self.pids)} workers"
        )

    def _run(self, index: int, visitor: bool) -> None:
        client = Client(self._port)
        for number in itertools.count():
            if self._stopped.wait(self._pause):
                break
            mark = b"%d-%d" % (index, number)
            while not self._ask(client, mark, number, visitor):
                if self._stopped.is_set():
                    return
            if visitor:
                client.close()
        client.close()

    def _ask(self, client: Client, mark: bytes, number: int, visitor: bool) -> bool:
        """One request; False when it has been refused and is to be repeated."""
        fresh, pid = not client.connected, client.pid if client.connected else 0
        begun = time.monotonic()
        try:
            client.ask(mark, BODY if number % 5 == 4 else b"", PAUSES[number % len(PAUSES)], visitor)
        except NoAnswer as error:
            trouble = Trouble(time.monotonic(), pid, str(error))
            client.close()
            with self._lock:
                (self.refused if error.nothing and not fresh else self.lost).append(trouble)
            return fresh or not error.nothing
        with self._lock:
            self.answered += 1
            self.marks.add(mark.decode())
            self.pids.add(client.pid)
            if fresh:
                self.slowest = max(self.slowest, time.monotonic() - begun)
            self._lock.notify_all()
        return True


class Client:
    """One keep-alive connection at a time."""

    def __init__(self, port: int) -> None:
        self.pid = 0
        """The worker of the last answer; of this connection while there is one."""
        self._port = port
        self._socket: socket.socket | None = None

    @property
    def connected(self) -> bool:
        return self._socket is not None

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def ask(self, mark: bytes, body: bytes = b"", pause: bytes = b"0", last: bool = False) -> None:
        """Send one request and check its answer. Raises `NoAnswer`."""
        if self._socket is None:
            try:
                self._socket = socket.create_connection(("127.0.0.1", self._port), TIMEOUT)
            except OSError as error:
                raise NoAnswer(f"no connection: {error}", True) from None
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = b"%b / HTTP/1.1\r\nHost: test\r\nX-Mark: %b\r\nX-Pause: %b\r\nContent-Length: %d\r\n%b\r\n" % (
            b"POST" if body else b"GET", mark, pause, len(body), b"Connection: close\r\n" if last else b"",
        )  # fmt: skip
        # A server that closes early may still have answered: what it said is read in any case.
        with contextlib.suppress(OSError):
            self._socket.sendall(head + body)
        status, fields, content = self._receive(mark)
        if status != b"200" or content.split()[1:] != [mark, b"%d" % len(body)]:
            raise NoAnswer(f"wrong answer {status!r} {content!r} to {mark!r}", False)
        self.pid = int(content.split()[0])
        if b"connection: close" in fields:
            self.close()

    def _receive(self, mark: bytes) -> tuple[bytes, bytes, bytes]:
        assert self._socket is not None
        data = b""
        while True:
            head, separator, content = data.partition(b"\r\n\r\n")
            if separator:
                fields = head.lower()
                length = int(fields.partition(b"content-length:")[2].split(b"\r\n")[0])
                if len(content) == length:
                    return head[9:12], fields, content
                if len(content) > length:
                    raise NoAnswer(f"more than was announced: {data!r}", False)
            try:
                piece = self._socket.recv(65536)
            except OSError as error:
                raise NoAnswer(f"{mark!r} after {len(data)} bytes: {error!r}", not data) from None
            if not piece:
                raise NoAnswer(f"{mark!r}: closed after {len(data)} bytes", not data)
            data += piece
