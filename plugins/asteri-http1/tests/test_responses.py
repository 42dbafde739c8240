"""Responses: framing, content that lies about its length, interim responses, files, and what is told of a failure."""

from __future__ import annotations

from array import array

import pytest
from asteri_core.api import Disconnected, FileSlice, LocalProtocolError, Want
from asteri_http.failure import answer_failure


def get(version: bytes = b"1.1", *lines: bytes, method: bytes = b"GET") -> bytes:
    return b"\r\n".join([method + b" / HTTP/" + version, b"Host: a", *lines]) + b"\r\n\r\n"


def test_content_sent_at_once_gets_its_length_and_leaves_as_one_piece(exchange_of):
    talk, exchange = exchange_of()
    exchange.respond(200, [(b"content-type", b"a/b")])
    assert exchange.send(b"hello", True)
    talk.turn()
    assert len(talk.sent) == 1
    assert talk.fields[b"content-length"] == b"5"
    assert talk.read_by_h11() == (200, b"hello", [])
    assert (exchange.status, exchange.sent, talk.closed) == (200, 5, False)
    assert talk.finished == [exchange]


def test_finishing_without_content_sends_a_length_of_zero(exchange_of):
    talk, exchange = exchange_of()
    exchange.respond(404, [])
    exchange.finish()
    talk.turn()
    assert talk.fields[b"content-length"] == b"0"


def test_content_of_unknown_length_is_chunked(exchange_of):
    talk, exchange = exchange_of()
    exchange.respond(200, [])
    exchange.send(b"hello")
    exchange.send(b"")
    exchange.send(bytearray(b" "))
    exchange.send(memoryview(b"world"))
    exchange.send(b"!" * 20000)
    exchange.finish()
    talk.turn()
    assert talk.fields[b"transfer-encoding"] == b"chunked"
    assert talk.read_by_h11() == (200, b"hello world" + b"!" * 20000, [])
    assert exchange.sent == 20011


def test_a_declared_length_is_kept(exchange_of):
    talk, exchange = exchange_of()
    exchange.respond(200, [(b"Content-Length", b"10")])
    exchange.send(b"hello")
    exchange.send(b"world")
    exchange.finish()
    talk.turn()
    assert talk.content == b"helloworld"
    assert not talk.closed


@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_http_1_0_content_of_unknown_length_ends_with_the_connection(exchange_of, method):
    talk, exchange = exchange_of(get(b"1.0", b"Connection: keep-alive", method=method))
    exchange.respond(200, [])
    exchange.send(b"hello")
    exchange.finish()
    talk.turn()
    assert talk.fields[b"connection"] == b"close"
    assert b"transfer-encoding" not in talk.fields
    assert talk.content == b"hello"
    assert talk.closed


@pytest.mark.parametrize(
    ("version", "lines", "answer", "closed"),
    [
        (b"1.1", [], None, False),
        (b"1.1", [b"Connection: close"], b"close", True),
        (b"1.1", [b"Connection: Foo, CLOSE"], b"close", True),
        (b"1.1", [b"Connection: foo", b"Connection: close"], b"close", True),
        (b"1.1", [b"Connection: keep-alive"], None, False),
        (b"1.0", [], b"close", True),
        (b"1.0", [b"Connection: keep-alive"], b"keep-alive", False),
        (b"1.0", [b"Connection: Keep-Alive"], b"keep-alive", False),
        (b"1.0", [b"Connection: keep-alive, close"], b"close", True),
    ],
)
def test_the_client_says_whether_the_connection_goes_on(exchange_of, version, lines, answer, closed):
    talk, exchange = exchange_of(get(version, *lines))
    exchange.respond(200, [])
    exchange.send(b"x", True)
    talk.turn()
    assert talk.fields.get(b"connection") == answer
    assert talk.closed == closed


def test_the_application_may_close_the_connection(exchange_of):
    talk, exchange = exchange_of()
    exchange.respond(200, [(b"Connection", b"Close")])
    exchange.finish()
    talk.turn()
    assert talk.output.lower().count(b"connection:") == 1
    assert talk.closed


