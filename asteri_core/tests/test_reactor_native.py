"""The native reactor with a native connection: what it does with bytes that are not Python's, and how few calls it
makes. Whole records of a socket that keeps their boundaries show what was sent by one call."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from asteri_core.api import CLOSE, RESET, FileSlice, Finished, Peer, Started
from asteri_core.testing import FakeClock
from asteri_core.testing.lines import LineConnection

RECORDS = socket.SOCK_SEQPACKET


class Functions(ctypes.Structure):
    """``struct asteri_reactor_v1``, where its functions return."""

    _fields_ = [
        ("size", ctypes.c_ssize_t),
        ("lock", ctypes.PYFUNCTYPE(None, ctypes.py_object)),
        ("unlock", ctypes.PYFUNCTYPE(None, ctypes.py_object)),
        ("flush", ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object)),
        ("flush_later", ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_double, ctypes.c_int)),
        ("arrival", ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(ctypes.c_double))),
        ("time", ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(ctypes.c_double))),
    ]


@pytest.fixture(scope="session")
def native(compiled: Callable[..., ModuleType]) -> ModuleType:
    return compiled("native_lines", [Path(__file__).with_name("native_lines.c")])


@pytest.fixture
def twin() -> Any:
    from asteri_native import _reactor

    return _reactor


class Lines:
    """A reactor whose peers are native connections."""

    def __init__(self, served: Any, native: ModuleType) -> None:
        self.served = served
        self.reactor = served.reactor
        self.started = served.started
        self.made: list[Any] = []
        served.factory = lambda peer, now: self.made.append(native.Lines(peer, now)) or self.made[-1]
        get = ctypes.pythonapi.PyCapsule_GetPointer
        get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        self.functions = Functions.from_address(get(type(self.reactor).__asteri_reactor__, b"asteri.reactor.v1"))

    def flush_later(self, *, for_all: bool = False) -> None:
        self.functions.lock(self.reactor)
        try:
            assert self.functions.flush_later(self.reactor, self.reactor.clock(), for_all) == 0
        finally:
            self.functions.unlock(self.reactor)


@pytest.fixture
def lines(served: Any, native: ModuleType) -> Lines:
    return Lines(served, native)


@pytest.fixture
def clocked(serve: Callable[..., Any], native: ModuleType) -> tuple[Lines, FakeClock]:
    clock = FakeClock()
    return Lines(serve(clock=clock), native), clock


def records(client: socket.socket) -> list[bytes]:
    """What has come, call by call."""
    client.setblocking(False)
    found = []
    with contextlib.suppress(BlockingIOError):
        while record := client.recv(1 << 20):
            found.append(record)
    return found


def test_a_native_connection_is_driven_by_its_functions_alone(lines: Lines) -> None:
    with lines.served.connect() as client:
        client.sendall(b"one\ntwo\n")
        lines.served.until(lambda: len(lines.started) == 1)
        lines.started[0].answer(b"1\n")
        assert lines.served.receive(client) == b"1\n"
        lines.started[1].hand_out(b"2", b"\n")
        assert lines.served.receive(client) == b"2\n"
        assert lines.served.finished == lines.started
        client.shutdown(socket.SHUT_WR)
        assert lines.served.receive(client, b"") == b""
        lines.served.until(lambda: lines.reactor.connections == 0)
    assert lines.made[0].driven == 1


def test_the_answers_of_one_batch_of_pipelined_requests_leave_in_one_call(clocked: tuple[Lines, FakeClock]) -> None:
    lines, _ = clocked  # who is held up for a millisecond sends what there is
    lines.reactor.started = lambda line: line.answer(line.target + b"\n")
    with lines.served.attach(RECORDS) as client:
        client.sendall(b"".join(b"%d\n" % number for number in range(20)))
        lines.reactor.poll(1)
        assert records(client) == [b"".join(b"%d\n" % number for number in range(20))]


def test_more_than_fits_into_a_cork_leaves_in_order(lines: Lines) -> None:
    lines.reactor.started = lambda line: line.answer(line.target * 9000 + b"\n")
    with lines.served.connect() as client:
        client.sendall(b"".join(b"%d\n" % (number % 10) for number in range(30)))
        expected = b"".join(b"%d" % (number % 10) * 9000 + b"\n" for number in range(30))
        received = b""
        while len(received) < len(expected):
            received += lines.served.receive(client)
        assert received == expected


def test_an_answer_is_not_kept_for_one_that_takes_long(clocked: tuple[Lines, FakeClock]) -> None:
    lines, clock = clocked

    def slow(line: Any) -> None:
        clock.advance(0.01)
        line.answer(line.target + b"\n")

    lines.reactor.started = slow
    with lines.served.attach(RECORDS) as client:
        client.sendall(b"slow\nsecond\nthird\n")
        lines.reactor.poll(1)
        assert records(client) == [b"slow\n", b"second\n", b"third\n"]


def test_an_answer_may_be_kept_for_the_one_behind_it(clocked: tuple[Lines, FakeClock]) -> None:
    lines, _ = clocked
    with lines.served.attach(RECORDS) as client, lines.served.attach(RECORDS) as other:
        client.sendall(b"one\ntwo\nthree\n")
        other.sendall(b"one\ntwo\n")
        lines.served.until(lambda: len(lines.started) == 2)
        for line in list(lines.started):
            line.answer(line.target)
        lines.flush_later()
        assert (records(client), records(other)) == ([], [])
        assert len(lines.started) == 4
        for line in lines.started[2:4]:
            line.answer(line.target)
        lines.flush_later()
        # The other one has nothing behind it.
        assert (records(client), records(other)) == ([], [b"onetwo"])
        lines.reactor.flush()
        assert records(client) == [b"onetwo"]
        lines.started[-1].answer(b"three")
        lines.flush_later()
        assert records(client) == [b"three"]


def test_an_answer_may_be_kept_for_those_of_other_peers(clocked: tuple[Lines, FakeClock]) -> None:
    lines, _ = clocked
    with lines.served.attach(RECORDS) as client, lines.served.attach(RECORDS) as other:
        for one in (client, other):
            one.sendall(b"one\n")
        lines.served.until(lambda: len(lines.started) == 2)
        lines.started[0].answer(b"1")
        lines.flush_later(for_all=True)
        assert [line.target for line in lines.served.finished] == [b"one"]
        lines.started[1].answer(b"1")
        lines.flush_later()
        # The first one is not what this is about: it waits on.
        assert sorted(map(len, map(records, (client, other)))) == [0, 1]
        lines.reactor.flush()
        assert sorted(map(len, map(records, (client, other)))) == [0, 1]


def test_no_more_than_a_few_answers_are_kept_for_those_of_others(clocked: tuple[Lines, FakeClock]) -> None:
    lines, _ = clocked
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(lines.served.attach(RECORDS)) for _ in range(20)]
        for one in peers:
            one.sendall(b"one\n")
        lines.served.until(lambda: len(lines.started) == len(peers))
        sent = []
        for line in lines.started:
            line.answer(b"1")
            lines.flush_later(for_all=True)
            sent.append(sum(len(records(one)) for one in peers))
        assert sent == [0] * 16 + [16] + [0] * 3
        lines.reactor.flush()
        assert sum(len(records(one)) for one in peers) == 4


@pytest.mark.parametrize("for_all", [False, True], ids=["for its own", "for all"])
@pytest.mark.parametrize("end", ["flush", "poll", "time", "drain", "abandon", "close"])
def test_what_was_kept_leaves_in_the_end(clocked: tuple[Lines, FakeClock], end: str, for_all: bool) -> None:
    lines, clock = clocked
    with lines.served.attach(RECORDS) as client, lines.served.attach(RECORDS) as other:
        for one in (client, other):
            one.sendall(b"one\ntwo\n")
        lines.served.until(lambda: len(lines.started) == 2)
        lines.started[0].answer(b"1")
        lines.flush_later(for_all=for_all)
        assert records(client) == []
        assert lines.reactor.timeout() == pytest.approx(0.001)
        if end == "time":
            clock.advance(0.002)
            lines.started[1].answer(b"1")
            lines.flush_later()
        elif end == "poll":
            lines.reactor.poll(0)
        else:
            getattr(lines.reactor, end)(*([clock()] if end == "drain" else []))
        assert lines.served.reactor is lines.reactor
        if end == "drain":
            lines.reactor.poll(0)
        client.setblocking(False)
        assert client.recv(100) == b"1"


def test_bytes_of_the_connection_s_own_that_do_not_leave_are_copied(lines: Lines) -> None:
    size = 200_000
    lines.reactor.started = lambda line: line.answer(line.target * size)
    with lines.served.attach() as client:
        client.sendall(b"a\nb\nc\nd\ne\n")
        received = b""
        while len(received) < 5 * size:
            lines.reactor.poll(0.01)
            received += b"".join(records(client))
        assert received == b"".join(letter * size for letter in (b"a", b"b", b"c", b"d", b"e"))


def test_more_pieces_than_one_call_takes_and_every_end(lines: Lines) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"file")
        file.flush()
        pieces = [b"%d," % number for number in range(150)]
        with lines.served.connect() as client:
            client.sendall(b"one\ntwo\n")
            lines.served.until(lambda: len(lines.started) == 1)
            lines.started[0].hand_out(*pieces, bytes(20000), (file, 0, 4), b"tail\n")
            lines.served.until(lambda: len(lines.started) == 2)
            received = b""
            while not received.endswith(b"tail\n"):
                received += lines.served.receive(client)
            assert received == b"".join(pieces) + bytes(20000) + b"filetail\n"
            lines.started[1].hand_out(b"half", None)
            lines.served.until(lambda: lines.reactor.connections == 0)
            client.setblocking(True)
            assert client.recv(100) == b"half"
            with pytest.raises(ConnectionResetError):
                client.recv(100)


def test_one_call_reads_what_has_come(lines: Lines) -> None:
    with lines.served.attach() as client:
        for number in range(5):
            client.sendall(b"x" * 100)
            client.sendall(b"x" * 100)
            lines.reactor.poll(1)
            assert lines.made[0].calls == number + 1
        client.sendall(b"x" * 60_000)
        lines.reactor.poll(1)
        assert lines.reactor.timeout() is None


@pytest.fixture
def alone(native: ModuleType) -> Any:
    """A native connection that nobody drives: its methods are made of its functions."""
    return native.Lines(Peer(None, None), 0.0)


def test_the_methods_of_a_native_connection_give_events_and_bytes(alone: Any) -> None:
    assert (alone.events(), alone.data_to_send(0.0)) == ((), ())
    alone.receive_data(bytearray(b"one\ntwo\n"), now=1)
    (started,) = alone.events()
    assert started == Started(started.exchange)
    started.exchange.answer(b"1\n")
    sent = alone.data_to_send(now=1)
    finished, following = alone.events()
    assert (finished, type(following)) == (Finished(started.exchange), Started)
    following.exchange.answer(b"2\n")
    # They are copies: the connection has written over its own bytes.
    assert (sent, alone.data_to_send(1.0)) == ([b"1\n"], [b"2\n"])
    alone.receive_eof(1.0)
    assert alone.data_to_send(1.0) == [b""]


@pytest.mark.parametrize(("end", "handed_out"), [(None, RESET), (..., CLOSE)], ids=["reset", "close"])
def test_the_methods_of_a_native_connection_hand_out_owners_files_and_ends(
    alone: Any, end: Any, handed_out: Any, tmp_path: Path
) -> None:
    alone.receive_data(b"many\n", 0.0)
    (started,) = alone.events()
    many = [b"%d" % number for number in range(100)]
    with (tmp_path / "file").open("wb") as file:
        started.exchange.hand_out(*many, (file, 2, 3), end)
        sent = alone.data_to_send(0.0)
        assert sent == [*many, FileSlice(file, 2, 3), handed_out]
    assert all(one is other for one, other in zip(sent, many, strict=False))
    assert sent[-1] is handed_out
    assert alone.events() == [Finished(started.exchange)]


def test_the_methods_of_a_native_connection_ask_for_data_and_for_time(alone: Any) -> None:
    assert (alone.wants_data, alone.deadline()) == (True, None)
    alone.held, alone.due = 1, 5.0
    assert (alone.wants_data, alone.deadline()) == (False, 5.0)
    alone.expire(4.0)
    assert alone.data_to_send(4.0) == ()
    alone.expire(now=5.0)
    assert (alone.deadline(), alone.data_to_send(5.0)) == (None, [b""])
    alone.drain(until=9.0, now=6.0)
    alone.lost(7.0)


@pytest.mark.parametrize(
    ("method", "positional", "named", "message"),
    [
        ("receive_data", (b"",), {}, "receive_data() missing the required argument 'now'"),
        ("receive_data", (b"", 0, 0), {}, "receive_data() takes 2 positional arguments but 3 were given"),
        ("receive_data", (b"",), {"data": b"", "now": 0}, "receive_data() got multiple values for argument 'data'"),
        ("lost", (), {"time": 0}, "lost() got an unexpected keyword argument 'time'"),
        ("drain", (0, "soon"), {}, "must be real number, not str"),
    ],
)
def test_wrong_arguments_of_a_native_connections_methods_are_named(
    alone: Any, method: str, positional: tuple[Any, ...], named: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        getattr(alone, method)(*positional, **named)
    assert str(caught.value) == message


class Number:
    """A number that calls when it is asked for."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call

    def __index__(self) -> int:
        self.call()
        return 0


