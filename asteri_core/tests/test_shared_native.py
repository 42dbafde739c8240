"""A shared exchange has the native contract where the real one has it: what C code reaches through it.

The functions of both sides are called by way of ctypes, so that no protocol in C is needed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import POINTER, PYFUNCTYPE, Structure, c_char_p, c_int, c_int64, c_ssize_t, c_void_p, py_object
from typing import Any

import asteri_native._executors as native
import pytest
from asteri_core.errors import Disconnected
from asteri_core.reactor import Reactor
from asteri_core.testing import MemoryExchange

NAME = b"asteri.exchange.v1"
ATTRIBUTE = "__asteri_exchange__"
BODY = 10
"""ASTERI_BODY of asteri/exchange.h."""

new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype, new_capsule.argtypes = py_object, (c_void_p, c_char_p, c_void_p)
pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
pointer_of.restype, pointer_of.argtypes = c_void_p, (py_object, c_char_p)


class Slice(Structure):
    _fields_ = [("data", c_void_p), ("size", c_ssize_t)]

    def __bytes__(self) -> bytes:
        return ctypes.string_at(self.data, self.size)


class Field(Structure):
    _fields_ = [("name", Slice), ("value", Slice)]


KINDS: dict[str, Any] = {
    "request": PYFUNCTYPE(c_void_p, py_object),
    "fact": PYFUNCTYPE(c_void_p, py_object, c_int),
    "read": PYFUNCTYPE(c_int, py_object, POINTER(c_void_p)),
    "respond": PYFUNCTYPE(c_int, py_object, c_int, Slice, POINTER(Field), c_ssize_t),
    "retract": PYFUNCTYPE(c_int, py_object),
    "send": PYFUNCTYPE(c_int, py_object, py_object, c_int),
    "finish": PYFUNCTYPE(c_int, py_object),
    "abort": PYFUNCTYPE(c_int, py_object),
    "status": PYFUNCTYPE(c_int, py_object),
    "sent": PYFUNCTYPE(c_int64, py_object),
    "buffered": PYFUNCTYPE(c_int64, py_object),
    "set_body": PYFUNCTYPE(c_int, py_object, py_object),
}


class Functions(Structure):
    _fields_ = [("size", c_ssize_t), *KINDS.items()]


def slice_of(data: bytes) -> Slice:
    """The caller keeps the bytes."""
    return Slice(ctypes.cast(c_char_p(data), c_void_p), len(data))


REQUEST = ctypes.create_string_buffer(64)
"""Stands for a `struct asteri_request`: nobody here looks into it."""
HELD: list[bool] = []
"""Whether the lock was held when a function was called."""


def noted(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(exchange: Any, *arguments: Any) -> Any:
        HELD.append(exchange.reactor.lock._is_owned())
        return function(exchange, *arguments)

    return call


def read(exchange: Any, data: Any) -> int:
    piece = exchange.read()
    if piece is None:
        return 0
    ctypes.pythonapi.Py_IncRef(py_object(piece))
    data[0] = id(piece)
    return 1


def respond(exchange: Any, status: int, reason: Slice, fields: Any, count: int) -> int:
    headers = [(bytes(fields[index].name), bytes(fields[index].value)) for index in range(count)]
    exchange.respond(status, headers, bytes(reason))
    return 0


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "request": lambda exchange: ctypes.addressof(REQUEST),
    "fact": lambda exchange, which: id(exchange.body) if which == BODY else id(exchange.method),
    "read": read,
    "respond": respond,
    "retract": lambda exchange: int(exchange.retract()),
    "send": lambda exchange, data, end: int(exchange.send(data, bool(end))),
    "finish": lambda exchange: exchange.finish() or 0,
    "abort": lambda exchange: exchange.abort() or 0,
    "status": lambda exchange: exchange.status,
    "sent": lambda exchange: exchange.sent,
    "buffered": lambda exchange: 7,
    "set_body": lambda exchange, body: setattr(exchange, "body", body) or 0,
}


class Flushing(Reactor):
    """Counts."""

    flushed = 0

    def flush(self) -> None:
        self.flushed += 1
        super().flush()


class NativeExchange(MemoryExchange):
    """Has the contract besides."""

    table = Functions(ctypes.sizeof(Functions), *(KINDS[name](noted(FUNCTIONS[name])) for name in KINDS))

    def __init__(self, reactor: Reactor, **facts: Any) -> None:
        super().__init__(**facts)
        self.reactor = reactor


class OldExchange(NativeExchange):
    """Was made when the contract had fewer functions."""

    table = Functions.from_buffer_copy(NativeExchange.table)


OldExchange.table.size -= ctypes.sizeof(c_void_p)
for kind in (NativeExchange, OldExchange):
    setattr(kind, ATTRIBUTE, new_capsule(ctypes.addressof(kind.table), NAME, None))


@pytest.fixture
def reactor() -> Any:
    reactor = Flushing()
    HELD.clear()
    yield reactor
    reactor.close()


def functions_of(shared: Any) -> Functions:
    """As C code finds them."""
    return Functions.from_address(pointer_of(getattr(type(shared), ATTRIBUTE), NAME))


def test_the_view_is_a_shared_exchange_with_all_functions(reactor: Any) -> None:
    shared = native.SharedExchange(NativeExchange(reactor), reactor)
    assert isinstance(shared, native.SharedExchange)
    assert functions_of(shared).size == ctypes.sizeof(Functions)
    assert (shared.method, shared.detached, shared.status) == ("GET", False, 0)


def test_operations_are_done_under_the_lock_and_sent_as_by_the_methods(reactor: Any) -> None:
    exchange = NativeExchange(reactor)
    shared = native.SharedExchange(exchange, reactor)
    functions = functions_of(shared)
    name, value, reason = b"A", b"b", b"Fine"
    field = Field(slice_of(name), slice_of(value))
    table = (
        (lambda: functions.respond(shared, 201, slice_of(reason), ctypes.byref(field), 1), 0, 0),
        (lambda: functions.retract(shared), 1, 0),
        (lambda: functions.respond(shared, 201, slice_of(reason), ctypes.byref(field), 1), 0, 0),
        (lambda: functions.send(shared, b"con", 0), 1, 1),
        (lambda: functions.retract(shared), 0, 0),
        (lambda: functions.send(shared, b"tent", 0), 1, 1),
        (lambda: functions.finish(shared), 0, 1),
        (lambda: functions.abort(shared), 0, 1),
    )
    for call, result, sent in table:
        reactor.flushed = 0
        assert (call(), reactor.flushed) == (result, sent)
    assert (exchange.status, exchange.response_headers, exchange.reason) == (201, [(b"A", b"b")], b"Fine")
    assert (exchange.content, exchange.complete) == (b"content", True)
    assert all(HELD)
    assert len(HELD) == len(table)
    assert not reactor.lock._is_owned()


def test_a_read_gives_its_bytes_or_sends_what_lets_the_peer_go_on(reactor: Any) -> None:
    shared = native.SharedExchange(NativeExchange(reactor, pieces=(b"abc", None)), reactor)
    data = c_void_p()
    assert (functions_of(shared).read(shared, ctypes.byref(data)), reactor.flushed) == (1, 0)
    assert ctypes.cast(data, py_object).value == b"abc"
    ctypes.pythonapi.Py_DecRef(ctypes.cast(data, py_object))
    assert (functions_of(shared).read(shared, ctypes.byref(data)), reactor.flushed) == (0, 1)
    assert HELD == [True, True]


def test_facts_and_numbers_are_the_exchanges_own(reactor: Any) -> None:
    exchange = NativeExchange(reactor)
    exchange.status, exchange.sent, exchange.body = 204, 9, object()
    shared = native.SharedExchange(exchange, reactor)
    functions = functions_of(shared)
    shared.detach()  # facts stay facts
    assert functions.request(shared) == ctypes.addressof(REQUEST)
    assert functions.fact(shared, 0) == id(exchange.method)
    assert functions.fact(shared, BODY) == id(exchange.body)
    assert (functions.status(shared), functions.sent(shared), functions.buffered(shared)) == (204, 9, 7)
    body = object()
    assert functions.set_body(shared, body) == 0
    assert exchange.body is body
    assert not reactor.lock._is_owned()


def test_a_detached_view_refuses_operations(reactor: Any) -> None:
    shared = native.SharedExchange(NativeExchange(reactor), reactor)
    functions = functions_of(shared)
    shared.detach()
    calls: tuple[Callable[[], int], ...] = (
        lambda: functions.read(shared, ctypes.byref(c_void_p())),
        lambda: functions.respond(shared, 200, slice_of(b""), None, 0),
        lambda: functions.send(shared, b"abc", 1),
        lambda: functions.finish(shared),
    )
    for call in calls:
        with pytest.raises(Disconnected, match="the request has been ended by the server"):
            call()
    assert (functions.retract(shared), functions.abort(shared)) == (0, 0)
    assert (HELD, reactor.flushed, reactor.lock._is_owned()) == ([], 0, False)


@pytest.mark.parametrize("kind", [MemoryExchange, OldExchange])
def test_a_view_over_an_exchange_without_all_functions_has_none(reactor: Any, kind: Any) -> None:
    exchange = kind(reactor) if kind is OldExchange else kind()
    assert not hasattr(type(native.SharedExchange(exchange, reactor)), ATTRIBUTE)


def test_a_subclass_of_the_view_has_none_since_its_methods_would_be_passed_by(reactor: Any) -> None:
    class Loud(native.SharedExchange):
        pass

    assert not hasattr(type(Loud(NativeExchange(reactor), reactor)), ATTRIBUTE)


def test_executors_reach_such_an_exchange_by_its_functions(reactor: Any) -> None:
    seen: list[Any] = []

    class Handler:
        def startup(self) -> None:
            """Nothing to start."""

        def shutdown(self) -> None:
            """Nothing to end."""

        def __call__(self, exchange: Any, wait: Any) -> None:
            seen.append(hasattr(type(exchange), ATTRIBUTE))
            exchange.respond(200, ())
            exchange.finish()

    pool = native.PoolExecutor(Handler(), reactor, 1)
    inline = native.InlineExecutor(Handler(), reactor)
    for exchange in (NativeExchange(reactor), MemoryExchange(), NativeExchange(reactor)):
        pool.start(exchange)
    pool.shutdown()
    assert seen == [True, False, True]
    assert len(HELD) == 2  # one `retract` each
    for exchange in (NativeExchange(reactor), MemoryExchange(), NativeExchange(reactor)):
        inline.start(exchange)
    while inline.waiting:
        inline.run_line()
    assert seen[3:] == [True, False, True]
    assert len(HELD) == 4
