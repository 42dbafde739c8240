"""The client that a proxy names is the peer of its request alone, on both twins."""

from __future__ import annotations

from typing import Any

import pytest
from asteri_core.api import Failed, Peer, Started
from asteri_http.settings import HttpSettings

PROXY = Peer(("127.0.0.1", 5000), ("127.0.0.1", 80))
STRANGER = Peer(("192.0.2.1", 5000), ("192.0.2.2", 80))


def head(*fields: str) -> bytes:
    return "\r\n".join(["GET / HTTP/1.1", "Host: a", *fields, "", ""]).encode()


def ask(connection: Any, data: bytes) -> Any:
    connection.receive_data(data, 0.0)
    (event,) = connection.events()
    if isinstance(event, Failed):
        return event.error
    assert isinstance(event, Started)
    event.exchange.respond(200, [])
    event.exchange.send(b"", True)
    connection.data_to_send(0.0)
    connection.events()
    return event.exchange


def test_requests_of_one_connection_have_their_own_clients(implementation: Any) -> None:
    connection = implementation({HttpSettings: HttpSettings()})(PROXY, 0.0)
    for client, scheme in (("192.0.2.9", "https"), ("192.0.2.8", "http"), ("192.0.2.9", "https")):
        exchange = ask(connection, head(f"X-Forwarded-For: {client}", f"X-Forwarded-Proto: {scheme}"))
        assert (exchange.peer.address, exchange.peer.local) == ((client, 0), PROXY.local)
        assert (exchange.scheme, exchange.peer.scheme) == (scheme, scheme)
    exchange = ask(connection, head())
    assert (exchange.peer, exchange.scheme) == (PROXY, "http")


def test_the_same_head_of_another_peer_is_not_believed(implementation: Any) -> None:
    connect = implementation({HttpSettings: HttpSettings()})
    data = head("X-Forwarded-For: 192.0.2.9", "Forwarded: for=192.0.2.9")
    assert ask(connect(PROXY, 0.0), data).peer.address == ("192.0.2.9", 0)
    assert ask(connect(STRANGER, 0.0), data).peer == STRANGER
    assert ask(connect(PROXY, 0.0), data).peer.address == ("192.0.2.9", 0)


@pytest.mark.parametrize("field", ["X-Forwarded-For: evil", "X-Forwarded-Proto: evil", "Forwarded: evil"])
def test_what_cannot_be_understood_is_refused_before_anything_starts(implementation: Any, field: str) -> None:
    connection = implementation({HttpSettings: HttpSettings()})(PROXY, 0.0)
    error = ask(connection, head(field))
    assert error.status == 400
    sent = b"".join(connection.data_to_send(0.0))
    assert sent.startswith(b"HTTP/1.1 400 ")
    stranger = implementation({HttpSettings: HttpSettings()})(STRANGER, 0.0)
    assert ask(stranger, head(field)).peer == STRANGER
