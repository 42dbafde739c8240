"""34, 35. What belongs to one request never shows in another one.

CVE-2024-49768 (waitress) and CVE-2023-46137 (Twisted) mixed what belonged to two requests of one connection.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from attacking.case import GOOD, head
from attacking.target import MODELS, Attacked, attacked, targets
from attacking.wire import Closed


@pytest.fixture(scope="module", params=targets(*MODELS), ids=str)
def mixed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """A server with the default settings: a request may take its time."""
    with attacked(request.param, tmp_path_factory.mktemp("mixed")) as attack:
        yield attack


@pytest.fixture(scope="module", params=targets(*MODELS), ids=str)
def hasty(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """A server that gives a request half a second, also one that only meets a pause of the machine."""
    with attacked(request.param, tmp_path_factory.mktemp("hasty"), "--request-timeout", "0.5") as attack:
        yield attack


def echoed(attack: Attacked, target: bytes) -> bool:
    """Whether a request of its own was answered, and with what is its own; False for one that was given up."""
    with attack.client() as client, contextlib.suppress(Closed):
        client.send(head(first=b"GET %b HTTP/1.1" % target))
        response = client.response()
        assert response.body == b"GET %b " % target or response.status == 504, response
        assert b"secret" not in response.body
        return response.status == 200
    return False


def test_a_request_that_timed_out_leaves_nothing_to_the_next_ones(hasty: Attacked) -> None:
    """A times out while it runs; then it goes on, and writes. B, C, ... never get a byte of A's."""
    hasty.hold()
    with hasty.client() as late:
        late.send(head(first=b"GET /hang?secret HTTP/1.1"))
        response = late.response()
        assert response.status == 504
        assert b"secret" not in response.body
        hasty.release()
        late.send(GOOD)
        if response.closes:
            assert late.ended()
        else:
            assert late.response().body in (b"GET /later ", response.body)
        assert sum(echoed(hasty, b"/echo?%d" % number) for number in range(50)) > 10
    hasty.check_alive()


def test_a_dribbled_body_that_the_application_waits_for_is_ended(hasty: Attacked) -> None:
    """A client that expects 100 is read while the application runs; in a sync worker everybody waits meanwhile."""
    slow_head = head(b"Expect: 100-continue", b"Content-Length: 1000000", first=b"POST /read HTTP/1.1")
    with hasty.client() as slow:
        slow.send(slow_head)
        slow.interim()
        slow.send(b"x" * 1000)
        while not echoed(hasty, b"/echo"):
            pass
        assert slow.response().status == 504
    hasty.check_alive()


def test_many_at_once_get_their_own_answers(mixed: Attacked) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(mixed.client()) for _ in range(50)]
        for turn in range(10):
            for number, client in enumerate(clients):
                body = b"%d-%d" % (number, turn)
                client.send(head(b"Content-Length: %d" % len(body), first=b"POST /echo?%b HTTP/1.1" % body) + body)
            for number, client in enumerate(clients):
                body = b"%d-%d" % (number, turn)
                assert client.response().body == b"POST /echo?%b %b" % (body, body)


def test_the_answer_of_a_client_that_left_goes_to_nobody(mixed: Attacked) -> None:
    for number in range(30):
        with mixed.client() as leaving, mixed.client() as staying:
            leaving.send(head(first=b"GET /echo?secret-%d HTTP/1.1" % number))
            leaving.reset()
            staying.send(head(first=b"GET /echo?%d HTTP/1.1" % number))
            assert staying.response().body == b"GET /echo?%d " % number


def test_context_variables_do_not_leak_between_requests(mixed: Attacked) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(mixed.client()) for _ in range(8)]
        for _ in range(5):
            for client in clients:
                client.send(head(first=b"GET /context HTTP/1.1") * 2)
            for client in clients:
                assert client.response().body == b"clean"
                assert client.response().body == b"clean"
