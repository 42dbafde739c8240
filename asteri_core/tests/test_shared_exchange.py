"""What another thread sees of an exchange: the real one's attributes, and its operations under the reactor's lock."""

from __future__ import annotations

import gc
import time
import weakref
from typing import Any

import asteri_native._executors as native
import pytest
from asteri_core.api import LocalProtocolError, Want
from asteri_core.errors import Disconnected
from asteri_core.executors import shared as python
from asteri_core.testing.exchange import MemoryExchange


@pytest.fixture(params=[python.SharedExchange, native.SharedExchange], ids=["py", "c"])
def shared_type(request: pytest.FixtureRequest) -> Any:
    return request.param


class Lock:
    """A lock that knows whether it is held."""

    def __init__(self) -> None:
        self.depth = 0

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1


class Reactor:
    """Writes down what is asked of it, and of the exchange."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.clock = time.monotonic
        self.record: list[str] = []
        self.broken = False

    def note(self, name: str) -> None:
        self.record.append(name if self.lock.depth == 1 else f"{name} without the lock")

    def flush(self) -> None:
        self.note("flush")
        if self.broken:
            raise OSError("the reactor is broken")


class Noted(MemoryExchange):
    """Writes down what is asked of it."""

    def __init__(self, reactor: Reactor, **facts: Any) -> None:
        super().__init__(**facts)
        self.reactor = reactor

    def __getattribute__(self, name: str) -> Any:
        if name in ("read", "respond", "retract", "inform", "send", "finish", "upgrade", "abort", "watch"):
            object.__getattribute__(self, "reactor").note(name)
        return super().__getattribute__(name)

    def upgrade(self, connection: Any, headers: Any = ()) -> None:
        """The one of `MemoryExchange` raises."""


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


def nothing() -> None:
    """A callback."""


OPERATIONS: dict[str, tuple[tuple[Any, ...], list[str]]] = {
    "read": ((), ["read"]),
    "respond": ((200, ()), ["respond"]),
    "retract": ((), ["retract"]),
    "inform": ((103, ()), ["inform", "flush"]),
    "send": ((b"abc",), ["send", "flush"]),
    "finish": ((), ["finish", "flush"]),
    "upgrade": ((None,), ["upgrade", "flush"]),
    "abort": ((), ["abort", "flush"]),
    "watch": ((Want.READ, nothing), ["watch"]),
}
"""Each with its arguments, and what is to be seen of it."""


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_done_under_the_lock_and_what_it_leaves_is_sent(
    shared_type: Any, reactor: Reactor, name: str
) -> None:
    exchange = Noted(reactor)
    exchange.status = 0 if name == "respond" else 200
    arguments, record = OPERATIONS[name]
    getattr(shared_type(exchange, reactor), name)(*arguments)
    assert (reactor.record, reactor.lock.depth) == (record, 0)


def test_a_read_that_would_block_sends_what_lets_the_peer_go_on(shared_type: Any, reactor: Reactor) -> None:
    shared = shared_type(Noted(reactor, pieces=(None, b"abc")), reactor)
    assert (shared.read(), shared.read(), shared.read()) == (None, b"abc", b"")
    assert reactor.record == ["read", "flush", "read", "read"]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        *[(name, Disconnected) for name in ("read", "respond", "inform", "send", "finish", "upgrade")],
        *[("retract", False), ("watch", True), ("abort", None)],
    ],
)
def test_a_detached_exchange_takes_nothing_more(shared_type: Any, reactor: Reactor, name: str, answer: Any) -> None:
    shared = shared_type(Noted(reactor), reactor)
    assert shared.detached is False
    shared.detach()
    assert shared.detached is True
    arguments, _ = OPERATIONS[name]
    if answer is Disconnected:
        with pytest.raises(Disconnected, match="the request has been ended by the server"):
            getattr(shared, name)(*arguments)
    else:
        assert getattr(shared, name)(*arguments) is answer
    assert (reactor.record, reactor.lock.depth, shared.status) == ([], 0, 0)


@pytest.mark.parametrize(("name", "record"), [("send", ["send", "flush"]), ("respond", ["respond"])])
def test_what_an_operation_raises_comes_through(
    shared_type: Any, reactor: Reactor, name: str, record: list[str]
) -> None:
    exchange = Noted(reactor)
    exchange.complete = True
    with pytest.raises(LocalProtocolError, match="complete already"):
        getattr(shared_type(exchange, reactor), name)(*OPERATIONS[name][0])
    assert (reactor.record, reactor.lock.depth) == (record, 0)


def test_an_error_of_sending_names_the_one_before(shared_type: Any, reactor: Reactor) -> None:
    exchange = Noted(reactor)
    reactor.broken = True
    with pytest.raises(OSError, match="broken") as caught:
        shared_type(exchange, reactor).send(b"without a head")
    assert isinstance(caught.value.__context__, LocalProtocolError)
    assert reactor.lock.depth == 0


def test_arguments_may_be_named(shared_type: Any, reactor: Reactor) -> None:
    exchange = MemoryExchange()
    shared = shared_type(exchange, reactor)
    shared.respond(status=200, headers=[(b"a", b"b")], reason=b"Fine")
    assert shared.send(data=b"abc", end=False) is True
    shared.finish(trailers=[(b"c", b"d")])
    assert (exchange.reason, exchange.content, exchange.response_trailers) == (b"Fine", b"abc", [(b"c", b"d")])


@pytest.mark.parametrize("arguments", [(), (1, 2, 3, 4), (1, 2, 3, 4, 5, 6, 7)])
def test_a_wrong_number_of_arguments_is_refused(shared_type: Any, reactor: Reactor, arguments: tuple[int, ...]) -> None:
    with pytest.raises(TypeError):
        shared_type(MemoryExchange(), reactor).respond(*arguments)
    assert reactor.lock.depth == 0


def test_an_attribute_is_read_anew_each_time(shared_type: Any, reactor: Reactor) -> None:
    exchange = MemoryExchange()
    shared = shared_type(exchange, reactor)
    assert shared.status == 0
    shared.respond(201, [])
    assert shared.status == 201
    shared.send(b"abc", True)
    assert shared.sent == exchange.sent == 3


class OddExchange(MemoryExchange):
    """An exchange with a public attribute of its own."""

    flavour = "odd"


def test_attributes_belong_to_the_exchange_and_not_to_the_one_before(shared_type: Any, reactor: Reactor) -> None:
    one, other = shared_type(OddExchange(), reactor), shared_type(MemoryExchange(), reactor)
    for _ in range(2):
        assert one.flavour == "odd"
        with pytest.raises(AttributeError, match="flavour"):
            _ = other.flavour
    first, second = MemoryExchange(), MemoryExchange()
    first.method, second.method = "GET", "PUT"
    assert [shared_type(each, reactor).method for each in (first, second)] == ["GET", "PUT"]


def test_an_attribute_cannot_be_set(shared_type: Any, reactor: Reactor) -> None:
    exchange = MemoryExchange()
    with pytest.raises(AttributeError):
        shared_type(exchange, reactor).status = 204
    assert exchange.status == 0


def test_a_subclass_adds_to_it(shared_type: Any, reactor: Reactor) -> None:
    class Loud(shared_type):  # type: ignore[misc]
        def __init__(self, exchange: Any, reactor: Any, volume: int) -> None:
            super().__init__(exchange, reactor)
            self.volume = volume

        def send(self, data: bytes, end: bool = False) -> bool:
            return bool(super().send(data.upper() * self.volume, end))

    exchange = OddExchange()
    shared = Loud(exchange, reactor, 2)
    shared.respond(200, ())
    shared.send(b"abc", True)
    assert (exchange.content, shared.status, shared.flavour) == (b"ABCABC", 200, "odd")
    with pytest.raises(AttributeError, match="colour"):
        _ = shared.colour


def test_a_view_in_a_cycle_is_collected(shared_type: Any) -> None:
    exchange = MemoryExchange()
    exchange.blocked = True
    shared = shared_type(exchange, Reactor())
    assert shared.watch(Want.WRITE, shared.abort) is False
    gone = weakref.ref(exchange)
    del exchange, shared
    gc.collect()
    assert gone() is None
