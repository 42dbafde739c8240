"""The life of a connection: keep-alive, pipelining, expectations, upgrades, EOF and loss."""

from __future__ import annotations

import pytest
from asteri_core.api import CLOSE, Connection, Disconnected, LocalProtocolError, Want

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


# -- one after the other ---------------------------------------------------------------------------------------------


def test_a_good_request_means_the_same_however_it_is_cut(same_for_every_cut):
    for data in (GET, POST, CHUNKED):
        talk = same_for_every_cut(data)
        assert (talk.statuses, talk.closed, len(talk.seen)) == ([200], False, 1)


def test_pipelined_requests_are_answered_in_order_however_they_are_cut(same_for_every_cut):
    talk = same_for_every_cut(GET + POST + CHUNKED + GET)
    assert [seen[1::2] for seen in talk.seen] == [(b"/a", b""), (b"/p", b"hello"), (b"/c", b"hello"), (b"/a", b"")]
    assert talk.statuses == [200] * 4
    assert not talk.closed


def test_a_bad_request_ends_a_pipeline_however_it_is_cut(same_for_every_cut):
    talk = same_for_every_cut(GET + BAD + GET)
    assert (talk.statuses, [seen[1] for seen in talk.seen], talk.closed) == ([200, 400], [b"/a"], True)
    talk = same_for_every_cut(BAD + GET)
    assert (talk.statuses, talk.seen, talk.closed) == ([400], [], True)


def test_the_next_request_waits_for_the_running_one(exchange_of):
    talk, first = exchange_of(GET + BAD)
    assert len(talk.started) == 1
    assert talk.failed == []
    answer(first)
    talk.turn()
    assert talk.finished == [first]
    assert talk.statuses == [200, 400]


def test_bytes_behind_a_response_that_closes_are_not_read(dialogue):
    talk = dialogue().feed(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + GET)
    assert (talk.statuses, len(talk.seen), talk.closed) == ([200], 1, True)


def test_an_early_answer_with_an_unread_body_closes_and_says_so(exchange_of):
    talk, exchange = exchange_of(POST[:-2])
    answer(exchange)
    talk.turn()
    assert b"connection: close\r\n" in talk.output
    assert talk.closed
    with pytest.raises(Disconnected):
        exchange.read()


def test_an_early_answer_goes_on_when_the_body_is_all_there(exchange_of):
    talk, exchange = exchange_of(POST + GET)
    answer(exchange)
    talk.turn()
    assert b"connection: close" not in talk.output
    assert len(talk.started) == 2
    assert talk.started[1].target == b"/a"


def test_an_early_streamed_answer_closes_when_the_body_is_still_missing_at_its_end(exchange_of):
    talk, exchange = exchange_of(POST[:-2])
    exchange.respond(200, [])
    exchange.send(b"a")
    exchange.finish()
    talk.turn()
    assert talk.output.endswith(b"0\r\n\r\n")
    assert talk.closed


def test_a_response_may_start_before_the_body_has_come(exchange_of):
    talk, exchange = exchange_of(POST[:-2])
    exchange.respond(200, [])
    exchange.send(b"a")
    talk.feed(b"lo")
    assert exchange.read() == b"hello"
    assert exchange.read() == b""
    exchange.finish()
    talk.feed(GET)
    assert not talk.closed
    assert len(talk.started) == 2


# -- expectations ----------------------------------------------------------------------------------------------------


def test_100_is_sent_when_the_application_reads_and_has_to_wait(exchange_of):
    talk, exchange = exchange_of(EXPECT)
    assert exchange.expects_continue
    assert talk.sent == []
    assert exchange.read() is None
    assert exchange.read() is None
    talk.turn()
    assert talk.output == b"HTTP/1.1 100 Continue\r\n\r\n"
    talk.feed(b"hello")
    assert exchange.read() == b"hello"
    answer(exchange)
    talk.turn()
    assert talk.statuses == [100, 200]
    assert not talk.closed


def test_100_is_not_sent_when_the_application_does_not_read(exchange_of):
    talk, exchange = exchange_of(EXPECT)
    answer(exchange)
    talk.turn()
    assert talk.statuses == [200]
    assert b"connection: close\r\n" in talk.output
    assert talk.closed


def test_100_is_not_sent_after_the_final_head(exchange_of):
    talk, exchange = exchange_of(EXPECT)
    exchange.respond(200, [])
    exchange.send(b"x")
    assert exchange.read() is None
    exchange.finish()
    talk.turn()
    assert talk.statuses == [200]
    assert talk.closed


