"""What another thread sees of an exchange: always the real one's attributes, also those the kernel does not know."""

from __future__ import annotations

import pytest
from asteri_core.errors import Disconnected
from asteri_core.executors.shared import SharedExchange
from asteri_core.reactor import Reactor
from asteri_core.testing.exchange import MemoryExchange


class OddExchange(MemoryExchange):
    """An exchange with a public attribute of its own."""

    flavour = "odd"


@pytest.fixture
def reactor():
    reactor = Reactor()
    yield reactor
    reactor.close()


def test_an_attribute_is_read_anew_each_time(reactor):
    exchange = MemoryExchange()
    shared = SharedExchange(exchange, reactor)
    assert shared.status == 0
    shared.respond(201, [])
    assert shared.status == 201
    shared.send(b"abc", True)
    assert shared.sent == exchange.sent == 3


def test_attributes_belong_to_the_exchange_and_not_to_the_one_before(reactor):
    one, other = SharedExchange(OddExchange(), reactor), SharedExchange(MemoryExchange(), reactor)
    for _ in range(2):
        assert one.flavour == "odd"
        with pytest.raises(AttributeError, match="flavour"):
            _ = other.flavour
    first, second = MemoryExchange(), MemoryExchange()
    first.method, second.method = "GET", "PUT"
    assert [SharedExchange(each, reactor).method for each in (first, second)] == ["GET", "PUT"]


def test_a_detached_exchange_takes_nothing_more(reactor):
    exchange = MemoryExchange()
    shared = SharedExchange(exchange, reactor)
    shared.detach()
    with pytest.raises(Disconnected):
        shared.respond(200, [])
    assert shared.status == exchange.status == 0
