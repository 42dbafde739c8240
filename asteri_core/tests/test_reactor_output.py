"""The bytes of a peer on their way out of the reactor: slow readers, files, and the two ways to end."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from asteri_core.api import CLOSE, RESET, FileSlice, Peer, Sendable
from asteri_core.reactor.stream import LINGER_BYTES, LINGER_SECONDS
from asteri_core.reactor.timers import TICK
from asteri_core.testing import FakeClock
from asteri_core.testing.lines import LineConnection


def test_a_large_answer_to_a_slow_reader_arrives_whole(served: Any) -> None:
    with served.connect() as client:
        client.sendall(b"hello\n")
        served.until(lambda: len(served.started) == 1)
        data = os.urandom(9 << 20) + b"\n"
        served.answer(served.started[0], data)
        for _ in range(20):
            served.reactor.poll(0)
        assert served.receive(client, data[-20:]) == data


def test_a_peer_that_takes_nothing_is_cut_after_the_write_time_out(serve: Callable[..., Any]) -> None:
    served = serve(write_timeout=0.2)
    with served.connect() as client:
        client.sendall(b"hello\n")
        served.until(lambda: len(served.started) == 1)
        served.answer(served.started[0], bytes(64 << 20))
        served.until(lambda: served.reactor.connections == 0)


class FileConnection(LineConnection):
    """Answers every connection with a file between two texts, then closes."""

    def __init__(self, peer: Peer, pieces: Sequence[Sendable]) -> None:
        super().__init__(peer)
        self.pieces = pieces

    def data_to_send(self, now: float) -> Sequence[Sendable]:
        pieces, self.pieces = self.pieces, ()
        return pieces


def test_a_file_goes_out_in_its_place_between_other_bytes(served: Any) -> None:
    content = os.urandom(5 << 20)
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        pieces = (b"head", FileSlice(file, 100, len(content) - 100), b"middle", b"tail", b"")
        served.factory = lambda peer, now: FileConnection(peer, pieces)
        with served.connect() as client:
            assert served.receive(client, b"") == b"head" + content[100:] + b"middletail"


class TurningFile:
    """A file that turns the reactor when it is asked for its descriptor the second time, once its peer has spoken."""

    def __init__(self, file: Any, turn: Callable[[], None]) -> None:
        self.file = file
        self.turn = turn
        self.asked = 0

    def fileno(self) -> int:
        self.asked += 1
        if self.asked == 2:
            self.turn()
        return int(self.file.fileno())


@pytest.mark.parametrize("turns", [1, 20])
def test_a_file_that_turns_the_reactor_is_not_sent_in_the_place_of_the_next_one(served: Any, turns: int) -> None:
    size = 2 << 20
    with tempfile.TemporaryFile() as one, tempfile.TemporaryFile() as other:
        for file, letter in ((one, b"A"), (other, b"B")):
            file.write(letter * size)
            file.flush()
        got = bytearray()

        def turn() -> None:
            client.sendall(b"hello\n")
            for _ in range(turns):
                served.reactor.poll(0)
                with contextlib.suppress(BlockingIOError):
                    got.extend(client.recv(8 * size, socket.MSG_DONTWAIT))

        files = (FileSlice(TurningFile(one, turn), 0, size), FileSlice(other, 0, size), b"")
        served.factory = lambda peer, now: FileConnection(peer, files)
        with socket.create_server(("127.0.0.1", 0)) as server:
            client = socket.create_connection(server.getsockname())
            ours, _ = server.accept()
        with client:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * size)
            served.reactor.attach(ours, Peer("", ""), served.factory)
            got.extend(served.receive(client, b""))
        assert (got[:size] == b"A" * size, got[size:] == b"B" * size) == (True, True)


def test_a_file_that_is_shorter_than_announced_cuts_the_connection(served: Any) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"short")
        file.flush()
        served.factory = lambda peer, now: FileConnection(peer, (FileSlice(file, 0, 50), b""))
        with served.connect() as client:
            served.until(lambda: served.reactor.connections == 0)
            assert client.recv(100) == b"short"
            with pytest.raises(ConnectionResetError):
                client.recv(100)


def test_unread_bytes_of_the_peer_do_not_destroy_the_answer(served: Any) -> None:
    served.factory = lambda peer, now: FileConnection(peer, (b"no thank you\n", b""))
    with served.connect() as client:
        client.sendall(b"x" * 500_000)
        assert served.receive(client, b"") == b"no thank you\n"


ANSWER = os.urandom(200_000)


def unread(serve: Callable[..., Any], clock: FakeClock) -> tuple[Any, socket.socket]:
    """A peer that has read nothing yet of what the system has taken from a connection that was idle, and has ended."""
    served = serve(clock=clock, write_timeout=30)
    ends: list[FileConnection] = []
    served.factory = lambda peer, now: ends.append(FileConnection(peer, (ANSWER,))) or ends[0]
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(served.listener.getsockname())
    served.until(lambda: bool(ends) and not ends[0].pieces)
    clock.advance(5)
    ends[0].pieces = (b"",)
    ends[0].wake()
    for _ in range(5):
        clock.advance(LINGER_SECONDS + TICK)
        served.reactor.poll(0)
    assert served.reactor.connections == 1
    return served, client


def passing(served: Any, clock: FakeClock) -> None:
    """Let time pass until nobody is connected. The peer's system acknowledges some bytes a little later: each time that
    is taken for progress."""
    for _ in range(60):
        if served.reactor.connections == 0:
            return
        clock.advance(LINGER_SECONDS + TICK)
        served.reactor.poll(0.01)
    raise AssertionError("somebody is still connected")


def test_an_answer_that_the_system_has_taken_at_once_reaches_a_slow_peer_that_says_how_much_it_has_read(
    serve: Callable[..., Any],
) -> None:
    clock = FakeClock()
    served, client = unread(serve, clock)
    with client:
        client.settimeout(5)
        received = 0
        while data := client.recv(16384):
            received += len(data)
            client.send(b"read")
            clock.advance(LINGER_SECONDS / 10)
            served.reactor.poll(0)
        assert received == len(ANSWER)
        passing(served, clock)


def test_a_peer_that_takes_nothing_more_after_our_half_close_is_given_up(serve: Callable[..., Any]) -> None:
    clock = FakeClock()
    served, client = unread(serve, clock)
    with client:
        passing(served, clock)


def test_a_peer_that_sends_without_end_after_our_half_close_is_cut(served: Any) -> None:
    served.factory = lambda peer, now: FileConnection(peer, (b"bye\n", b""))
    with served.connect() as client:
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 40 * LINGER_BYTES:
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    sent += client.send(b"x" * 65536)
                served.reactor.poll(0)
        assert sent < 40 * LINGER_BYTES


def test_a_reset_reaches_the_peer_as_one(served: Any) -> None:
    served.factory = lambda peer, now: FileConnection(peer, (b"half of it\n", RESET))
    with served.connect() as client:
        client.settimeout(5)
        served.until(lambda: served.reactor.connections == 0)
        assert client.recv(100) == b"half of it\n"
        with pytest.raises(ConnectionResetError):
            client.recv(100)
        assert served.reactor.connections == 0


def test_a_close_waits_for_nobody_and_the_bytes_before_it_arrive(served: Any) -> None:
    served.factory = lambda peer, now: FileConnection(peer, (b"bye\n", CLOSE))
    with served.connect() as client:
        served.until(lambda: served.reactor.connections == 0)
        assert client.recv(100) == b"bye\n"
        assert client.recv(100) == b""


def test_a_large_file_to_a_slow_reader_arrives_whole(served: Any) -> None:
    content = os.urandom(9 << 20)
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        pieces = (b"head", FileSlice(file, 0, len(content)), FileSlice(file, 5, 0), FileSlice(file, 0, 3), b"")
        served.factory = lambda peer, now: FileConnection(peer, pieces)
        with served.connect() as client:
            for _ in range(20):
                served.reactor.poll(0)
            assert served.receive(client, b"") == b"head" + content + content[:3]


def test_many_pieces_of_every_type_arrive_in_their_order(served: Any) -> None:
    pieces = [kind(b"%d," % number) for number in range(100) for kind in (bytes, bytearray, memoryview)]
    served.factory = lambda peer, now: FileConnection(peer, [*pieces, bytes(100_000), *pieces, b""])
    with served.connect() as client:
        joined = b"".join(pieces)
        assert served.receive(client, b"") == joined + bytes(100_000) + joined


def test_a_file_without_a_number_loses_its_own_peer(served: Any) -> None:
    file = tempfile.TemporaryFile()  # noqa: SIM115
    file.close()
    served.factory = lambda peer, now: FileConnection(peer, (FileSlice(file, 0, 50), b""))
    with served.connect() as client:
        served.until(lambda: served.reactor.connections == 0)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(100) == b""
