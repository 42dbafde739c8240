"""What is said over HTTP/1.1 to the applications beside this: every conversation holds for every interface and worker.

A conversation is given ``connect``, which opens a new connection to the server. What it is about is its name.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable

import h11
import pytest
from http1_client import Peer, chunked, request

LARGE = 12_000_000
"""Bytes: more than any buffer on the way."""

PATTERN = bytes(range(256)) * (LARGE // 256 + 1)

Connect = Callable[[], socket.socket]


def get(connect: Connect) -> None:
    with Peer(connect()) as peer:
        answer = peer.get("/hello")
    assert (answer.status, answer.body) == (200, b"hello\n")
    assert answer.value(b"content-length") == b"6"
    assert answer.value(b"server") == b"asteri"
    assert answer.value(b"date")


def several_requests_on_one_connection(connect: Connect) -> None:
    with Peer(connect()) as peer:
        for number in range(5):
            body = b"request %d" % number
            assert peer.post("/echo", body).body == body
            assert peer.get("/hello").body == b"hello\n"


def post_with_a_length(connect: Connect) -> None:
    with Peer(connect()) as peer:
        peer.send(request("POST", "/echo", "Content-Length: 10"), b"01234")
        peer.send(b"56789")
        assert peer.answer().body == b"0123456789"


def post_in_chunks(connect: Connect) -> None:
    with Peer(connect()) as peer:
        peer.send(request("POST", "/echo", "Transfer-Encoding: chunked"), chunked(b"one, ", b"two, ", b"three"))
        assert peer.answer().body == b"one, two, three"
        assert peer.get("/hello").status == 200


def post_in_chunks_with_trailers(connect: Connect) -> None:
    with Peer(connect()) as peer:
        body = chunked(b"checked", trailers=b"X-Checksum: 1\r\nHost: elsewhere\r\nX-Signed: yes\r\n")
        peer.send(request("POST", "/echo", "Transfer-Encoding: chunked", "Trailer: X-Checksum"), body)
        assert peer.answer().body == b"checked"
        for expectation in ((), ("Expect: 100-continue",)):
            peer.send(request("POST", "/trailers", "Transfer-Encoding: chunked", *expectation), body)
            assert peer.answer().body == b"x-checksum: 1\nx-signed: yes\n"
        assert peer.get("/hello").status == 200


def head(connect: Connect) -> None:
    with Peer(connect()) as peer:
        for target, length in (("/hello", b"6"), ("/download?size=1000", b"1000"), ("/stream", None)):
            peer.send(request("HEAD", target))
            answer = peer.answer("HEAD")
            assert (answer.status, answer.body) == (200, b"")
            assert answer.value(b"content-length") == length
        assert peer.get("/hello").body == b"hello\n"


def three_in_a_pipeline_are_answered_in_order(connect: Connect) -> None:
    with Peer(connect()) as peer:
        bodies = [b"first", b"the second", b"3"]
        peer.send(*(request("POST", "/echo", f"Content-Length: {len(body)}") + body for body in bodies))
        assert [peer.answer().body for _ in bodies] == bodies


def a_body_that_waits_for_100_is_asked_for(connect: Connect) -> None:
    with Peer(connect()) as peer:
        peer.send(request("POST", "/echo", "Content-Length: 4", "Expect: 100-continue"))
        assert peer.interim() == 100
        peer.send(b"body")
        answer = peer.answer()
        assert (answer.status, answer.body, answer.interim) == (200, b"body", [])


def a_body_that_waits_for_100_is_refused_without_reading(connect: Connect) -> None:
    with Peer(connect()) as peer:
        peer.send(request("POST", "/refuse", "Content-Length: 4", "Expect: 100-continue"))
        answer = peer.answer()
        assert (answer.status, answer.body, answer.interim) == (403, b"refused\n", [])


def a_streamed_response(connect: Connect) -> None:
    with Peer(connect()) as peer:
        answer = peer.get("/stream")
        assert answer.body == b"".join(b"piece %d\n" % number for number in range(5))
        assert answer.value(b"transfer-encoding") == b"chunked"
        assert peer.get("/hello").status == 200


def a_response_without_content(connect: Connect) -> None:
    with Peer(connect()) as peer:
        answer = peer.get("/empty")
        assert (answer.status, answer.body) == (204, b"")
        assert answer.value(b"content-length") is None
        assert peer.get("/hello").status == 200


def early_hints(connect: Connect) -> None:
    with Peer(connect()) as peer:
        answer = peer.get("/hints")
        assert answer.interim == [(103, [(b"link", b"</style.css>; rel=preload")])]
        assert (answer.status, answer.body) == (200, b"hinted\n")
        assert peer.get("/hello").status == 200


def duplicate_fields_are_kept_in_order(connect: Connect) -> None:
    with Peer(connect()) as peer:
        assert peer.get("/cookies").values(b"set-cookie") == [b"a=1", b"b=2"]


def an_error_of_the_application(connect: Connect) -> None:
    with Peer(connect()) as peer:
        answer = peer.get("/error")
        assert answer.status == 500
        assert b"on purpose" not in answer.body
    with Peer(connect()) as peer:
        assert peer.get("/hello").status == 200


def an_error_after_the_head_cuts_the_response(connect: Connect) -> None:
    with Peer(connect()) as peer:
        peer.send(request("GET", "/cut"))
        peer.start_with(b"the beginning\n")
    with Peer(connect()) as peer, pytest.raises((h11.RemoteProtocolError, ConnectionResetError)):
        peer.get("/cut")
    with Peer(connect()) as peer:
        assert peer.get("/hello").status == 200


def a_large_request_body(connect: Connect) -> None:
    body = memoryview(PATTERN)[:LARGE]
    with Peer(connect()) as peer:
        answer = peer.post("/digest", body)
        assert answer.body == hashlib.sha256(body).hexdigest().encode()
        assert peer.get("/hello").status == 200


def a_large_response(connect: Connect) -> None:
    with Peer(connect()) as peer:
        answer = peer.get(f"/download?size={LARGE}")
        assert answer.body == PATTERN[:LARGE]
        assert peer.get("/hello").status == 200


def the_client_leaves_in_the_middle_of_a_response(connect: Connect) -> None:
    with Peer(connect()) as peer:
        peer.send(request("GET", "/endless"))
        peer.start_with(b"", 1_000_000)
        peer.leave()
    with Peer(connect()) as peer:
        assert peer.get("/hello").status == 200


def the_client_leaves_in_the_middle_of_a_request(connect: Connect) -> None:
    with Peer(connect()) as peer:
        peer.send(request("POST", "/echo", "Content-Length: 100"), b"the first half")
        peer.leave()
    with Peer(connect()) as peer:
        assert peer.get("/hello").status == 200


def a_client_that_ends_its_own_direction_is_answered(connect: Connect) -> None:
    with Peer(connect()) as peer:
        peer.send(request("POST", "/echo", "Content-Length: 4"), b"last")
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.answer().body == b"last"
        assert peer.at_end()


def connection_close(connect: Connect) -> None:
    with Peer(connect()) as peer:
        answer = peer.get("/hello", "Connection: close")
        assert (answer.status, answer.body) == (200, b"hello\n")
        assert answer.value(b"connection") == b"close"
        assert peer.at_end()


def http_1_0(connect: Connect) -> None:
    with Peer(connect()) as peer:
        peer.send(b"GET /stream HTTP/1.0\r\n\r\n")
        answer = peer.answer()
        assert answer.body == b"".join(b"piece %d\n" % number for number in range(5))
        assert answer.value(b"transfer-encoding") is None
        assert peer.at_end()


def what_is_no_http_is_answered(connect: Connect) -> None:
    with Peer(connect()) as peer:
        peer.send(b"what is this\r\n\r\n")
        assert peer.answer().status == 400
        assert peer.at_end()


CONVERSATIONS = (
    get,
    several_requests_on_one_connection,
    post_with_a_length,
    post_in_chunks,
    post_in_chunks_with_trailers,
    head,
    three_in_a_pipeline_are_answered_in_order,
    a_body_that_waits_for_100_is_asked_for,
    a_body_that_waits_for_100_is_refused_without_reading,
    a_streamed_response,
    a_response_without_content,
    early_hints,
    duplicate_fields_are_kept_in_order,
    an_error_of_the_application,
    an_error_after_the_head_cuts_the_response,
    a_large_request_body,
    a_large_response,
    the_client_leaves_in_the_middle_of_a_response,
    the_client_leaves_in_the_middle_of_a_request,
    a_client_that_ends_its_own_direction_is_answered,
    connection_close,
    http_1_0,
    what_is_no_http_is_answered,
)

CLEARTEXT_ONLY = {a_client_that_ends_its_own_direction_is_answered}
"""What the TLS of Python's own library cannot do: it has no way to end one direction."""
