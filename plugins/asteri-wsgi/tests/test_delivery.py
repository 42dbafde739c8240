"""How an iterable becomes a response: lengths, streaming, HEAD and the statuses without content."""

from __future__ import annotations

import pytest
from asteri_core.api import Want
from asteri_wsgi.response import JOIN_LIMIT

HEAD = b"HEAD / HTTP/1.1\r\nHost: e\r\n\r\n"


def answering(blocks, status="200 OK", headers=()):
    def application(environ, start_response):
        start_response(status, list(headers))
        return blocks() if callable(blocks) else blocks

    return application


class Sized:
    """An iterable with ``len()`` that is no list."""

    def __init__(self, *blocks, size=None):
        self.blocks = blocks
        self.size = len(blocks) if size is None else size

    def __len__(self):
        return self.size

    def __iter__(self):
        return iter(self.blocks)


class Indexed:
    """An iterable of the old protocol."""

    def __getitem__(self, index):
        return [b"a", b"b"][index]


@pytest.mark.parametrize(
    ("blocks", "body", "length"),
    [
        ([b"hello"], b"hello", "5"),
        ((b"hello",), b"hello", "5"),
        ([b"a", b"b", b"c"], b"abc", "3"),
        ([b"", b"a", b""], b"a", "1"),
        ([], b"", "0"),
        ((), b"", "0"),
        ([b""], b"", "0"),
        ([b"", b""], b"", "0"),
        ([b"x" * JOIN_LIMIT], b"x" * JOIN_LIMIT, str(JOIN_LIMIT)),
        ([b"x" * JOIN_LIMIT, b"y"], b"x" * JOIN_LIMIT + b"y", str(JOIN_LIMIT + 1)),
        (Sized(b"hello"), b"hello", "5"),
        (Sized(b"a", b"b"), b"ab", None),
        (lambda: iter([b"a", b"b"]), b"ab", None),
        (lambda: iter([b"", b"a", b"", b"b", b""]), b"ab", None),
        (lambda: iter([]), b"", "0"),
        (lambda: iter([b"", b""]), b"", "0"),
        (lambda: (block for block in [b"a"]), b"a", None),
        (Indexed(), b"ab", None),
        ({b"a": 1}, b"a", "1"),
    ],
)
def test_content_and_its_length(client, blocks, body, length):
    answer = client(answering(blocks)).request()
    assert (answer.body, answer["content-length"], answer.whole) == (body, length, True)
    assert answer["transfer-encoding"] == ("chunked" if length is None else None)


def test_declared_length_is_kept_for_a_stream(client):
    answer = client(answering(lambda: iter([b"ab", b"c"]), headers=[("Content-Length", "3")])).request()
    assert (answer.body, answer["content-length"], answer["transfer-encoding"]) == (b"abc", "3", None)


def test_stream_to_http_1_0_ends_with_the_connection(client):
    answer = client(answering(lambda: iter([b"ab", b"c"]))).request(b"GET / HTTP/1.0\r\n\r\n")
    assert (answer.body, answer["connection"]) == (b"abc", "close")


def test_head_and_content_of_a_small_answer_leave_in_one_piece(client):
    one = client(answering([b"hello"]))
    one.request()
    assert len(one.sent) == 1


def test_each_block_is_sent_before_the_next_is_asked_for(client):
    flushed = []

    def blocks():
        yield b""
        flushed.append(one.flush())
        yield b"one"
        flushed.append(one.flush())
        yield b"two"
        flushed.append(one.flush())

    one = client(answering(blocks))
    assert one.request().body == b"onetwo"
    assert flushed[0] == b""
    assert flushed[1].startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"one" in flushed[1]
    assert b"two" in flushed[2]


def test_last_byte_of_a_declared_length_ends_the_response_at_once(client):
    flushed = []

    def blocks():
        yield b"abc"
        flushed.append(one.flush())
        yield b""

    one = client(answering(blocks, headers=[("Content-Length", "3")]))
    one.request()
    assert flushed[0].endswith(b"\r\n\r\nabc")
    assert len(one.sent) == 1


def test_start_response_may_be_called_by_the_first_step_of_the_iterable(client):
    def application(environ, start_response):
        yield b""
        start_response("201 Created", [])
        yield b"late"

    answer = client(application).request()
    assert (answer.status, answer.body) == (201, b"late")