def test_keep_alive_of_zero_closes_after_each_response(exchange_of):
    talk, exchange = exchange_of(keep_alive=0)
    exchange.respond(200, [])
    exchange.finish()
    talk.turn()
    assert talk.fields[b"connection"] == b"close"
    assert talk.closed


@pytest.mark.parametrize(
    ("method", "status", "length"),
    [
        (b"HEAD", 200, b"5"), (b"HEAD", 200, None), (b"GET", 204, None), (b"GET", 304, b"5"), (b"GET", 304, None),
        (b"GET", 205, b"0"), (b"HEAD", 404, b"5"),
    ],
)  # fmt: skip
def test_responses_without_content_carry_none(exchange_of, method, status, length):
    talk, exchange = exchange_of(get(method=method))
    exchange.respond(status, [(b"content-length", length)] if length else [])
    exchange.send(b"hello")
    exchange.send(b"more")
    exchange.finish()
    talk.turn()
    assert talk.content == b""
    assert talk.fields.get(b"content-length") == length
    assert b"transfer-encoding" not in talk.fields
    assert exchange.sent == 0
    assert not talk.closed
    assert talk.read_by_h11(method.decode()) == (status, b"", [])


def test_a_204_loses_its_content_length(exchange_of):
    talk, exchange = exchange_of()
    exchange.respond(204, [(b"content-length", b"5")])
    exchange.send(b"hello", True)
    talk.turn()
    assert b"content-length" not in talk.fields
    assert talk.content == b""


def test_content_longer_than_declared_in_one_piece_is_replaced_by_a_500(exchange_of):
    talk, exchange = exchange_of()
    exchange.respond(200, [(b"content-length", b"4")])
    with pytest.raises(LocalProtocolError, match="longer"):
        exchange.send(b"hello", True)
    answer_failure(exchange)
    talk.turn()
    assert talk.statuses == [500]
    assert not talk.closed


@pytest.mark.parametrize("pieces", [[b"hel", b"lo!"], [b"he", b"l", b"lo!"]])
def test_content_longer_than_declared_is_cut(exchange_of, pieces):
    talk, exchange = exchange_of()
    exchange.respond(200, [(b"content-length", b"5")])
    for piece in pieces[:-1]:
        exchange.send(piece)
    with pytest.raises(LocalProtocolError, match="longer"):
        exchange.send(pieces[-1])
    talk.turn()
    assert len(talk.content) < 5
    assert talk.closed
    assert talk.finished == [exchange]


@pytest.mark.parametrize("by_send", [True, False])
def test_content_shorter_than_declared_is_cut(exchange_of, by_send):
    talk, exchange = exchange_of()
    exchange.respond(200, [(b"content-length", b"5")])
    exchange.send(b"he")
    act = (lambda: exchange.send(b"l", True)) if by_send else exchange.finish
    with pytest.raises(LocalProtocolError, match="shorter"):
        act()
    talk.turn()
    assert talk.content == b"he"
    assert talk.closed


def test_early_hints_come_before_the_response(exchange_of):
    talk, exchange = exchange_of()
    exchange.inform(103, [(b"link", b"</a>; rel=preload"), (b"content-length", b"5")])
    talk.turn()
    assert talk.output == b"HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n"
    exchange.respond(200, [])
    exchange.finish()
    talk.turn()
    assert talk.statuses == [103, 200]
    assert talk.read_by_h11()[0] == 200


def test_http_1_0_gets_no_interim_response(exchange_of):
    talk, exchange = exchange_of(get(b"1.0"))
    exchange.inform(103, [])
    exchange.respond(200, [])
    exchange.finish()
    talk.turn()
    assert talk.statuses == [200]


@pytest.mark.parametrize("status", [99, 101, 200, "103", None])
def test_only_interim_statuses_inform(exchange_of, status):
    _, exchange = exchange_of()
    with pytest.raises(LocalProtocolError):
        exchange.inform(status, [])


