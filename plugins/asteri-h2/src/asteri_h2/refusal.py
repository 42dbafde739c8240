"""A peer that may not speak HTTP/2 in cleartext: it is told so in the way that a client of HTTP/2 understands."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from asteri_core.api import Event, Failed, Peer, RemoteProtocolError, Sendable

HTTP_1_1_REQUIRED = 0xD
"""RFC 9113 section 7."""
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
GOAWAY = b"\0\0\x08\x07\0\0\0\0\0" + struct.pack("!II", 0, HTTP_1_1_REQUIRED)


class Refusal:
    """Says HTTP_1_1_REQUIRED and closes. No request was taken, so a client may try again."""

    wants_data = False

    def __init__(self, peer: Peer) -> None:
        self.wake: Callable[[], None] = _nothing
        self.peer = peer
        self._events: list[Event] = [
            Failed(RemoteProtocolError("HTTP/2 without TLS, from a peer that is not one of h2c_allow_ips"))
        ]
        self._sent = False

    def receive_data(self, data: bytes, now: float) -> None:
        """Not looked at."""

    def receive_eof(self, now: float) -> None:
        """The end comes anyway."""

    def lost(self, now: float) -> None:
        self._sent = True

    def events(self) -> Sequence[Event]:
        events, self._events = self._events, []
        return events

    def data_to_send(self, now: float) -> Sequence[Sendable]:
        if self._sent:
            return ()
        self._sent = True
        return (SETTINGS + GOAWAY, b"")

    def deadline(self) -> None:
        return None

    def expire(self, now: float) -> None:
        """There is no deadline."""

    def drain(self, until: float, now: float) -> None:
        """It ends anyway."""


def _nothing() -> None:
    """Nobody has to be woken: it changes nothing by itself."""