def test_a_class_whose_instances_are_the_response_is_an_application(client):
    class Application:
        def __init__(self, environ, start_response):
            self.start_response = start_response

        def __iter__(self):
            self.start_response("200 OK", [])
            yield b"from an instance"

    assert client(Application).request().body == b"from an instance"


def test_the_application_waits_for_a_slow_reader(client):
    block = b"x" * 70_000
    pending = []

    def blocks():
        for _ in range(5):
            yield block
            pending.append(one.connection.data_to_send(0.0))

    one = client(answering(blocks))
    answer = one.request()
    assert len(answer.body) == 5 * len(block)
    assert one.waits == [Want.WRITE] * 5
    assert not any(pending)


@pytest.mark.parametrize(
    ("blocks", "length"),
    [
        ([b"hello"], "5"),
        ([b"a", b"b"], "2"),
        ([], None),
        ([b"x" * JOIN_LIMIT, b"y"], str(JOIN_LIMIT + 1)),
        (lambda: iter([b"a", b"b"]), None),
    ],
)
def test_answer_to_head_has_the_fields_and_no_content(client, blocks, length):
    answer = client(answering(blocks)).request(HEAD)
    assert (answer.status, answer.body, answer.whole) == (200, b"", True)
    assert answer["content-length"] == length


def test_answer_to_head_keeps_a_declared_length(client, errors):
    answer = client(answering([], headers=[("Content-Length", "1000")])).request(HEAD)
    assert (answer.body, answer["content-length"]) == (b"", "1000")
    assert errors() == []


def test_a_stream_that_answers_head_is_closed_after_its_first_block(client):
    steps = []

    def blocks():
        try:
            for number in range(1000):
                steps.append(number)
                yield b"x"
        finally:
            steps.append("closed")

    client(answering(blocks)).request(HEAD)
    assert steps == [0, "closed"]


def test_write_answers_head_without_content(client):
    def application(environ, start_response):
        write = start_response("200 OK", [])
        write(b"one")
        write(b"two")
        return [b"three"]

    answer = client(application).request(HEAD)
    assert (answer.status, answer.body, answer.whole) == (200, b"", True)


@pytest.mark.parametrize("status", ["204 No Content", "205 Reset Content", "304 Not Modified"])
@pytest.mark.parametrize("blocks", [[], [b"content"], [b"a", b"b"], lambda: iter([b"a", b"b"])])
def test_statuses_without_content_send_none(client, errors, status, blocks):
    one = client(answering(blocks, status))
    answer = one.request()
    assert (answer.status, answer.body, answer.whole) == (int(status[:3]), b"", True)
    assert one.sent[-1].endswith(b"\r\n\r\n")
    assert errors() == []


@pytest.mark.parametrize(
    ("blocks", "length", "status"),
    [
        ([b"hello"], "4", 500),
        ([b"hello"], "6", 500),
        ([b"a", b"b"], "1", 500),
        ([], "1", 500),
        (lambda: iter([b"hello"]), "4", 500),
        (lambda: iter([]), "1", 500),
        (lambda: iter([b"hello"]), "6", 200),
        (lambda: iter([b"hel", b"lo"]), "4", 200),
    ],
)
def test_content_that_breaks_its_length_is_an_error_and_no_whole_response(client, errors, blocks, length, status):
    answer = client(answering(blocks, headers=[("Content-Length", length)])).request()
    assert answer.status == status
    assert answer.whole is (status == 500)
    assert len(errors()) == 1
    assert "LocalProtocolError" in errors()[0]


def test_content_after_the_declared_length_is_not_sent_and_logged(client, errors):
    answer = client(answering(lambda: iter([b"abc", b"d"]), headers=[("Content-Length", "3")])).request()
    assert (answer.body, answer.whole) == (b"abc", True)
    assert "the content is longer than its content-length, 3 bytes" in errors()[0]


def test_an_iterable_that_is_longer_than_its_len_is_logged(client, errors):
    answer = client(answering(Sized(b"abc", b"d", size=1))).request()
    assert (answer.body, answer.whole) == (b"abc", True)
    assert "longer than its content-length" in errors()[0]


def test_connection_serves_one_request_after_the_other(client):
    one = client(answering([b"x"]))
    for _ in range(3):
        one.sent.clear()
        assert one.request().body == b"x"