def test_100_is_not_sent_when_the_body_has_begun_to_come(exchange_of):
    talk, exchange = exchange_of(EXPECT + b"h")
    assert not exchange.expects_continue
    assert exchange.read() == b"h"
    assert exchange.read() is None
    talk.turn()
    assert talk.sent == []
    talk, exchange = exchange_of(EXPECT)
    talk.feed(b"h")
    assert exchange.read() == b"h"
    assert exchange.read() is None
    talk.turn()
    assert talk.sent == []


def test_an_application_may_send_100_itself(exchange_of):
    talk, exchange = exchange_of(EXPECT)
    exchange.inform(100, [])
    assert exchange.read() is None
    talk.turn()
    assert talk.statuses == [100]


@pytest.mark.parametrize(
    "data",
    [
        EXPECT.replace(b"HTTP/1.1", b"HTTP/1.0"),
        EXPECT.replace(b"Content-Length: 5\r\n", b""),
        EXPECT.replace(b"Content-Length: 5", b"Content-Length: 0"),
    ],
)
def test_an_expectation_of_http_1_0_or_without_a_body_is_ignored(exchange_of, data):
    talk, exchange = exchange_of(data)
    assert not exchange.expects_continue
    exchange.read()
    talk.turn()
    assert talk.sent == []


def test_the_expectation_is_read_without_regard_to_case(exchange_of):
    _, exchange = exchange_of(EXPECT.replace(b"100-continue", b"100-Continue"))
    assert exchange.expects_continue


# -- upgrades --------------------------------------------------------------------------------------------------------

UPGRADE = b"GET /u HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\r\n"


def test_an_upgrade_hands_the_stream_and_what_came_behind_over(exchange_of, dialogue):
    talk, exchange = exchange_of(UPGRADE + b"\x01first")
    successor: Connection = dialogue().connection
    exchange.upgrade(successor, [(b"x-a", b"b")])
    assert exchange.status == 101
    talk.turn()
    assert talk.output.startswith(
        b"HTTP/1.1 101 Switching Protocols\r\nx-a: b\r\nupgrade: echo\r\nconnection: upgrade\r\n"
    )
    assert [(event.connection, event.leftover) for event in talk.switched] == [(successor, b"\x01first")]
    assert talk.finished == [exchange]
    assert not talk.closed


@pytest.mark.parametrize(
    "data",
    [
        GET,
        UPGRADE.replace(b"keep-alive, Upgrade", b"keep-alive"),
        UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"),
        UPGRADE.replace(b"Host: a", b"Host: a\r\nContent-Length: 5"),
    ],
)
def test_an_upgrade_nobody_asked_for_is_refused(exchange_of, dialogue, data):
    talk, exchange = exchange_of(data)
    with pytest.raises(LocalProtocolError):
        exchange.upgrade(dialogue().connection)
    answer(exchange)
    talk.turn()
    assert talk.statuses == [200]


def test_an_upgrade_after_a_response_is_refused(exchange_of, dialogue):
    _, exchange = exchange_of(UPGRADE)
    exchange.respond(200, [])
    with pytest.raises(LocalProtocolError):
        exchange.upgrade(dialogue().connection)


def test_a_426_may_say_what_to_upgrade_to(exchange_of):
    talk, exchange = exchange_of()
    exchange.respond(426, [(b"upgrade", b"echo"), (b"connection", b"upgrade")])
    exchange.finish()
    talk.turn()
    assert b"upgrade: echo\r\nconnection: upgrade\r\n" in talk.output


# -- the end ---------------------------------------------------------------------------------------------------------


def test_eof_between_requests_closes_without_a_word(dialogue):
    talk = dialogue().end()
    assert (talk.closed, talk.sent, talk.failed) == (True, [], [])
    talk = dialogue().feed(GET).end()
    assert (talk.closed, talk.statuses) == (True, [200])


def test_eof_in_a_head_is_answered_400(dialogue):
    talk = dialogue().feed(GET[:-1]).end()
    assert (talk.closed, talk.statuses, talk.seen) == (True, [400], [])


@pytest.mark.parametrize("data", [POST[:-1], CHUNKED[:-1], CHUNKED[:-5], EXPECT])
def test_eof_in_a_body_is_a_disconnect_for_the_application_and_a_400_for_the_peer(exchange_of, data):
    talk, exchange = exchange_of(data)
    talk.end()
    with pytest.raises(Disconnected):
        read_all(exchange)
    assert (talk.closed, talk.statuses) == (True, [400])
    assert talk.finished == [exchange]


