"""34, 35, 36. Streams of one connection share nothing: no answer, no context, and not the end of another one.

CVE-2024-49768 (waitress) and CVE-2023-46137 (Twisted) mixed requests of one connection; here they run at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from attacking.http2 import Http2Client, data, fields, reset
from attacking.target import Attacked, attacked, targets

from .conftest import HTTP2, OVER_TLS

MODELS = ("sync", "asgi", "gthread")


@pytest.fixture(scope="module", params=[*targets(*MODELS, protocols=HTTP2), *OVER_TLS], ids=str)
def mixed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """A server with the default settings: a request may take its time."""
    with attacked(request.param, tmp_path_factory.mktemp("mixed")) as attack:
        yield attack


@pytest.fixture(scope="module", params=[*targets(*MODELS, protocols=HTTP2), *OVER_TLS], ids=str)
def hasty(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """A server that gives a request half a second, also one that only meets a pause of the machine."""
    with attacked(request.param, tmp_path_factory.mktemp("hasty"), "--request-timeout", "0.5") as attack:
        yield attack


def test_a_request_that_timed_out_leaves_nothing_to_the_next_ones(hasty: Attacked) -> None:
    """A times out while it runs; then it goes on, and writes. Those behind it on the connection get no byte of A's."""
    hasty.hold()
    with Http2Client(hasty.client()) as peer:
        late = peer.request(1, fields(path=b"/hang?secret"))
        assert late.status == 504
        assert b"secret" not in late.body
        hasty.release()
        answered = 0
        for number in range(50):
            answer = peer.request(2 * number + 3, fields(path=b"/echo?%d" % number))
            assert answer.body == (b"GET /echo?%d " % number if answer.status == 200 else late.body)
            answered += answer.status == 200
        assert answered > 10
    hasty.check_alive()


def test_many_at_once_get_their_own_answers(mixed: Attacked) -> None:
    with Http2Client(mixed.client()) as peer:
        for turn in range(10):
            streams = range(1 + 100 * turn, 101 + 100 * turn, 2)
            bodies = {stream: b"%d-" % stream * 50 for stream in streams}
            for stream in streams:
                peer.send(peer.head(stream, fields(method=b"POST", path=b"/echo?%d" % stream), False))
            for stream, body in reversed(bodies.items()):
                peer.send(data(stream, body))
            for stream, body in bodies.items():
                assert peer.wait(stream).body == b"POST /echo?%d %b" % (stream, body)
    mixed.check_alive()


def test_the_answer_of_a_stream_that_was_reset_goes_to_nobody(mixed: Attacked) -> None:
    with Http2Client(mixed.client()) as peer:
        for number in range(60):
            secret, stream = 4 * number + 1, 4 * number + 3
            peer.send(peer.head(secret, fields(path=b"/echo?secret")) + reset(secret))
            assert peer.request(stream, fields(path=b"/echo?%d" % number)).body == b"GET /echo?%d " % number
        assert all(b"secret" not in peer.answer(4 * number + 3).body for number in range(60))
    mixed.check_alive()


def test_context_variables_do_not_leak_between_streams(mixed: Attacked) -> None:
    with Http2Client(mixed.client()) as peer:
        for turn in range(5):
            streams = range(1 + 100 * turn, 41 + 100 * turn, 2)
            peer.send(b"".join(peer.head(stream, fields(path=b"/context")) for stream in streams))
            for stream in streams:
                assert peer.wait(stream).body == b"clean"
    mixed.check_alive()


def test_an_application_is_told_once_when_its_stream_is_reset_in_the_response(h2: Attacked) -> None:
    """Each endless answer ends, and its ``close()`` or ``finally`` runs exactly once, while the connection goes on."""
    h2.records()
    count = 20
    with Http2Client(h2.client()) as peer:
        for number in range(count):
            stream = 2 * number + 1
            peer.send(peer.head(stream, fields(path=b"/drip?%d" % number)))
            answer = peer.answer(stream)
            peer.read_until(lambda answer=answer, number=number: len(answer.body) > number * 3000)  # type: ignore[misc]
            assert not answer.over
            peer.give_up(stream)
        assert peer.request(1001, fields(path=b"/later")).status == 200
    assert sorted(ended(h2, count)) == sorted(f"GET /drip?{number}" for number in range(count))
    h2.check_alive()


def ended(attack: Attacked, count: int) -> list[str]:
    until = time.monotonic() + 10
    found: list[str] = []
    while len(found) < count and time.monotonic() < until:
        found += [
            record["seen"] for record in attack.records() if record["kind"] == "end" and "/drip?" in record["seen"]
        ]
    return found


def test_a_client_that_leaves_at_every_byte_of_a_body_is_no_whole_request(h2: Attacked) -> None:
    h2.records()
    with Http2Client(h2.client(), begins=False) as peer:
        start = peer.opening + peer.head(1, fields(method=b"POST", path=b"/read"), False)
        whole = start + data(1, b"hello", False) + data(1, b" world")
    for index in range(len(start), len(whole)):
        with h2.client() as client:
            client.send(whole[:index])
            if index % 2:
                client.reset()
    assert h2.seen() == []
    h2.check_alive()


def test_nothing_is_left_of_peers_that_left_with_all_their_streams(h2: Attacked) -> None:
    h2.get()
    before = h2.holdings()
    for number in range(200):
        with Http2Client(h2.client()) as peer:
            for stream in range(1, 20, 2):
                peer.send(peer.head(stream, fields(method=b"POST", path=b"/read"), False) + data(stream, b"x", False))
            if number % 2:
                peer.client.reset()
    until = time.monotonic() + 10
    while h2.holdings()[0] > before[0] and time.monotonic() < until:
        h2.get()
    assert h2.holdings()[0] <= before[0]
    h2.check_alive()
