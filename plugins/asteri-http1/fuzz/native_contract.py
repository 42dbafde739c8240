"""Drives native connections by the contract of ``asteri/connection.h`` and ``asteri/exchange.h`` instead of by their
Python methods, so that whatever is asked of a connection can be asked of that way too.

What the contract has no function for (`inform`, `upgrade`, `watch`, trailers) and what cannot be said in it (a field
that is not bytes) is called in Python: both ways may be mixed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes import (
    POINTER,
    PYFUNCTYPE,
    Structure,
    byref,
    c_char_p,
    c_double,
    c_int,
    c_int64,
    c_ssize_t,
    c_void_p,
    py_object,
)
from functools import cache
from typing import Any

from asteri_core.api import (
    CLOSE,
    RESET,
    Config,
    Connection,
    ConnectionFactory,
    Event,
    Failed,
    FileSlice,
    Finished,
    Header,
    Peer,
    Sendable,
    Started,
    Switched,
)
from asteri_http1.plugin import bind_native

ROOM = 4
"""The least room for pieces that a driver may have, so that much is handed over in parts."""


class Slice(Structure):
    _fields_ = (("data", c_void_p), ("size", c_ssize_t))

    def __bytes__(self) -> bytes:
        return ctypes.string_at(self.data, self.size) if self.size else b""


class Field(Structure):
    _fields_ = (("name", Slice), ("value", Slice))


class Request(Structure):
    _fields_ = (
        *((name, Slice) for name in ("method", "target", "raw_path", "query", "authority", "protocol")),
        ("fields", POINTER(Field)),
        ("count", c_ssize_t),
        *((name, c_int) for name in ("version", "has_body", "expects_continue")),
        ("content_length", c_int64),
        ("memo", c_void_p),
    )


class NativeEvent(Structure):
    _fields_ = (("kind", c_int), ("object", c_void_p), ("leftover", c_void_p))


class Piece(Structure):
    _fields_ = (
        ("kind", c_int),
        ("owner", c_void_p),
        ("data", c_void_p),
        ("size", c_ssize_t),
        ("offset", c_int64),
        ("length", c_int64),
    )


class Step(Structure):
    _fields_ = (
        ("event", NativeEvent),
        ("count", c_ssize_t),
        ("last", c_int),
        ("wants_data", c_int),
        ("deadline", c_double),
    )


WAKE = PYFUNCTYPE(None, c_void_p)


class Driver(Structure):
    _fields_ = (("wake", WAKE),)


STARTED, FINISHED, SWITCHED, FAILED = range(1, 5)
BYTES, FILE, HALF_CLOSE, RESETS, CLOSES = range(1, 6)
ENDS = {HALF_CLOSE: b"", RESETS: RESET, CLOSES: CLOSE}
EVENT = 1
FACTS = (
    "method",
    "target",
    "raw_path",
    "query",
    "authority",
    "protocol",
    "version",
    "scheme",
    "peer",
    "headers",
    "trailers",
    "body",
)


def pointer(result: Any, *arguments: Any) -> Any:
    return PYFUNCTYPE(result, py_object, *arguments)


CONNECTION = {
    "drive": pointer(None, POINTER(Driver)),
    "receive_data": pointer(c_int, c_char_p, c_ssize_t, c_double),
    "receive_eof": pointer(c_int, c_double),
    "lost": pointer(c_int, c_double),
    "next_event": pointer(c_int, POINTER(NativeEvent)),
    "data_to_send": pointer(c_ssize_t, c_double, POINTER(Piece), c_ssize_t),
    "wants_data": pointer(c_int),
    "deadline": pointer(c_double),
    "expire": pointer(c_int, c_double),
    "drain": pointer(c_int, c_double, c_double),
    "advance": pointer(c_int, c_double, POINTER(Piece), c_ssize_t, POINTER(Step)),
}
EXCHANGE = {
    "request": pointer(POINTER(Request)),
    "fact": pointer(c_void_p, c_int),
    "read": pointer(c_int, POINTER(c_void_p)),
    "respond": pointer(c_int, c_int, Slice, POINTER(Field), c_ssize_t),
    "retract": pointer(c_int),
    "send": pointer(c_int, py_object, c_int),
    "finish": pointer(c_int),
    "abort": pointer(c_int),
    "status": pointer(c_int),
    "sent": pointer(c_int64),
    "buffered": pointer(c_int64),
    "set_body": pointer(c_int, py_object),
}


@cache
def functions(kind: type, what: str) -> dict[str, Any]:
    """The functions in the capsule of a type."""
    members = {"connection": CONNECTION, "exchange": EXCHANGE}[what]
    ctypes.pythonapi.PyCapsule_GetPointer.restype = c_void_p
    ctypes.pythonapi.PyCapsule_GetPointer.argtypes = (py_object, c_char_p)
    capsule = getattr(kind, f"__asteri_{what}__")
    address = ctypes.pythonapi.PyCapsule_GetPointer(capsule, f"asteri.{what}.v1".encode())
    words = ctypes.cast(address, POINTER(c_void_p))
    assert words[0] == ctypes.sizeof(c_void_p) * (len(members) + 1)
    return {name: made(words[index]) for index, (name, made) in enumerate(members.items(), 1)}


def borrowed(address: int) -> Any:
    return ctypes.cast(address, py_object).value


def owned(address: int) -> Any:
    """The object of a new reference, which ends."""
    value = borrowed(address)
    ctypes.pythonapi.Py_DecRef(py_object(value))
    return value


def are_bytes(parts: Sequence[object]) -> bool:
    return all(type(part) is bytes for part in parts)


def are_pairs(fields: object) -> bool:
    return isinstance(fields, list | tuple) and all(
        type(field) is tuple and len(field) == 2 and are_bytes(field) for field in fields
    )


class ContractExchange:
    """One native exchange."""

    def __init__(self, exchange: Any) -> None:
        self.real = exchange
        self._call = functions(type(exchange), "exchange")
        request = self._call["request"](exchange).contents
        fields = [(bytes(field.name), bytes(field.value)) for field in request.fields[: request.count]]
        assert fields == self._fact("headers")
        assert bytes(request.method).decode() == self._fact("method")
        assert request.version == {"1.0": 10, "1.1": 11}[self._fact("version")]
        for name in ("target", "raw_path", "query", "authority"):
            assert bytes(getattr(request, name)) == self._fact(name)
        assert bytes(request.protocol).lower() == self._fact("protocol")
        self.headers: list[Header] = fields
        self.content_length = None if request.content_length < 0 else request.content_length
        self.has_body = bool(request.has_body)
        self.expects_continue = bool(request.expects_continue)

    def __getattr__(self, name: str) -> Any:
        return self._fact(name) if name in FACTS else getattr(self.real, name)

    def _fact(self, name: str) -> Any:
        return borrowed(self._call["fact"](self.real, FACTS.index(name)))

    @property
    def status(self) -> int:
        return int(self._call["status"](self.real))

    @property
    def sent(self) -> int:
        return int(self._call["sent"](self.real))

    @property
    def buffered(self) -> int:
        return int(self._call["buffered"](self.real))

    def read(self) -> bytes | None:
        data = c_void_p()
        return owned(data.value or 0) if self._call["read"](self.real, byref(data)) else None

    def respond(self, status: int, headers: Sequence[Header], reason: bytes = b"") -> None:
        if not (type(status) is int and abs(status) < 1 << 31 and are_bytes((reason,)) and are_pairs(headers)):
            self.real.respond(status, headers, reason)
            return
        fields = (Field * len(headers))(*(Field(_slice(name), _slice(value)) for name, value in headers))
        self._call["respond"](self.real, status, _slice(reason), fields, len(headers))

    def retract(self) -> bool:
        return bool(self._call["retract"](self.real))

    def send(self, data: Sendable, end: bool = False) -> bool:
        return bool(self._call["send"](self.real, data, end))

    def finish(self, trailers: Sequence[Header] = ()) -> None:
        if trailers:
            self.real.finish(trailers)
        else:
            self._call["finish"](self.real)

    def abort(self) -> None:
        self._call["abort"](self.real)


def _slice(data: bytes) -> Slice:
    """Borrowed from ``data``, which the caller keeps."""
    return Slice(ctypes.cast(c_char_p(data), c_void_p) if data else None, len(data))


class ContractConnection:
    """One native connection, which satisfies `Connection`."""

    def __init__(self, connection: Connection, room: int) -> None:
        self.real = connection
        self.peer = connection.peer  # type: ignore[attr-defined]
        self.room = room
        self._exchanges: dict[int, ContractExchange] = {}
        self._call = functions(type(connection), "connection")
        self._heard: list[Callable[[], None]] = [lambda: None]
        heard = self._heard  # not `self`, which would never end
        self._driver = Driver(WAKE(lambda _: heard[0]()))
        self._call["drive"](connection, byref(self._driver))

    def __del__(self) -> None:
        self._call["drive"](self.real, None)

    @property
    def wake(self) -> Callable[[], None]:
        return self._heard[0]

    @wake.setter
    def wake(self, wake: Callable[[], None]) -> None:
        self._heard[0] = wake

    @property
    def wants_data(self) -> bool:
        return bool(self._call["wants_data"](self.real))

    def receive_data(self, data: bytes, now: float) -> None:
        self._call["receive_data"](self.real, data, len(data), now)

    def receive_eof(self, now: float) -> None:
        self._call["receive_eof"](self.real, now)

    def lost(self, now: float) -> None:
        self._call["lost"](self.real, now)

    def events(self) -> Sequence[Event]:
        events: list[Event] = []
        found = NativeEvent()
        while self._call["next_event"](self.real, byref(found)):
            events.append(self._event(found.kind, owned(found.object), found.leftover))
            while self._step(found):
                events.append(self._event(found.kind, owned(found.object), found.leftover))
        return events

    def _step(self, event: NativeEvent) -> bool:
        """The next event by the function for steps. What that says at rest is what the functions for it say."""
        step = Step()
        if self._call["advance"](self.real, 0.0, None, 0, byref(step)) == EVENT:
            event.kind, event.object, event.leftover = step.event.kind, step.event.object, step.event.leftover
            return True
        assert step.wants_data == self._call["wants_data"](self.real)
        assert step.deadline == self._call["deadline"](self.real)
        return False

    def _event(self, kind: int, subject: Any, leftover: int | None) -> Event:
        if kind == FAILED:
            return Failed(subject)
        if kind == SWITCHED:
            return Switched(subject, owned(leftover or 0))
        exchange = self._exchanges.setdefault(id(subject), ContractExchange(subject))
        return Started(exchange) if kind == STARTED else Finished(exchange)  # type: ignore[arg-type]

    def data_to_send(self, now: float) -> Sequence[Sendable]:
        pieces = (Piece * self.room)()
        number = self._call["data_to_send"](self.real, now, pieces, self.room)
        return [self._piece(piece) for piece in pieces[:number]]

    @staticmethod
    def _piece(piece: Piece) -> Sendable:
        data = ctypes.string_at(piece.data, piece.size) if piece.kind == BYTES else b""
        owner = owned(piece.owner) if piece.owner else None
        assert bool(data) == (piece.kind == BYTES)
        if piece.kind == FILE:
            return FileSlice(owner, piece.offset, piece.length)
        return ENDS.get(piece.kind, data)

    def deadline(self) -> float | None:
        deadline = self._call["deadline"](self.real)
        return None if deadline == float("inf") else float(deadline)

    def expire(self, now: float) -> None:
        self._call["expire"](self.real, now)

    def drain(self, until: float, now: float) -> None:
        self._call["drain"](self.real, until, now)


class ThroughContract:
    """The same connections, driven by the contract."""

    def __init__(self, connect: ConnectionFactory, room: int = ROOM) -> None:
        self._connect: Any = connect
        self._room = room

    def __call__(self, peer: Peer, now: float) -> Connection:
        return ContractConnection(self._connect(peer, now), self._room)

    @property
    def upgrades(self) -> Any:
        return self._connect.upgrades

    @upgrades.setter
    def upgrades(self, table: Any) -> None:
        self._connect.upgrades = table


def bind_contract(config: Config) -> ConnectionFactory:
    """As `bind_native`, for the same connections driven by the contract."""
    return ThroughContract(bind_native(config))
