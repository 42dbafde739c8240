"""13, 14, 15, 16. Bodies that nobody reads, bodies that are asked for, and what an application gets wrong in an answer.

RFC 9113 sections 8.1 and 8.2: an early answer stops the upload and nothing else; what cannot be sent whole resets its
stream, so that the client can tell; no value becomes a field of its own.
"""

from __future__ import annotations

import pytest
from attacking.http2 import CANCEL, INTERNAL_ERROR, NO_ERROR, Answer, Fields, Http2Client, data, fields, reset
from attacking.responses import RESPONSES
from attacking.target import Attacked

EXPECT = (b"expect", b"100-continue")
READ = fields(EXPECT, (b"content-length", b"5"), method=b"POST", path=b"/read")
IGNORE = fields(EXPECT, (b"content-length", b"500000"), method=b"POST", path=b"/ignore")
LATER = fields(path=b"/later")


def check_goes_on(attack: Attacked, peer: Http2Client) -> None:
    assert peer.request(1001, LATER).status == 200
    assert peer.goaways == []
    attack.check_alive()


# -- bodies -----------------------------------------------------------------------------------------------------------


def test_an_early_answer_stops_the_upload_and_others_go_on(h2: Attacked) -> None:
    h2.records()
    with Http2Client(h2.client()) as peer:
        peer.send(peer.head(1, IGNORE, False))
        answer = peer.wait(1)
        assert (answer.status, answer.body) == (200, b"ignored")
        peer.read_until(lambda: answer.reset is not None)
        assert answer.reset == NO_ERROR
        peer.send(data(1, bytes(16000), False) * 3)  # was on its way
        check_goes_on(h2, peer)
        assert answer.reset == NO_ERROR
    assert h2.seen() == [("POST /ignore", b""), ("GET /later", b"")]


def test_a_body_that_nobody_read_takes_no_window_from_the_others(h2: Attacked) -> None:
    """The window of the connection is a megabyte: it has to come back, else the last of these could not be sent."""
    with Http2Client(h2.client()) as peer:
        for stream in range(1, 201, 2):
            block = fields((b"content-length", b"16000"), method=b"POST", path=b"/ignore")
            assert peer.request(stream, block, bytes(16000)).body == b"ignored"
        check_goes_on(h2, peer)


def test_100_is_sent_when_the_application_reads(h2: Attacked) -> None:
    h2.records()
    with Http2Client(h2.client()) as peer:
        peer.send(peer.head(1, READ, False))
        answer = peer.answer(1)
        peer.read_until(lambda: bool(answer.interim))
        peer.send(data(1, b"hello"))
        assert peer.wait(1).status == 200
        assert [status for status, _ in answer.interim] == [100]
        check_goes_on(h2, peer)
    assert h2.seen() == [("POST /read", b"hello"), ("GET /later", b"")]


def test_100_is_not_sent_to_whom_it_says_nothing(h2: Attacked) -> None:
    with Http2Client(h2.client()) as peer:
        assert peer.request(1, READ, b"hello").interim == []
        assert peer.request(3, [*IGNORE[:-1], (b"content-length", b"0")], b"").interim == []
        assert peer.request(5, fields(EXPECT)).interim == []
        peer.send(peer.head(7, IGNORE, False))
        assert peer.wait(7).interim == []
        check_goes_on(h2, peer)


