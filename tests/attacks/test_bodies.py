"""6, 13, 14. Bodies that the application does not read, bodies it is asked for, and floods inside of them."""

from __future__ import annotations

import contextlib

import pytest
from attacking.case import GOOD, head
from attacking.target import Attacked
from attacking.wire import GONE, Closed

SMALL = head(b"Content-Length: 5", first=b"POST /ignore HTTP/1.1") + b"hello"
EXPECT = head(b"Expect: 100-continue", b"Content-Length: 5", first=b"POST /read HTTP/1.1")
EXPECT_IGNORED = EXPECT.replace(b"/read", b"/ignore")


def test_a_body_that_nobody_read_is_not_the_next_request(attack: Attacked) -> None:
    attack.records()
    with attack.client() as client:
        client.send(SMALL + GOOD)
        assert client.response().status == 200
        assert client.response().body == b"GET /later "
    assert attack.seen() == [("POST /ignore", b""), ("GET /later", b"")]


def test_an_early_answer_arrives_although_the_client_goes_on_sending(attack: Attacked) -> None:
    """RFC 9112 section 9.6: what still comes is read for a while, so that no reset destroys the answer."""
    attack.records()
    with attack.client() as client:
        client.send(EXPECT_IGNORED.replace(b"Length: 5", b"Length: 5000000"))
        assert attack.get("/barrier-head").status == 200  # the head has been looked at: the answer is under way
        client.send(bytes(500_000))
        response = client.response()
        assert (response.status, response.body) == (200, b"ignored")
        assert response.closes
        assert client.ended()
    assert attack.seen() == [("POST /ignore", b"")]


def test_an_early_answer_does_not_make_the_body_a_request(attack: Attacked) -> None:
    attack.records()
    with attack.client() as client:
        client.send(EXPECT_IGNORED.replace(b"Length: 5", b"Length: 500"))
        assert client.response().status == 200
        client.send(GOOD)
        assert client.ended()
    assert attack.seen() == [("POST /ignore", b"")]


def test_what_is_sent_behind_an_early_answer_is_not_read_for_ever(attack: Attacked) -> None:
    with attack.client() as client:
        client.send(head(b"Content-Length: 104857601", first=b"POST / HTTP/1.1"))
        assert client.response().status == 413
        with pytest.raises(GONE):
            client.socket.sendall(bytes(64 << 20))
    attack.check_alive()


def test_100_is_sent_when_the_application_reads(attack: Attacked) -> None:
    attack.records()
    with attack.client() as client:
        client.send(EXPECT)
        client.send(client.interim() and b"hello")
        response = client.response()
        assert (response.status, response.interim) == (200, [])
        assert not response.closes
        client.send(GOOD)
        assert client.response().status == 200
    assert attack.seen() == [("POST /read", b"hello"), ("GET /later", b"")]


def test_100_is_not_sent_when_the_application_does_not_read(attack: Attacked) -> None:
    """The client may have sent nothing, or the body all the same, so the connection cannot go on."""
    with attack.client() as client:
        client.send(EXPECT_IGNORED)
        response = client.response()
        assert (response.status, response.interim, response.closes) == (200, [], True)
        assert client.ended()


def test_100_is_not_sent_to_whom_it_says_nothing(attack: Attacked) -> None:
    for data in (
        EXPECT.replace(b"HTTP/1.1", b"HTTP/1.0") + b"hello",
        EXPECT.replace(b"Length: 5", b"Length: 0"),
        EXPECT.replace(b"Content-Length: 5\r\n", b""),
        EXPECT + b"hello",
    ):
        with attack.client() as client:
            client.send(data)
            response = client.response()
            assert (response.status, response.interim) == (200, [])


def test_a_flood_of_extensions_ends_after_8_kib(attack: Attacked) -> None:
    """CVE-2024-22019 (Node.js), CVE-2024-21647 (puma), CVE-2023-39326 (Go): endless extensions cost time and memory."""
    attack.records()
    with attack.client() as client:
        client.send(head(b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.1") + b"5;")
        piece = b"a" * (1 << 16)
        for _ in range((10 << 20) // len(piece)):
            client.send(piece)
        with contextlib.suppress(Closed):
            # We were still sending when the server gave up reading: a reset may overtake its answer.
            assert client.response().status == 400
        assert client.ended()
    assert attack.seen() == []
    attack.check_alive()


@pytest.mark.parametrize("name", ["length", "chunks"])
def test_a_body_at_the_edges_of_memory_is_kept_whole(attack: Attacked, name: str) -> None:
    """64 KiB is where a collected body goes to a file."""
    for size in (65535, 65536, 65537, 1_000_000):
        body = bytes(size)
        if name == "length":
            data = head(b"Content-Length: %d" % size, first=b"POST /read HTTP/1.1") + body
        else:
            data = head(b"Transfer-Encoding: chunked", first=b"POST /read HTTP/1.1")
            data += b"%x\r\n%b\r\n0\r\n\r\n" % (size, body)
        attack.records()
        with attack.client() as client:
            client.send(data + GOOD)
            assert client.response().status == 200
            assert client.response().body == b"GET /later "
        assert [len(body) if len(body) <= 65536 and b" bytes" not in body else body for _, body in attack.seen()] == [
            size if size <= 65536 else b"%d bytes" % size,
            0,
        ]
