"""The bytes of a peer on their way out of the reactor: slow readers, files, and the two ways to end."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from asteri_core.api import CLOSE, RESET, FileSlice, Peer, Sendable
from asteri_core.reactor.stream import LINGER_BYTES
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
