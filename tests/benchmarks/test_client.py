"""The client that checks servers: answers are read by their framing, and a server that errs in anything is refused."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
from collections.abc import Iterator

import pytest
from comparison.client import BadAnswer, check, read_answer, request
from comparison.scenarios import Scenario, filled

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
RIGHT = HEAD + b"Content-Length: 5\r\n\r\n" + filled(5)


def scenario(**changes: object) -> Scenario:
    known: dict[str, object] = {"size": 5, **changes}
    return Scenario(name="one", title="One", interface="wsgi", application="plain_wsgi:small", **known)  # type: ignore[arg-type]


@contextlib.contextmanager
def server(*connections: list[tuple[int, bytes]], keep: bool = True) -> Iterator[int]:
    """Serves the connections in turn: for each pair, reads so many heads and their bodies, and sends the bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            for exchanges in connections:
                connection, _ = listener.accept()
                with connection, connection.makefile("rb") as stream:
                    for heads, answer in exchanges:
                        for _ in range(heads):
                            read_request(stream)
                        connection.sendall(answer)
                    if keep:
                        stream.read()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


def read_request(stream: io.BufferedReader) -> None:
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    stream.read(length)


@pytest.mark.parametrize(
    ("wire", "content"),
    [
        (RIGHT, b"aster"),
        (HEAD + b"Content-Length: 0\r\n\r\n", b""),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nast\r\n2\r\ner\r\n0\r\n\r\n", b"aster"),
        (HEAD + b"\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200\r\nX:\r\n\r\n", b""),
    ],
)
def test_answers_are_read_by_their_framing(wire: bytes, content: bytes) -> None:
    answer = read_answer(io.BytesIO(wire))
    assert (answer.status, answer.content, answer.size) == (200, content, len(wire))


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (b"", "the connection ended"),
        (b"HTTP/2 200 OK\r\n\r\n", "not a status line"),
        (b"HTTP/1.1 200 OK\n\n", "not a status line"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "not a header field"),
        (b"HTTP/1.1 200 OK\r\nSpace : 1\r\n\r\n", "not a header field"),
        (HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\naster", "framed more than once"),
        (HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\naster", "framed more than once"),
        (HEAD + b"Content-Length: +5\r\n\r\naster", "not a length"),
        (HEAD + b"Content-Length: 5\r\n\r\naste", "expected 5 bytes, found 4"),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\naster", "not a known transfer coding"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nx\r\n", "not the size of a chunk"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "not the end of a chunk"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n", "not the size of a chunk"),
    ],
)
def test_what_is_not_an_answer_is_refused(wire: bytes, message: str) -> None:
    with pytest.raises(BadAnswer, match=message):
        read_answer(io.BytesIO(wire))


def test_two_answers_on_a_kept_connection_pass() -> None:
    with server([(1, RIGHT), (1, RIGHT)]) as port:
        checked = check(port, scenario(), keeps=True)
    assert (checked.content, checked.size, checked.dated) == (b"aster", len(RIGHT), False)


def test_a_date_is_noticed() -> None:
    dated = RIGHT.replace(b"\r\n\r\n", b"\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n")
    with server([(1, dated), (1, dated)]) as port:
        assert check(port, scenario(), keeps=True).dated


def test_pipelined_requests_are_sent_at_once() -> None:
    with server([(16, RIGHT * 16), (16, RIGHT * 16)]) as port:
        assert check(port, scenario(pipeline=16), keeps=True).content == b"aster"


@pytest.mark.parametrize(("changes", "keeps"), [({"close": True}, True), ({}, False)])
def test_a_connection_may_end_where_it_should(changes: dict[str, object], keeps: bool) -> None:
    with server([(1, RIGHT)], keep=False) as port:
        assert check(port, scenario(**changes), keeps).content == b"aster"


def test_a_connection_that_ends_between_two_answers_is_refused() -> None:
    with server([(1, RIGHT)], keep=False) as port, pytest.raises(BadAnswer):
        check(port, scenario(), keeps=True)


@pytest.mark.parametrize(("changes", "keeps"), [({"close": True}, True), ({}, False)])
def test_a_connection_that_is_kept_where_it_should_end_is_refused(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], keeps: bool
) -> None:
    monkeypatch.setattr("comparison.client.END", 0.05)
    with server([(1, RIGHT)]) as port, pytest.raises(BadAnswer, match="kept"):
        check(port, scenario(**changes), keeps)


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (RIGHT.replace(b"200", b"404"), "found 404"),
        (RIGHT.replace(b"aster", b"Aster"), "found 200, b'Aster'"),
        (RIGHT.replace(b"text/plain", b"text/html"), "expected the application's type"),
        (RIGHT + b"more", "bytes behind the answer: b'more'"),
    ],
)
def test_a_wrong_answer_is_refused(wire: bytes, message: str) -> None:
    with server([(1, wire)], keep=False) as port, pytest.raises(BadAnswer, match=message):
        check(port, scenario(close=True), keeps=True)


def test_answers_of_different_sizes_are_refused() -> None:
    longer = RIGHT.replace(b"200 OK", b"200 Okay")
    with server([(1, RIGHT), (1, longer)]) as port, pytest.raises(BadAnswer, match="different sizes"):
        check(port, scenario(), keeps=True)


def posted(content: bytes) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(content), content)


def test_a_body_that_arrived_whole_passes() -> None:
    # The CRC of b"asteri as".
    with server([(1, posted(b"9")), (1, posted(b"9"))], [(1, posted(b"9 874b4a4d"))]) as port:
        assert check(port, scenario(body=9), keeps=True).content == b"9"


def test_another_body_of_the_same_length_is_refused() -> None:
    answers = [(1, posted(b"9")), (1, posted(b"9"))]
    with server(answers, [(1, posted(b"9 00000000"))]) as port, pytest.raises(BadAnswer, match="another body"):
        check(port, scenario(body=9), keeps=True)


def test_json_may_be_spaced_as_the_framework_likes() -> None:
    content = b'{"numbers":[0,1,2,3,4,5,6,7,8,9],"message":"Hello, World!"}'
    with server([(1, posted(content)), (1, posted(content))]) as port:
        assert check(port, scenario(json=True), keeps=True).content == content


def test_requests_are_those_of_the_load_generator() -> None:
    head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nConnection: close\r\nContent-Length: 9\r\n\r\n"
    assert request(scenario(body=9, close=True), 8000) == head + b"asteri as"
    assert request(scenario(), 8000) == b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"
