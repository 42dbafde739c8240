"""What the fuzz targets have found, each as a case with a number."""

from __future__ import annotations

import time

import pytest
from asteri_core.api import Finished, Peer
from asteri_http.settings import HttpSettings
from asteri_http1._native import Binding
from native_contract import through_contract

PEER = Peer(("192.0.2.1", 1), ("192.0.2.2", 80))


@pytest.mark.parametrize("room", [4, 5, 6, 7, 8])
@pytest.mark.parametrize("blocks", range(1, 9))
def test_1_the_end_is_told_with_the_last_piece_however_many_a_driver_has_room_for(blocks, room):
    """With just room enough for the pieces, it took one call more, and the time of an idle peer began late."""
    settings = HttpSettings(keep_alive=5)
    connection = through_contract(Binding(settings, time.time), room)(PEER, 0.0)
    connection.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0.0)
    exchange = connection.events()[0].exchange
    exchange.respond(200, [])
    for block in range(blocks):
        exchange.send(bytes(70000), block == blocks - 1)
    sent = 0
    while pieces := connection.data_to_send(10.0):
        sent += sum(map(len, pieces))
    assert sent > blocks * 70000
    assert connection.deadline() == 15.0
    assert [type(event) for event in connection.events()] == [Finished]
