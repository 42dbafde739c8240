"""6, 11, 12. How a stream is cut changes nothing: what is good is served, what stands behind bad never runs.

Each offset is a connection of its own. All first pieces are sent, then a barrier says that the server has looked at
them, then all second pieces.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import pytest
from attacking.case import GOOD, head
from attacking.target import Attacked
from attacking.wire import Client

CHUNKED = head(b"Transfer-Encoding: chunked", b"Trailer: X-Sum", first=b"POST /a HTTP/1.1")
REQUESTS = {
    "GET": (head(b"Accept: */*", first=b"GET /a?b HTTP/1.1"), ("GET /a?b", b"")),
    "length": (head(b"Content-Length: 11", first=b"POST /a HTTP/1.1") + b"hello world", ("POST /a", b"hello world")),
    "chunks": (CHUNKED + b'5;a="b"\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n', ("POST /a", b"hello world")),
    "absolute": (head(first=b"GET http://a/b HTTP/1.1"), ("GET /b", b"")),
    "HTTP/1.0": (head(b"Connection: keep-alive", first=b"GET /a HTTP/1.0"), ("GET /a", b"")),
}
BAD = {
    "name": head(b"X : y"),
    "coding": head(b"Transfer-Encoding: xchunked", first=b"POST / HTTP/1.1") + b"0\r\n\r\n",
    "both": head(b"Content-Length: 5", b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.1") + b"0\r\n\r\n",
    "line end": b"GET / HTTP/1.1\r\nHost: a\n\r\n",
    "version": head(first=b"GET / HTTP/1.2"),
    "chunk": head(b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.1") + b"5\r\nhelloXX0\r\n\r\n",
    "trailer": head(b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.1") + b"0\r\nGET /later HTTP/1.1\r\n\r\n",
    "target": head(first=b"GET /%00 HTTP/1.1"),
    "host": head(host=b"Host: a@b"),
}


def answers(attack: Attacked, streams: Sequence[Sequence[bytes]], count: int) -> list[list[int]]:
    """Sends each stream on a connection of its own, piece by piece; the statuses on each, and nothing behind them."""
    found = []
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(attack.client()) for _ in streams]
        for index in range(max(map(len, streams))):
            for client, pieces in zip(clients, streams, strict=True):
                if index < len(pieces):
                    client.send(pieces[index])
            assert attack.get("/barrier-cut").status == 200
        for client in clients:
            statuses = [client.response().status for _ in range(count)]
            client.end()
            assert client.ended()
            found.append(statuses)
    return found


def in_two(data: bytes) -> list[list[bytes]]:
    return [[data[:index], data[index:]] for index in range(1, len(data))]


@pytest.mark.parametrize("name", REQUESTS)
def test_a_good_request_cut_at_every_byte_is_the_same_request(attack: Attacked, name: str) -> None:
    data, saw = REQUESTS[name]
    attack.records()
    streams = in_two(data)
    assert answers(attack, streams, 1) == [[200]] * len(streams)
    assert attack.seen() == [saw] * len(streams)
    attack.check_alive()


@pytest.mark.parametrize("name", REQUESTS)
def test_a_good_request_in_single_bytes_is_the_same_request(attack: Attacked, name: str) -> None:
    data, saw = REQUESTS[name]
    attack.records()
    assert answers(attack, [[data[index : index + 1] for index in range(len(data))]], 1) == [[200]]
    assert attack.seen() == [saw]


@pytest.mark.parametrize("name", BAD)
def test_nothing_behind_a_bad_request_runs_wherever_the_stream_is_cut(attack: Attacked, name: str) -> None:
    data = BAD[name] + GOOD
    attack.records()
    streams = in_two(data)
    found = answers(attack, streams, 1)
    assert set(map(tuple, found)) == set(map(tuple, found[:1]))
    assert found[0][0] in (400, 501, 505)
    assert attack.seen() == []
    attack.check_alive()


@pytest.mark.parametrize("name", BAD)
def test_what_stands_before_a_bad_request_is_answered_first(attack: Attacked, name: str) -> None:
    first = head(first=b"GET /first HTTP/1.1")
    attack.records()
    streams = [[first + BAD[name] + GOOD], [first, BAD[name] + GOOD], [first + BAD[name], GOOD]]
    found = answers(attack, streams, 2)
    assert [statuses[0] for statuses in found] == [200] * 3
    assert len({statuses[1] for statuses in found}) == 1
    assert attack.seen() == [("GET /first", b"")] * 3


def test_pipelined_requests_are_answered_in_order(attack: Attacked) -> None:
    """CVE-2023-46137 and CVE-2024-41671 (Twisted): answers of pipelined requests changed places."""
    attack.records()
    targets = [f"/{index}?{'x' * (1 + index % 7)}" for index in range(60)]
    with attack.client() as client:
        client.send(b"".join(head(first=b"GET %b HTTP/1.1" % target.encode()) for target in targets))
        assert [client.response().body for _ in targets] == [f"GET {target} ".encode() for target in targets]
    assert [seen for seen, _ in attack.seen()] == [f"GET {target}" for target in targets]


def test_single_byte_chunks_are_one_body(attack: Attacked) -> None:
    body = bytes(range(256)) * 8
    attack.records()
    with attack.client() as client:
        client.send(CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")
        assert client.response().status == 200
    assert attack.seen() == [("POST /a", body)]


def test_a_client_is_not_fooled_by_what_the_barrier_shows(attack: Attacked) -> None:
    """The suite itself: a request in the record is seen, one that was not sent is not."""
    attack.records()
    with attack.client() as client:
        client.send(GOOD)
        assert isinstance(client, Client)
        assert client.response().status == 200
    assert attack.seen() == [("GET /later", b"")]
    assert attack.seen() == []