@pytest.mark.parametrize("size", [65535, 65536, 65537, 1_000_000])
def test_a_body_at_the_edges_of_windows_and_memory_is_kept_whole(h2: Attacked, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    h2.records()
    with Http2Client(h2.client()) as peer:
        peer.upload(1, fields(method=b"POST", path=b"/read"), body)
        assert peer.wait(1).status == 200
        check_goes_on(h2, peer)
    [(_, seen), _] = h2.seen()
    assert seen in (body, b"%d bytes" % size)


def test_trailers_that_look_like_a_request_are_none(h2: Attacked) -> None:
    h2.records()
    with Http2Client(h2.client()) as peer:
        block = [(b"host", b"b"), (b"content-length", b"9"), (b"x-sum", b"1"), (b"authorization", b"x")]
        peer.send(peer.head(1, fields(method=b"POST", path=b"/read"), False) + data(1, b"hello", False))
        peer.send(peer.head(1, block))
        assert peer.wait(1).status == 200
        check_goes_on(h2, peer)
    assert h2.seen() == [("POST /read", b"hello"), ("GET /later", b"")]


# -- responses --------------------------------------------------------------------------------------------------------


def respond(attack: Attacked, name: str, method: bytes = b"GET", *more: tuple[bytes, bytes]) -> Answer:
    """The answer to a request for a wrong response; another one on the connection is answered behind it."""
    with Http2Client(attack.client()) as peer:
        block: Fields = fields(*more, method=method, path=b"/respond/" + name.encode())
        answer = peer.request(1, block)
        check_goes_on(attack, peer)
        return answer


@pytest.mark.parametrize("name", ["plain", "chunked", "length", "204", "304", "205", "hint", "trailer"])
def test_a_response_to_head_has_no_content(h2: Attacked, name: str) -> None:
    answer = respond(h2, name, b"HEAD")
    assert (answer.ended, answer.body) == (True, b"")


@pytest.mark.parametrize("name", ["204", "304", "205"])
def test_statuses_without_content_have_none(h2: Attacked, name: str) -> None:
    answer = respond(h2, name)
    assert (answer.status, answer.body, answer.ended) == (int(name), b"", True)


@pytest.mark.parametrize("name", ["short-whole", "long-whole", "two-lengths", "negative-length"])
def test_a_length_that_is_known_to_be_wrong_is_500(h2: Attacked, name: str) -> None:
    answer = respond(h2, name)
    assert answer.status == 500
    assert b"content" not in answer.body


@pytest.mark.parametrize("name", ["short", "long"])
def test_a_length_that_turns_out_wrong_resets_the_stream(h2: Attacked, name: str) -> None:
    answer = respond(h2, name)
    assert (answer.ended, answer.reset) == (False, INTERNAL_ERROR)


@pytest.mark.parametrize("name", [name for name in RESPONSES if name.startswith("split") and "trailer" not in name])
def test_a_response_cannot_be_split(h2: Attacked, name: str) -> None:
    answer = respond(h2, name)
    # ASGI has no reason phrases, so there the application says nothing wrong.
    assert answer.status == (200 if "reason" in name and h2.target.interface == "asgi" else 500)
    assert answer.interim == []
    assert answer.all(b"set-cookie") == []


@pytest.mark.parametrize("name", ["split-trailer", "trailer-length"])
def test_trailers_cannot_split_a_response(h2: Attacked, name: str) -> None:
    answer = respond(h2, name, b"GET", (b"te", b"trailers"))
    assert answer.trailers == []
    assert answer.reset == (INTERNAL_ERROR if h2.target.interface == "asgi" else None)


def test_good_trailers_and_hints_arrive(h2: Attacked) -> None:
    """The suite itself: what is refused above is not refused for being a trailer or a hint."""
    answer = respond(h2, "trailer", b"GET", (b"te", b"trailers"))
    assert answer.trailers == ([(b"x-sum", b"1")] if h2.target.interface == "asgi" else [])
    assert respond(h2, "hint").interim == [(103, [(b"link", b"</a>; rel=preload")])]


def test_the_application_survives_every_wrong_response(h2: Attacked) -> None:
    """All at once on one connection, some of them reset in the middle."""
    with Http2Client(h2.client()) as peer:
        streams = dict(zip(range(1, 1000, 2), RESPONSES, strict=False))
        for stream, name in streams.items():
            peer.send(peer.head(stream, fields(path=b"/respond/" + name.encode())))
        for stream in streams:
            if stream % 3 == 0:
                peer.send(reset(stream, CANCEL))
            else:
                answer = peer.wait(stream)
                assert b"stolen" not in repr(answer).encode()
                assert b"owned" not in answer.body
        check_goes_on(h2, peer)
