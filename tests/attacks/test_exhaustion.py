"""33. No input ends a worker, not even when the system has nothing left to give it."""

from __future__ import annotations

import contextlib
import random
import resource
import select
import time
from collections.abc import Iterator

import pytest
from attacking.case import GOOD, head
from attacking.cases import chunks, expectations, lengths, lines, start_lines, transfer_encoding
from attacking.target import MODELS, Attacked, attacked, targets
from attacking.wire import Client

POST = b"POST /read HTTP/1.1"
FREE = 12
UPLOADS = 11
STREAMS = 400
PIECES = [
    case.sent
    for table in (transfer_encoding, lengths, lines, chunks, start_lines, expectations)
    for case in table.CASES
    if len(case.sent) < 500
]


@pytest.fixture(params=targets(*MODELS), ids=str)
def starved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """A worker that can open `FREE` descriptors more."""
    with attacked(request.param, tmp_path_factory.mktemp("starved")) as attack:
        attack.get()
        limit = attack.descriptors() + FREE
        _, hard = resource.prlimit(attack.pids[0], resource.RLIMIT_NOFILE)
        resource.prlimit(attack.pids[0], resource.RLIMIT_NOFILE, (limit, hard))
        yield attack


def wait_until_none_is_left(starved: Attacked, clients: list[Client]) -> None:
    """Until the worker has opened all the descriptors that it can, or has refused somebody for that."""
    limit, _ = resource.prlimit(starved.pids[0], resource.RLIMIT_NOFILE)
    until = time.monotonic() + 20
    sockets = [client.socket for client in clients]
    while starved.descriptors() < limit and not select.select(sockets, [], [], 0)[0]:
        assert time.monotonic() < until, f"{starved.descriptors()} descriptors of {limit}"


def test_regression_1_uploads_without_descriptors_left_do_not_end_the_worker(starved: Attacked) -> None:
    """Each large upload needs a socket and, for a blocking application, a file."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(starved.client()) for _ in range(UPLOADS)]
        for client in clients:
            client.send(head(b"Content-Length: 200000", first=POST) + bytes(150000))
        if starved.target.interface == "wsgi":
            wait_until_none_is_left(starved, clients)
        for client in clients:
            client.send(bytes(50000))
        statuses = {client.response().status for client in clients}
    assert statuses <= {200, 503}
    assert starved.target.interface == "asgi" or 503 in statuses
    assert starved.get().status == 200
    starved.check_alive()


def test_more_connections_than_descriptors_wait_for_their_turn(starved: Attacked) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(FREE + 4):
            stack.enter_context(starved.client())
    assert starved.get().status == 200
    starved.check_alive()


def scramble(chance: random.Random) -> bytes:
    """Pieces of all the cases, good and bad, joined and damaged."""
    stream = bytearray(b"".join(chance.choices([*PIECES, GOOD, GOOD], k=chance.randint(1, 4))))
    for _ in range(chance.choice([0, 0, 1, 3])):
        if stream:
            stream[chance.randrange(len(stream))] = chance.randrange(256)
    return bytes(stream)


@pytest.mark.parametrize("seed", range(4))
def test_scrambled_streams_end_no_worker_and_raise_nothing(attack: Attacked, seed: int) -> None:
    chance = random.Random(seed)
    before = len(attack.server.lines)
    for _ in range(STREAMS):
        data = scramble(chance)
        with attack.client() as client:
            cut = chance.randrange(len(data) + 1)
            client.send(data[:cut])
            client.send(data[cut:])
            leave = chance.randrange(4)
            if leave == 0:
                client.reset()
                continue
            if leave == 1:
                continue
            client.end()
            while client.socket.recv(65536):
                pass
    attack.records()
    attack.check_alive()
    assert [line for line in attack.server.lines[before:] if "Traceback" in line or "failed" in line] == []
