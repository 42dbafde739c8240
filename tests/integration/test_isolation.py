"""Answers never mix and contexts do not leak, with many clients at once and with requests that run over their time."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h11
import pytest
from asteri_core.testing import RunningServer, running_server
from http1_client import Answer, Peer
from worker_models import MODELS

CLIENTS = 50
REQUESTS = 10
REPEATED = 400
"""How often the application says the token."""

TIME = "0.3"
"""The request time-out; slow requests take three times that."""

COMBINATIONS = [
    pytest.param((model.values[0], app), id=f"{model.id}-{app}")
    for model in MODELS
    for app in ("tokens_wsgi", "tokens_asgi")
]
numbers = itertools.count()


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, implementation: str) -> Iterator[RunningServer]:
    model, app = request.param
    folder = Path(__file__).parent / "served"
    with running_server(f"{app}:app", *model.options, "--request-timeout", TIME, cwd=folder) as server:
        workers = server.workers()
        yield server
        assert server.workers() == workers, "\n".join(server.lines)
        assert server.stop() == 0


def new_token() -> str:
    return f"token-{next(numbers):06d}."


def ask(peer: Peer, target: str) -> Answer | None:
    """The answer; None where the server has given the request up, before its answer or within: after a pause of the
    machine as long as the time-out, that may be any of them."""
    try:
        answer = peer.get(target)
    except h11.RemoteProtocolError as error:
        if "closed connection" not in str(error) and "ConnectionClosed" not in str(error):
            raise  # bytes of somebody else's
        return None
    except ConnectionError:
        return None
    return answer if answer.status != 504 else None


def check(token: str, answer: Answer, clean: bool = True) -> None:
    """The answer is for this token, and its request has found a context that nobody had used."""
    assert answer.body == token.encode() * REPEATED
    assert answer.values(b"x-token") == [token.encode()]
    assert not clean or answer.values(b"x-context") == [b"clean"]


def all_of(clients: int, client: Callable[[int], None]) -> None:
    """Run so many clients at once; the error of any of them is the test's."""
    with ThreadPoolExecutor(clients) as pool:
        for result in [pool.submit(client, number) for number in range(clients)]:
            result.result()


@pytest.mark.parametrize("server", COMBINATIONS, indirect=True, scope="module")
def test_each_of_many_clients_gets_its_own_answers_from_a_clean_context(server: RunningServer) -> None:
    at_once = threading.Barrier(CLIENTS)
    answered = itertools.count()

    def client(number: int) -> None:
        at_once.wait(20)
        requests = iter(range(REQUESTS))
        for _ in requests:
            with Peer(server.connect()) as peer:
                for _ in requests:
                    token = new_token()
                    answer = ask(peer, f"/?token={token}")
                    if answer is None:  # a worker that runs one at a time may not have come to it in time
                        break
                    check(token, answer)
                    next(answered)

    all_of(CLIENTS, client)
    assert next(answered) > CLIENTS


@pytest.mark.parametrize("server", COMBINATIONS, indirect=True, scope="module")
def test_nobody_gets_what_was_meant_for_a_request_that_ran_over_its_time(server: RunningServer) -> None:
    """Late bytes would go to a peer that has got the descriptor, the thread or the slot of the one before."""
    slow_ones = 3  # of 4 threads: one is left to the others
    over = threading.Event()
    answered: list[str] = []
    late: list[str] = []

    def slow(number: int) -> None:
        token = new_token()
        kind = ("head", "body")[number % 2]
        with Peer(server.connect()) as peer:
            try:
                answer = peer.get(f"/?token={token}&slow={kind}&seconds=0.9")
            except (h11.RemoteProtocolError, ConnectionResetError):
                late.append("cut")
                return
            late.append(str(answer.status))
            assert answer.status in (200, 504)
            if answer.status == 504:
                assert token.encode() not in answer.body
            else:
                check(token, answer, clean=False)

    def other(number: int) -> None:
        """Short-lived and long-lived connections by turns, until the last late byte has been said."""
        while not over.is_set():
            with Peer(server.connect()) as peer:
                for _ in range(1 + number % 3):
                    token = new_token()
                    answer = ask(peer, f"/?token={token}")
                    if answer is None:
                        break
                    check(token, answer)
                    answered.append(token)

    def end() -> None:
        """Every slow call that has begun has ended, and its answer, if any, has been said; others were answered."""
        try:
            with ThreadPoolExecutor(slow_ones) as pool:
                for result in [pool.submit(slow, number) for number in range(slow_ones)]:
                    result.result()
            while True:
                with Peer(server.connect()) as peer:
                    answer = ask(peer, "/calls")
                if answer is not None and len(set(answer.body.split())) == 1 and len(answered) > 20:
                    return
        finally:
            over.set()

    all_of(9, lambda number: end() if number == 0 else other(number))
    assert set(late) & {"504", "cut"}, late
    last = None
    while last is None:
        with Peer(server.connect()) as peer:
            token = new_token()
            last = ask(peer, f"/?token={token}")
    check(token, last)
