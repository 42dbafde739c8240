"""How a response that was cut ends: the client can always tell that it is not whole."""

from __future__ import annotations

import pytest
from asteri_core.api import RESET, Peer, Started
from asteri_http.settings import HttpSettings

PEER = Peer(("192.0.2.1", 50000), ("192.0.2.2", 80))


@pytest.mark.parametrize(
    ("request_", "headers", "reset"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", [], True),
        (b"GET / HTTP/1.0\r\n\r\n", [(b"content-length", b"100")], False),
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", [], False),
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", [(b"content-length", b"100")], False),
    ],
    ids=["until-close", "length-1.0", "chunked", "length-1.1"],
)
def test_a_response_that_ends_with_the_connection_is_cut_by_a_reset_and_others_by_their_framing(
    implementation, request_: bytes, headers: list[tuple[bytes, bytes]], reset: bool
) -> None:
    connection = implementation({HttpSettings: HttpSettings()})(PEER, 0.0)
    connection.receive_data(request_, 0.0)
    (started,) = connection.events()
    assert isinstance(started, Started)
    started.exchange.respond(200, headers)
    started.exchange.send(b"begun")
    sent = list(connection.data_to_send(0.0))
    started.exchange.abort()
    sent += connection.data_to_send(0.0)
    assert (sent[-1] is RESET) is reset
    assert b"\r\n0\r\n" not in b"".join(sent)


def test_nothing_sent_needs_no_reset(implementation) -> None:
    connection = implementation({HttpSettings: HttpSettings()})(PEER, 0.0)
    connection.receive_data(b"GET / HTTP/1.0\r\n\r\n", 0.0)
    (started,) = connection.events()
    started.exchange.respond(200, [])
    started.exchange.abort()
    (end,) = connection.data_to_send(0.0)
    assert end == b""
    assert end is not RESET
