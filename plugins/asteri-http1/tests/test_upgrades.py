"""A request whose client asks for another protocol that is installed is handed over, and never begins here."""

from __future__ import annotations

from typing import Any

import pytest
from asteri_core.api import Peer, Started, Switched
from asteri_http.settings import HttpSettings

PEER = Peer(("192.0.2.1", 1), ("192.0.2.2", 80))
SUCCESSOR: Any = object()


def head(*fields: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} / HTTP/1.1", "Host: a", *fields, "", ""]).encode()


ASKS = ("Connection: Upgrade, X", "Upgrade: Other")


@pytest.fixture
def talk(implementation: Any) -> Any:
    """The connection, and what was asked of the other protocol."""
    asked: list[Any] = []

    def upgrade(exchange: Any, now: float) -> Any:
        asked.append((exchange.method, exchange.protocol, now))
        return SUCCESSOR if exchange.raw_path == b"/" else None

    binding = implementation({HttpSettings: HttpSettings()})
    if not hasattr(binding, "upgrades"):
        pytest.fail("there is nothing to hand a request over")
    binding.upgrades = {b"other": upgrade}
    return binding(PEER, 0.0), asked


def test_it_is_answered_101_and_switched_with_what_came_behind_it(talk: Any) -> None:
    connection, asked = talk
    connection.receive_data(head(*ASKS) + b"behind", 5.0)
    events = list(connection.events())
    sent = b"".join(connection.data_to_send(5.0))
    events += connection.events()
    assert sent.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"\r\nupgrade: Other\r\n" in sent
    assert events == [Switched(SUCCESSOR, b"behind")]
    assert asked == [("GET", b"other", 5.0)]


@pytest.mark.parametrize(
    "data",
    [
        head(),
        head("Upgrade: other"),
        head("Connection: upgrade", "Upgrade: unknown"),
        head(*ASKS).replace(b"GET / ", b"GET /declined "),
        head(*ASKS, "Content-Length: 1", method="POST") + b"x",
    ],
    ids=["plain", "not-of-the-connection", "unknown", "declined", "with-a-body"],
)
def test_any_other_request_begins_here(talk: Any, data: bytes) -> None:
    connection, _ = talk
    connection.receive_data(data, 5.0)
    [event] = connection.events()
    assert isinstance(event, Started)
    event.exchange.respond(200, [])
    event.exchange.send(b"here", True)
    assert b"".join(connection.data_to_send(5.0)).endswith(b"here")


def test_nothing_ends_that_has_not_begun(talk: Any) -> None:
    connection, _ = talk
    connection.receive_data(head(*ASKS), 5.0)
    connection.lost(6.0)
    assert list(connection.events()) == []