def test_eof_while_the_application_runs_leaves_the_response_whole(exchange_of):
    talk, exchange = exchange_of(GET)
    called = []
    assert exchange.watch(Want.GONE, lambda: called.append(1)) is False
    talk.end()
    assert called
    assert exchange.watch(Want.GONE, lambda: None) is True
    assert not talk.connection.wants_data
    answer(exchange)
    talk.turn()
    assert (talk.statuses, talk.closed) == ([200], True)


def test_pipelined_requests_before_eof_are_all_answered(exchange_of):
    talk, exchange = exchange_of(GET + POST + GET[:-1])
    talk.end()
    answer(exchange)
    talk.turn()
    answer(talk.started[1])
    talk.turn()
    assert (talk.statuses, talk.closed) == ([200, 200, 400], True)


def test_a_lost_peer_ends_everything_once(exchange_of):
    talk, exchange = exchange_of(POST[:-1])
    called = []
    for want in Want:
        if want is not Want.WRITE:
            assert exchange.watch(want, lambda want=want: called.append(want)) is (want is Want.READ)
    exchange.read()
    exchange.respond(200, [])
    talk.lose()
    assert Want.GONE in called
    assert talk.finished == [exchange]
    for act in (exchange.read, lambda: exchange.send(b"x"), exchange.finish, lambda: exchange.inform(103, [])):
        with pytest.raises(Disconnected):
            act()
    exchange.abort()
    assert all(exchange.watch(want, lambda: None) for want in Want)
    talk.turn()
    assert talk.finished == [exchange]
    assert talk.sent == []
    assert talk.connection.deadline() is None
    assert not talk.connection.wants_data


def test_the_end_of_an_exchange_wakes_every_waiter(exchange_of):
    talk, exchange = exchange_of(EXPECT)
    called = []
    for want in (Want.READ, Want.GONE):
        assert exchange.watch(want, lambda want=want: called.append(want)) is False
    answer(exchange)
    talk.turn()
    assert called == [Want.READ, Want.GONE]


def test_an_abort_before_the_head_closes(exchange_of):
    talk, exchange = exchange_of()
    exchange.abort()
    talk.turn()
    assert (talk.sent, talk.closed, talk.finished) == ([], True, [exchange])
    with pytest.raises(Disconnected):
        exchange.respond(200, [])


# -- the driver's view -----------------------------------------------------------------------------------------------


def test_a_response_leaves_in_one_piece_and_then_nothing(dialogue):
    talk = dialogue()
    talk.connection.receive_data(GET, talk.now)
    (started,) = talk.connection.events()
    answer(started.exchange)
    assert len(talk.connection.data_to_send(talk.now)) == 1
    assert [type(event).__name__ for event in talk.connection.events()] == ["Finished"]
    assert not talk.connection.data_to_send(talk.now)
    assert not talk.connection.events()


LAST = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
LAST_POST = b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\n"


@pytest.mark.parametrize(
    ("received", "fields", "closes"),
    [
        (LAST, [], True),
        (b"GET / HTTP/1.0\r\n\r\n", [], True),
        (LAST_POST + b"ab", [], True),
        (LAST_POST + b"a", [], False),
        (LAST + b"\r\n", [], False),
        (GET, [(b"connection", b"close")], False),
    ],
    ids=["close", "1.0", "whole-body", "part-of-a-body", "more-has-come", "closed-by-the-response"],
)
def test_a_connection_is_closed_at_once_only_where_the_client_has_said_that_it_sends_no_more(
    dialogue, received, fields, closes
):
    talk = dialogue()
    talk.connection.receive_data(received, talk.now)
    (started,) = talk.connection.events()
    started.exchange.respond(200, fields)
    started.exchange.send(b"", end=True)
    end = list(talk.connection.data_to_send(talk.now))[-1]
    assert (end is CLOSE) is closes
    assert len(end) == 0


def test_the_half_close_is_the_last_item_ever(dialogue):
    talk = dialogue()
    talk.connection.receive_data(BAD, talk.now)
    items = list(talk.connection.data_to_send(talk.now))
    assert items[-1] == b""
    assert not talk.connection.data_to_send(talk.now)
    talk.connection.receive_data(GET, talk.now)
    assert [type(event).__name__ for event in talk.connection.events()] == ["Failed"]
    assert not talk.connection.data_to_send(talk.now)
    assert not talk.connection.wants_data
