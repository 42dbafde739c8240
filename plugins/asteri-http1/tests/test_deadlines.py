"""Time and the life of a connection: deadlines of head, body and keep-alive, and draining."""

from __future__ import annotations

import pytest
from asteri_core.api import Peer, RemoteProtocolError
from asteri_http.settings import HttpSettings

PEER = Peer(("192.0.2.1", 50000), ("192.0.2.2", 80))
GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
BAD = b"GET /bad HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
EXPECT = b"POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"


def answer(exchange, content: bytes = b"ok") -> None:
    exchange.respond(200, [])
    exchange.send(content, True)


def read_all(exchange) -> None:
    while exchange.read():
        pass


# -- deadlines -------------------------------------------------------------------------------------------------------


def test_a_peer_that_sends_nothing_is_left_without_a_word(dialogue):
    talk = dialogue(header_timeout=10)
    assert not talk.wait(9.9).closed
    assert talk.wait(0.2).closed
    assert (talk.sent, talk.failed) == ([], [])


def test_an_idle_connection_is_left_after_keep_alive_without_a_word(dialogue):
    talk = dialogue(keep_alive=5).feed(GET)
    sent = len(talk.sent)
    assert not talk.wait(4.9).closed
    assert talk.wait(0.2).closed
    assert (len(talk.sent), talk.failed) == (sent, [])


def test_an_empty_line_does_not_prolong_keep_alive(dialogue):
    talk = dialogue(keep_alive=5).feed(GET).wait(4).feed(b"\r\n").wait(1.1)
    assert talk.closed
    assert talk.statuses == [200]


@pytest.mark.parametrize("first", [b"", GET])
def test_a_slow_head_is_answered_408(dialogue, first):
    talk = dialogue(header_timeout=10)
    if first:
        talk.feed(first)
    talk.feed(b"G")
    for _ in range(9):
        talk.wait(1).feed(b"E")
    assert not talk.closed
    talk.wait(1)
    assert talk.statuses[-1] == 408
    assert talk.closed
    assert [error.status for error in talk.failed] == [408]


def test_a_pause_in_a_body_is_answered_408(dialogue):
    talk = dialogue(body_timeout=30).feed(POST[:-1])
    assert not talk.wait(29.9).closed
    talk.wait(0.2)
    assert (talk.statuses, talk.seen, talk.closed) == ([408], [], True)
    assert talk.finished[0].status == 408


def test_a_dribbled_body_ends_although_it_never_pauses(dialogue):
    talk = dialogue(body_timeout=30, body_min_rate=240).feed(POST.replace(b": 5", b": 5000"))
    for _ in range(40):
        talk.wait(1).feed(b"x")
    assert (talk.statuses, talk.closed) == ([408], True)


def test_a_body_at_the_minimum_rate_is_taken(dialogue):
    talk = dialogue(body_timeout=3, body_min_rate=100).feed(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n"
    )
    for _ in range(20):
        talk.wait(1).feed(b"x" * 100)
    assert talk.statuses == [200]


def test_without_a_minimum_rate_only_pauses_count(dialogue):
    talk = dialogue(body_timeout=3, body_min_rate=0).feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n")
    for _ in range(50):
        talk.wait(2).feed(b"x")
    assert talk.statuses == [200]


def test_a_slow_body_after_the_response_has_begun_breaks_the_reader_only(exchange_of):
    talk, exchange = exchange_of(POST[:-1])
    exchange.respond(200, [])
    exchange.send(b"a")
    talk.turn()
    talk.wait(31)
    with pytest.raises(RemoteProtocolError) as caught:
        read_all(exchange)
    assert caught.value.status == 408
    exchange.finish()
    talk.turn()
    assert (talk.statuses, talk.closed) == ([200], True)


def test_a_body_the_application_does_not_take_is_not_the_peers_fault(exchange_of):
    talk, exchange = exchange_of(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
    talk.feed(b"x" * 70000)
    assert not talk.connection.wants_data
    talk.wait(1000)
    assert not talk.closed
    assert len(exchange.read()) == 70000
    talk.turn()
    talk.wait(29)
    assert not talk.closed
    talk.wait(2)
    assert talk.statuses == [408]


def test_a_client_that_waits_for_100_is_not_timed_until_it_gets_it(exchange_of):
    talk, exchange = exchange_of(EXPECT)
    talk.wait(1000)
    assert talk.sent == []
    exchange.read()
    talk.turn()
    talk.wait(29.9)
    assert talk.statuses == [100]
    talk.wait(0.2)
    assert talk.statuses == [100, 408]


def test_a_slow_application_has_no_deadline_here(exchange_of):
    talk, exchange = exchange_of(GET)
    talk.wait(100000)
    answer(exchange)
    talk.turn()
    assert talk.statuses == [200]
    assert not talk.wait(4.9).closed
    assert talk.wait(0.2).closed


def test_expire_before_the_deadline_does_nothing(dialogue):
    talk = dialogue().feed(b"GET / HT")
    talk.connection.expire(talk.now)
    talk.feed(b"TP/1.1\r\nHost: a\r\n\r\n")
    assert talk.statuses == [200]


# -- draining --------------------------------------------------------------------------------------------------------


def drain(talk, seconds: float) -> None:
    talk.connection.drain(talk.now + seconds, talk.now)
    talk.turn()


def test_a_draining_idle_connection_may_ask_once_more(dialogue):
    talk = dialogue(keep_alive=100).feed(GET)
    drain(talk, 2)
    assert not talk.wait(1.9).closed
    talk.feed(GET)
    assert talk.output.count(b"connection: close") == 1
    assert talk.closed


def test_a_draining_idle_connection_is_left_when_its_time_is_up(dialogue):
    talk = dialogue(keep_alive=100).feed(GET)
    drain(talk, 2)
    assert talk.wait(2.1).closed
    assert talk.statuses == [200]


def test_draining_while_a_request_runs_announces_the_close(exchange_of):
    talk, exchange = exchange_of()
    drain(talk, 2)
    talk.wait(100)
    answer(exchange)
    talk.turn()
    assert b"connection: close\r\n" in talk.output
    assert talk.closed


def test_draining_answers_what_has_been_received(exchange_of):
    talk, exchange = exchange_of(GET + GET)
    drain(talk, 2)
    answer(exchange)
    talk.turn()
    answer(talk.started[1])
    talk.turn()
    assert talk.statuses == [200, 200]
    assert talk.output.count(b"connection: close") == 1
    assert talk.closed


def test_draining_after_the_head_leaves_time_for_one_more(exchange_of):
    talk, exchange = exchange_of()
    exchange.respond(200, [])
    exchange.send(b"a")
    drain(talk, 2)
    exchange.finish()
    talk.turn()
    assert not talk.closed
    assert talk.wait(2.1).closed


def test_keep_alive_begins_when_the_response_has_left_and_not_when_it_is_handed_over(implementation):
    connection = implementation({HttpSettings: HttpSettings()})(PEER, 0.0)
    connection.receive_data(GET, 0.0)
    (started,) = connection.events()
    answer(started.exchange, b"x" * 100_000)
    assert connection.data_to_send(1.0)
    # A slow reader takes its time: the driver asks again only when all has left.
    assert connection.deadline() is None
    connection.expire(100.0)
    assert list(connection.data_to_send(100.0)) == []
    assert connection.deadline() == 100.0 + HttpSettings().keep_alive
