"""What is said over HTTP/2, with prior knowledge, to the applications beside this; see `conversations.http1`."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable

from http2_client import Peer

LARGE = 12_000_000
PATTERN = bytes(range(256)) * (LARGE // 256 + 1)

Connect = Callable[[], socket.socket]


def get(connect: Connect) -> None:
    with Peer(connect()) as peer:
        answer = peer.get("/hello")
    assert (answer.status, answer.body) == (200, b"hello\n")
    assert answer.value(b"content-length") == b"6"
    assert answer.value(b"server") == b"asteri"
    assert answer.value(b"date")


def several_requests_one_after_the_other(connect: Connect) -> None:
    with Peer(connect()) as peer:
        for number in range(5):
            body = b"request %d" % number
            assert peer.post("/echo", body).body == body
            assert peer.get("/hello").body == b"hello\n"


def fifty_at_once_get_their_own_answers(connect: Connect) -> None:
    with Peer(connect()) as peer:
        bodies = {peer.ask("POST", "/echo", end=False): b"request %d" % number for number in range(50)}
        for stream, body in reversed(bodies.items()):
            peer.send(stream, body)
        assert {stream: peer.answer(stream).body for stream in bodies} == bodies


def a_body_with_and_without_a_length(connect: Connect) -> None:
    with Peer(connect()) as peer:
        assert peer.post("/echo", b"0123456789", ("content-length", "10")).body == b"0123456789"
        assert peer.post("/echo", b"0123456789").body == b"0123456789"


def a_body_that_is_shorter_than_its_length_is_malformed(connect: Connect) -> None:
    with Peer(connect()) as peer:
        assert peer.post("/echo", b"01234", ("content-length", "10")).reset == 1  # PROTOCOL_ERROR
        assert peer.get("/hello").status == 200


def trailers_of_a_request(connect: Connect) -> None:
    with Peer(connect()) as peer:
        stream = peer.ask("POST", "/trailers", end=False)
        peer.send(stream, b"checked", end=False)
        peer.connection.send_headers(stream, [("x-checksum", "1"), ("host", "elsewhere")], end_stream=True)
        peer.flush()
        assert peer.answer(stream).body == b"x-checksum: 1\n"


def head(connect: Connect) -> None:
    with Peer(connect()) as peer:
        for target, length in (("/hello", b"6"), ("/download?size=1000", b"1000"), ("/stream", None)):
            answer = peer.answer(peer.ask("HEAD", target))
            assert (answer.status, answer.body) == (200, b"")
            assert answer.value(b"content-length") == length


def a_body_that_waits_for_100_is_asked_for(connect: Connect) -> None:
    with Peer(connect()) as peer:
        stream = peer.ask("POST", "/echo", ("expect", "100-continue"), ("content-length", "4"), end=False)
        while not peer.answers[stream].interim:
            assert peer.turn()
        assert [status for status, _ in peer.answers[stream].interim] == [100]
        peer.send(stream, b"body")
        assert peer.answer(stream).body == b"body"


def a_streamed_response(connect: Connect) -> None:
    with Peer(connect()) as peer:
        answer = peer.get("/stream")
        assert answer.body == b"".join(b"piece %d\n" % number for number in range(5))
        assert answer.value(b"transfer-encoding") is None


def a_response_without_content(connect: Connect) -> None:
    with Peer(connect()) as peer:
        answer = peer.get("/empty")
        assert (answer.status, answer.body, answer.value(b"content-length")) == (204, b"", None)


def early_hints(connect: Connect) -> None:
    with Peer(connect()) as peer:
        answer = peer.get("/hints")
        assert answer.interim == [(103, [(b"link", b"</style.css>; rel=preload")])]
        assert (answer.status, answer.body) == (200, b"hinted\n")


def duplicate_fields_are_kept_in_order(connect: Connect) -> None:
    with Peer(connect()) as peer:
        assert peer.get("/cookies").values(b"set-cookie") == [b"a=1", b"b=2"]


def an_error_of_the_application(connect: Connect) -> None:
    with Peer(connect()) as peer:
        answer = peer.get("/error")
        assert answer.status == 500
        assert b"on purpose" not in answer.body
        assert peer.get("/hello").status == 200


def an_error_after_the_head_resets_its_stream_alone(connect: Connect) -> None:
    with Peer(connect()) as peer:
        answer = peer.get("/cut")
        assert answer.status == 200
        assert answer.reset == 2
        assert peer.get("/hello").status == 200


def a_large_request_body(connect: Connect) -> None:
    body = memoryview(PATTERN)[:LARGE]
    with Peer(connect()) as peer:
        assert peer.post("/digest", body).body == hashlib.sha256(body).hexdigest().encode()


def a_large_response(connect: Connect) -> None:
    with Peer(connect()) as peer:
        assert peer.get(f"/download?size={LARGE}").body == PATTERN[:LARGE]


def the_client_resets_a_stream_and_goes_on(connect: Connect) -> None:
    with Peer(connect()) as peer:
        stream = peer.ask("GET", "/endless")
        while len(peer.answers[stream].body) < 500_000:
            assert peer.turn()
        peer.connection.reset_stream(stream, 8)
        peer.flush()
        del peer.answers[stream]
        assert peer.get("/hello").status == 200


def the_client_leaves_in_the_middle(connect: Connect) -> None:
    with Peer(connect()) as peer:
        stream = peer.ask("GET", "/endless")
        while len(peer.answers[stream].body) < 500_000:
            assert peer.turn()
    with Peer(connect()) as peer:
        peer.send(peer.ask("POST", "/echo", end=False), b"the first half", end=False)
    with Peer(connect()) as peer:
        assert peer.get("/hello").status == 200


CONVERSATIONS = [
    get,
    several_requests_one_after_the_other,
    fifty_at_once_get_their_own_answers,
    a_body_with_and_without_a_length,
    a_body_that_is_shorter_than_its_length_is_malformed,
    trailers_of_a_request,
    head,
    a_body_that_waits_for_100_is_asked_for,
    a_streamed_response,
    a_response_without_content,
    early_hints,
    duplicate_fields_are_kept_in_order,
    an_error_of_the_application,
    an_error_after_the_head_resets_its_stream_alone,
    a_large_request_body,
    a_large_response,
    the_client_resets_a_stream_and_goes_on,
    the_client_leaves_in_the_middle,
]
