"""An exchange without a protocol: what was asked is given, what is answered is kept.

It keeps the contract of `asteri_core.api.Exchange` to the letter, including would-block and the loss of the peer, so
that an interface or an executor can be tried at every edge. It is a double of the peer, not of the server.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import Disconnected, LocalProtocolError
from ..sansio.connection import AnyConnection, FileSlice, Header, Peer, Sendable, Want


class MemoryExchange:
    """One request with the given facts. ``body`` pieces are read one by one; None among them means would-block once."""

    def __init__(
        self,
        method: str = "GET",
        target: bytes = b"/",
        headers: Sequence[Header] = (),
        pieces: Sequence[bytes | None] = (),
        version: str = "1.1",
    ) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.scheme = "http"
        self.headers = [(b"host", b"example.org"), *headers]
        self.peer = Peer(("192.0.2.1", 40000), ("192.0.2.2", 80))
        self.protocol = b""
        self.expects_continue = False
        self.status = 0
        self.response_headers: Sequence[Header] = ()
        self.sent = 0
        self.body: Any = None
        # What the HTTP interfaces read besides the contract.
        self.authority = b"example.org"
        self.raw_path, _, self.query = target.partition(b"?")
        self.has_body = bool(pieces)
        self.content_length: int | None = None
        self.trailers: list[Header] = []
        # What has become of it.
        self.reason = b""
        self.content = b""
        self.interim: list[tuple[int, Sequence[Header]]] = []
        self.response_trailers: Sequence[Header] = ()
        self.complete = False
        self.aborted = False
        self.blocked = False
        """Set to make `send` ask for patience; `unblock` ends that."""
        self._pieces = deque(pieces)
        self._gone = False
        self._head_sent = False
        self._watchers: list[tuple[Want, Callable[[], None]]] = []

    def read(self) -> bytes | None:
        if self._gone and not self._pieces:
            raise Disconnected("the peer has left")
        return self._pieces.popleft() if self._pieces else b""

    def respond(self, status: int, headers: Sequence[Header], reason: bytes = b"") -> None:
        self._check()
        if self.status:
            raise LocalProtocolError("a second response head")
        self.status, self.response_headers, self.reason = status, list(headers), reason

    def retract(self) -> bool:
        if not self._head_sent:
            self.status, self.response_headers = 0, ()
        return not self._head_sent

    def inform(self, status: int, headers: Sequence[Header]) -> None:
        self._check()
        self.interim.append((status, headers))

    def send(self, data: Sendable, end: bool = False) -> bool:
        self._check()
        if not self.status:
            raise LocalProtocolError("content before the response head")
        self._head_sent = True
        if isinstance(data, FileSlice):
            data = os.pread(data.file.fileno(), data.length, data.offset)
        self.content += bytes(data)
        self.sent = len(self.content)
        if end:
            self.finish()
        return not self.blocked

    def finish(self, trailers: Sequence[Header] = ()) -> None:
        self._check()
        self.response_trailers = trailers
        self._head_sent = True
        self.complete = True
        self._wake()

    def upgrade(self, connection: AnyConnection, headers: Sequence[Header] = ()) -> AnyConnection:
        raise LocalProtocolError("this exchange cannot be upgraded")

    def abort(self) -> None:
        if not self.complete:
            self.aborted = True
            self._wake()

    def watch(self, want: Want, callback: Callable[[], None]) -> bool:
        over = self.complete or self.aborted or self._gone
        if want is Want.READ or over or (want is Want.WRITE and not self.blocked):
            return True
        self._watchers.append((want, callback))
        return False

    def leave(self) -> None:
        """The peer leaves: reading, sending and waiting are over."""
        self._gone = True
        self._wake()

    def unblock(self) -> None:
        """The peer has taken what was sent."""
        self.blocked = False
        self._wake()

    @property
    def over(self) -> bool:
        """Whether the handler has brought the exchange to an end."""
        return self.complete or self.aborted

    def _check(self) -> None:
        if self._gone or self.aborted:
            raise Disconnected("the peer has left")
        if self.complete:
            raise LocalProtocolError("the response is complete already")

    def _wake(self) -> None:
        watchers, self._watchers = self._watchers, []
        for _, callback in watchers:
            callback()