class GivenUp(LineConnection):
    """Its peer is given up when it is asked for what is to be sent, or when that is looked at."""

    def __init__(self, abandon: Callable[[], None], pieces: Sequence[Any], late: bool) -> None:
        super().__init__(Peer("", ""))
        self.abandon = abandon
        self.pieces = pieces
        self.late = late

    def data_to_send(self, now: float) -> Sequence[Any]:
        pieces, self.pieces = self.pieces, ()
        if pieces and not self.late:
            self.abandon()
        return pieces


@pytest.mark.parametrize("late", [False, True], ids=["asked", "looked-at"])
@pytest.mark.parametrize("behind", [(), (b"a",), (b"a" * (1 << 20),)], ids=["alone", "a-byte-behind", "much-behind"])
def test_what_is_handed_out_while_its_peer_is_given_up_is_let_go(served: Any, behind: Any, late: bool) -> None:
    abandon = served.reactor.abandon
    with tempfile.TemporaryFile() as file:
        file.write(b"content")
        file.flush()
        before = sys.getrefcount(file)
        pieces = [FileSlice(file, Number(abandon) if late else 0, 5), *behind]  # type: ignore[arg-type]
        served.factory = lambda peer, now: GivenUp(abandon, pieces, late)
        served.attach().close()
        served.until(lambda: served.reactor.connections == 0)
        served.factory = pieces = None
        gc.collect()
        assert sys.getrefcount(file) == before
