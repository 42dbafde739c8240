"""33, 36. After thousands of peers that came, misbehaved and left, nothing is left of them in the worker.

A peer leaves at every byte of a request, by closing and by reset, and at every point of a response.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator

import pytest
from attacking.case import head
from attacking.target import MODELS, Attacked, attacked, targets
from attacking.wire import Client, Closed

POST = b"POST /read HTTP/1.1"
REQUEST = head(b"Transfer-Encoding: chunked", first=POST) + b"5;a=b\r\nhello\r\n0\r\nX-A: b\r\n\r\n"
LENGTH = head(b"Expect: 100-continue", b"Content-Length: 5", first=POST) + b"hello"
ROUNDS = 10


@pytest.fixture(scope="module", params=targets(*MODELS), ids=str)
def churned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    with attacked(request.param, tmp_path_factory.mktemp("churn")) as attack:
        yield attack


def settled(attack: Attacked, wanted: tuple[int, int, int]) -> tuple[int, int, int]:
    """Descriptors, threads and child processes of the worker, once they are what is wanted, or after some seconds."""
    until = time.monotonic() + 10
    while (found := attack.holdings()) != wanted and time.monotonic() < until:
        attack.get()
    return found


def quiet(attack: Attacked) -> tuple[int, int, int]:
    attack.get()
    return attack.holdings()


def leave_at_every_byte(attack: Attacked, data: bytes) -> int:
    count = 0
    for index in range(len(data) + 1):
        for leave in (Client.reset, Client.__exit__):
            client = attack.client()
            client.send(data[:index])
            leave(client)
            count += 1
    return count


def test_nothing_is_left_of_thousands_of_peers(churned: Attacked) -> None:
    warm_up(churned)
    # The least of some looks: a connection of the warm-up may still be closing.
    before = min(quiet(churned) for _ in range(30))
    peers = 0
    for _ in range(ROUNDS):
        for data in (REQUEST, LENGTH):
            peers += leave_at_every_byte(churned, data)
    for kind in itertools.islice(itertools.cycle(range(4)), 400):
        with churned.client() as client, contextlib.suppress(Closed):
            client.send((head(), b"\x16\x03\x01", head(b"X : y"), REQUEST)[kind])
            client.response()
        peers += 1
    assert peers > 3000
    assert settled(churned, before) == before
    churned.check_alive()


def warm_up(attack: Attacked) -> None:
    """Have the threads of a pool made: they are kept."""
    with contextlib.ExitStack() as stack:
        attack.hold()
        clients = [stack.enter_context(attack.client()) for _ in range(1 if attack.target.model == "sync" else 8)]
        for client in clients:
            client.send(head(first=b"GET /hang HTTP/1.1"))
        attack.release()
        for client in clients:
            assert client.response().status == 200


def test_an_application_is_told_when_its_client_leaves_in_the_response(churned: Attacked) -> None:
    """Each endless answer ends, and its ``close()`` or ``finally`` runs exactly once."""
    churned.records()
    clients = 30
    for number in range(clients):
        with churned.client(receive_buffer=4096) as client:
            client.send(head(first=b"GET /drip?%d HTTP/1.1" % number))
            received = 0
            while received < number * 3000:
                received += len(client.socket.recv(4096))
            if number % 2:
                client.reset()
    until = time.monotonic() + 10
    ended: list[str] = []
    while len(ended) < clients and time.monotonic() < until:
        ended += [
            record["seen"] for record in churned.records() if record["kind"] == "end" and "/drip" in record["seen"]
        ]
    assert sorted(ended) == sorted(f"GET /drip?{number}" for number in range(clients))
    churned.check_alive()


def test_an_application_in_the_body_is_told_when_its_client_leaves(churned: Attacked) -> None:
    """At every byte of the body: no half of a request looks like a whole one."""
    churned.records()
    start = len(head(b"Transfer-Encoding: chunked", first=POST))
    for index in range(start, len(REQUEST)):
        with churned.client() as client:
            client.send(REQUEST[:index])
            if index % 2:
                client.reset()
    assert churned.seen() == []
    churned.check_alive()
