"""How peers come to the reactor: what they are called, how many at a time, and by whom they are given."""

from __future__ import annotations

import contextlib
import errno
import resource
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asteri_core.api import Peer
from asteri_core.testing.lines import LineConnection


@pytest.fixture
def listening(served: Any) -> Iterator[Callable[..., tuple[socket.socket, list[Peer]]]]:
    """Listens in one more place; the socket, and who comes there."""
    with contextlib.ExitStack() as stack:

        def listen(family: socket.AddressFamily, address: Any) -> tuple[socket.socket, list[Peer]]:
            listener = stack.enter_context(socket.socket(family))
            listener.bind(address)
            listener.listen()
            listener.setblocking(False)
            peers: list[Peer] = []
            served.reactor.listen(listener, lambda peer, now: peers.append(peer) or LineConnection(peer))
            return listener, peers

        yield listen


PLACES = [
    (socket.AF_INET, ("127.0.0.1", 0), "127.0.0.1"),
    (socket.AF_INET, ("0.0.0.0", 0), "127.0.0.1"),
    (socket.AF_INET6, ("::1", 0), "::1"),
    (socket.AF_INET6, ("::", 0), "::1"),
]


@pytest.mark.parametrize(("family", "address", "host"), PLACES)
def test_a_peer_of_an_internet_socket_has_two_addresses(
    served: Any, listening: Callable[..., Any], family: socket.AddressFamily, address: Any, host: str
) -> None:
    listener, peers = listening(family, address)
    port = listener.getsockname()[1]
    for _ in range(2):
        with socket.create_connection((host, port), 5) as client:
            peers.clear()
            served.until(lambda: bool(peers))
            assert peers == [Peer(client.getsockname()[:2], (host, port), "http", None)]
            assert type(peers[0]) is Peer


@pytest.mark.parametrize("name", ["named", "\N{SNOWMAN}", "\0abstract", "\0\N{SNOWMAN}"])
def test_a_peer_of_a_unix_socket_has_the_path_of_its_listener(
    served: Any, listening: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    path = f"{name}{tmp_path}" if name.startswith("\0") else str(tmp_path / name)
    _, peers = listening(socket.AF_UNIX, path)
    shown = path.replace("\0", "@")
    for own in ("", "\0client" + str(tmp_path)):
        with socket.socket(socket.AF_UNIX) as client:
            if own:
                client.bind(own)
            client.connect(path)
            peers.clear()
            served.until(lambda: bool(peers))
            assert peers == [Peer(own.replace("\0", "@"), shown)]


def test_no_more_peers_than_a_batch_are_accepted_in_a_turn(served: Any) -> None:
    served.reactor.accept_batch = 3
    clients = [socket.create_connection(served.listener.getsockname(), 5) for _ in range(7)]
    counts = []
    while served.reactor.accepted < 7:
        served.reactor.poll(1)
        counts.append(served.reactor.accepted)
    assert counts == [3, 6, 7]
    for client in clients:
        client.close()


def test_those_who_wait_are_accepted_at_once_when_that_is_asked_for(serve: Callable[..., Any]) -> None:
    served = serve(max_connections=20)
    clients = [socket.create_connection(served.listener.getsockname(), 5) for _ in range(25)]
    with served.reactor.lock:
        served.reactor.accept_waiting()
    assert (served.reactor.accepted, served.reactor.connections) == (20, 20)
    for client in clients:
        client.close()


def test_nobody_is_accepted_by_a_listener_that_is_given_up(served: Any) -> None:
    served.reactor.unlisten()
    with socket.create_connection(served.listener.getsockname(), 5):
        for _ in range(3):
            served.reactor.poll(0.001)
        served.reactor.accept_waiting()
        assert served.reactor.accepted == 0
        served.reactor.listen(served.listener, lambda peer, now: LineConnection(peer))
        served.until(lambda: served.reactor.accepted == 1)


def test_without_descriptors_accepting_pauses_and_goes_on(served: Any, caplog: pytest.LogCaptureFixture) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(served.listener.getsockname(), 5)) for _ in range(2)]
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (clients[0].fileno(), before[1]))
        try:
            for _ in range(3):
                served.reactor.poll(0.001)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert served.reactor.accepted == 0
        assert [record.getMessage() for record in caplog.records] == [
            f"accepting pauses for 1 s: [Errno {errno.EMFILE}] Too many open files"
        ]
        served.until(lambda: served.reactor.accepted == 2)


def test_a_connected_socket_is_driven_and_closed_in_the_end(served: Any) -> None:
    client = served.attach()
    assert served.reactor.connections == 1
    client.sendall(b"hello\n")
    served.until(lambda: bool(served.started))
    served.answer(served.started[0])
    assert served.receive(client) == b"ok\n"
    client.close()
    served.until(lambda: served.reactor.connections == 0)


def test_a_socket_whose_factory_raises_stays_the_caller_s(served: Any) -> None:
    one, other = socket.socketpair()
    with one, other:
        with pytest.raises(ZeroDivisionError):
            served.reactor.attach(one, Peer("", ""), lambda peer, now: 1 / 0)
        one.sendall(b"x")
        assert other.recv(1) == b"x"
        with pytest.raises(OSError, match="Errno"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            served.reactor.attach(datagrams, Peer("", ""), lambda peer, now: LineConnection(peer))


def test_a_socket_that_its_factory_closes_is_a_peer_that_is_given_up(served: Any) -> None:
    one, other = socket.socketpair()

    def factory(peer: Peer, now: float) -> LineConnection:
        one.close()
        return LineConnection(peer)

    with other:
        served.reactor.attach(one, Peer("", ""), factory)
        assert served.reactor.connections == 0
        assert other.recv(1) == b""