def test_illegal_moves_name_the_state_and_the_operation(exchange_of):
    talk, exchange = exchange_of()
    for act in (lambda: exchange.send(b"x"), exchange.finish):
        with pytest.raises(LocalProtocolError, match="in state 'no response yet'"):
            act()
    exchange.respond(200, [])
    with pytest.raises(LocalProtocolError, match="cannot respond in state 'head set, not sent'"):
        exchange.respond(200, [])
    exchange.send(b"x")
    with pytest.raises(LocalProtocolError, match="cannot inform in state 'head sent'"):
        exchange.inform(103, [])
    exchange.finish()
    for act in (lambda: exchange.send(b"x"), exchange.finish, lambda: exchange.respond(200, [])):
        with pytest.raises(LocalProtocolError, match="in state 'response complete'"):
            act()
    exchange.abort()
    talk.turn()
    assert talk.read_by_h11() == (200, b"x", [])
    assert not talk.closed


def test_a_failure_before_the_head_is_a_500_and_after_it_a_cut(exchange_of):
    talk, exchange = exchange_of()
    answer_failure(exchange)
    talk.turn()
    assert (talk.statuses, talk.closed) == ([500], False)
    talk, exchange = exchange_of()
    exchange.respond(200, [])
    answer_failure(exchange, 504)
    talk.turn()
    assert (talk.statuses, talk.closed) == ([504], False)
    talk, exchange = exchange_of()
    exchange.respond(200, [])
    exchange.send(b"hello")
    answer_failure(exchange)
    talk.turn()
    assert talk.content == b"5\r\nhello\r\n"
    assert talk.closed
    with pytest.raises(Disconnected):
        exchange.send(b"x")


def test_a_file_passes_through_with_the_framing_around_it(exchange_of, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        piece = FileSlice(file, 2, 5)
        talk, exchange = exchange_of()
        exchange.respond(200, [(b"content-length", b"5")])
        exchange.send(piece, True)
        talk.turn()
        assert talk.sent[1:] == [piece]
        talk, exchange = exchange_of()
        exchange.respond(200, [])
        exchange.send(piece)
        exchange.send(FileSlice(file, 0, 0))
        exchange.finish()
        talk.turn()
        assert talk.sent[0].endswith(b"\r\n\r\n5\r\n") or talk.sent[1] == b"5\r\n"
        after = talk.sent[talk.sent.index(piece) + 1 :]
        assert b"".join(after) == b"\r\n0\r\n\r\n"
        assert exchange.sent == 5


def test_a_memory_view_is_counted_in_bytes(exchange_of):
    numbers = memoryview(array("I", [0x61616161, 0x62626262, 0x63636363]))
    for view, content in ((numbers, bytes(numbers)), (memoryview(b"abcdef")[::2], b"ace")):
        talk, exchange = exchange_of()
        exchange.respond(200, [(b"content-length", b"%d" % len(content))])
        exchange.send(view, True)
        talk.turn()
        assert talk.content == content
        assert not talk.closed


@pytest.mark.parametrize("content", ["text", None, 5, [b"x"], FileSlice(None, 0, -1)])
def test_content_that_is_not_bytes_is_refused_before_anything_is_sent(exchange_of, content):
    talk, exchange = exchange_of()
    exchange.respond(200, [])
    with pytest.raises(LocalProtocolError, match="expected bytes"):
        exchange.send(content, True)
    answer_failure(exchange)
    talk.turn()
    assert talk.statuses == [500]


def test_a_full_queue_asks_to_wait_and_tells_when_there_is_room(exchange_of):
    talk, exchange = exchange_of()
    exchange.respond(200, [])
    assert exchange.send(b"x" * 60000)
    assert not exchange.send(b"x" * 6000)
    called = []
    assert exchange.watch(Want.WRITE, lambda: called.append(1)) is False
    talk.turn()
    assert called == [1]
    assert exchange.watch(Want.WRITE, lambda: called.append(2)) is True
    assert exchange.send(b"x")


def test_every_operation_that_leaves_something_wakes_the_driver(exchange_of):
    talk, exchange = exchange_of(get(b"1.1", b"Expect: 100-continue", b"Content-Length: 1"))
    for act in (
        lambda: exchange.inform(103, []),
        exchange.read,
        lambda: (exchange.respond(200, []), exchange.send(b"x")),
        lambda: exchange.send(b"y"),
        exchange.finish,
    ):
        talk.woken = 0
        act()
        assert talk.woken
        talk.turn()
    talk, exchange = exchange_of()
    exchange.abort()
    assert talk.woken
