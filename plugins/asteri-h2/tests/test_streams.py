"""Requests and responses over HTTP/2: many at once, windows, trailers, ends."""

from __future__ import annotations

import tempfile
from typing import Any

import h2.events
import pytest
from asteri_core.api import Disconnected, FileSlice, RemoteProtocolError, Want
from h2_talk import POST, REQUEST, ok


def test_a_request_is_an_exchange_with_the_facts_of_http(talk) -> None:
    made = talk()
    made.client.send_headers(1, [*REQUEST[:2], (":path", "/a%20b?c=d"), (":authority", "A:8"), ("x-y", "z")], True)
    made.turn()
    [exchange] = made.started
    assert (exchange.method, exchange.version, exchange.scheme) == ("GET", "2", "http")
    assert (exchange.target, exchange.raw_path, exchange.query) == (b"/a%20b?c=d", b"/a%20b", b"c=d")
    assert (exchange.authority, exchange.headers) == (b"A:8", [(b"x-y", b"z")])
    assert (exchange.has_body, exchange.content_length, exchange.read()) == (False, None, b"")


def test_a_response_has_a_date_a_server_and_its_length(talk) -> None:
    made = talk()
    made.answer = ok
    made.client.send_headers(1, REQUEST, True)
    made.turn()
    head = made.head()
    assert (head[b":status"], head[b"content-length"], head[b"server"]) == (b"200", b"5", b"asteri")
    assert b"date" in head
    assert made.content() == b"hello"
    assert made.of(h2.events.StreamEnded)
    assert made.finished == made.started


def test_streams_run_at_once_and_end_in_any_order(talk) -> None:
    made = talk()
    for stream in (1, 3, 5):
        made.client.send_headers(stream, REQUEST, True)
    made.turn()
    assert len(made.started) == 3
    for exchange in reversed(made.started):
        exchange.respond(200, [])
        exchange.send(b"%d" % exchange.stream, True)
        made.turn()
    assert [made.content(stream) for stream in (1, 3, 5)] == [b"1", b"3", b"5"]
    assert made.finished == made.started[::-1]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_what_has_no_content_ends_with_its_head(talk, method: str, status: int) -> None:
    made = talk()
    made.client.send_headers(1, [(":method", method), *REQUEST[1:]], True)
    made.turn()
    made.started[0].respond(status, [])
    made.started[0].send(b"never sent", True)
    made.turn()
    assert made.head()[b":status"] == b"%d" % status
    assert made.content() == b""
    assert made.of(h2.events.StreamEnded)


def test_fields_that_speak_of_a_connection_are_not_sent(talk) -> None:
    made = talk()
    made.client.send_headers(1, REQUEST, True)
    made.turn()
    fields = [(b"Connection", b"close, upgrade"), (b"Keep-Alive", b"5"), (b"Transfer-Encoding", b"chunked")]
    fields += [(b"Upgrade", b"h2c"), (b"Proxy-Connection", b"close")]
    made.started[0].inform(103, [*fields, (b"Link", b"</a>")])
    made.started[0].respond(200, [*fields, (b"X-Case", b"1"), (b"Date", b"today")])
    made.started[0].finish()
    made.turn()
    head = made.head()
    [interim] = made.of(h2.events.InformationalResponseReceived)
    assert set(dict(interim.headers)) == {b":status", b"link"}
    assert set(head) == {b":status", b"x-case", b"date", b"server", b"content-length"}
    assert (head[b"x-case"], head[b"date"]) == (b"1", b"today")


# -- bodies -----------------------------------------------------------------------------------------------------------


def test_a_body_comes_in_pieces_and_its_window_is_given_back_as_it_is_read(talk) -> None:
    made = talk(own={"http2_initial_window_size": 65535})
    made.client.send_headers(1, POST)
    made.turn()
    [exchange] = made.started
    window = made.client.local_flow_control_window(1)
    for _ in range(4):
        made.client.send_data(1, b"x" * 16000)
    made.turn()
    assert made.client.local_flow_control_window(1) == window - 64000
    assert exchange.read() == b"x" * 64000
    made.turn()
    assert made.client.local_flow_control_window(1) == window
    assert exchange.read() is None
    made.client.end_stream(1)
    made.turn()
    assert exchange.read() == b""


def test_a_client_sends_no_more_than_its_window_until_the_application_reads(talk) -> None:
    made = talk(own={"http2_initial_window_size": 1000})
    made.client.send_headers(1, POST)
    made.turn()
    assert made.client.local_flow_control_window(1) == 1000
    made.client.send_data(1, b"x" * 1000)
    made.turn()
    assert made.client.local_flow_control_window(1) == 0
    assert made.started[0].read() == b"x" * 1000
    made.turn()
    assert made.client.local_flow_control_window(1) == 1000


def test_a_body_can_have_trailers(talk) -> None:
    made = talk()
    made.client.send_headers(1, POST)
    made.client.send_data(1, b"x")
    made.client.send_headers(1, [("x-sum", "1"), ("authorization", "no")], True)
    made.turn()
    assert made.started[0].read() == b"x"
    assert made.started[0].read() == b""
    assert made.started[0].trailers == [(b"x-sum", b"1")]


@pytest.mark.parametrize(
    "trailers",
    [[("x-sum", "1" * 94)], [(f"x-{number}", "") for number in range(11)], [("x-sum", "1" * 80)] * 10],
    ids=["one large", "many", "all together"],
)
def test_trailers_have_the_limits_of_fields(talk, trailers: list[tuple[str, str]]) -> None:
    made = talk(limit_request_field_size=100, limit_request_fields=10, limit_request_head=800)
    for stream, fields in ((1, trailers), (3, [("x-sum", "1" * 93)])):
        made.client.send_headers(stream, POST)
        made.client.send_headers(stream, fields, True)
    made.turn()
    assert made.resets() == made.resets(1) == [1]
    assert made.started[1].trailers == [(b"x-sum", b"1" * 93)]


@pytest.mark.parametrize("sent", [b"hell", b"hello!"], ids=["short", "long"])
def test_a_body_of_another_length_than_declared_is_malformed(talk, sent: bytes) -> None:
    """RFC 9113 section 8.1.1: an error of the stream. The application may have read some of it."""
    made = talk()
    made.client.send_headers(1, [*POST, ("content-length", "5")])
    made.client.send_data(1, sent[:3])
    made.turn()
    [exchange] = made.started
    assert exchange.read() == sent[:3]
    made.client.send_data(1, sent[3:], True)
    made.turn()
    assert made.resets(1) == [1]
    with pytest.raises(RemoteProtocolError):
        exchange.read()
    assert made.finished == [exchange]
    assert not made.closed


def test_a_body_that_is_declared_beyond_the_limit_is_refused(talk) -> None:
    made = talk(limit_request_body=1000)
    made.client.send_headers(1, [*POST, ("content-length", "2000")])
    made.turn()
    assert made.head()[b":status"] == b"413"
    assert not made.started


def test_a_body_of_unknown_length_is_refused_at_the_limit(talk) -> None:
    made = talk(limit_request_body=1000)
    made.client.send_headers(1, POST)
    made.client.send_data(1, b"x" * 1000)
    made.turn()
    assert not made.failed
    made.client.send_data(1, b"x")
    made.turn()
    assert made.head()[b":status"] == b"413"


def test_the_client_is_told_to_go_on_when_the_application_reads(talk) -> None:
    made = talk()
    made.client.send_headers(1, [*POST, ("expect", "100-continue")])
    made.turn()
    [exchange] = made.started
    assert exchange.expects_continue
    assert not made.of(h2.events.InformationalResponseReceived)
    assert exchange.read() is None
    made.turn()
    [interim] = made.of(h2.events.InformationalResponseReceived)
    assert dict(interim.headers)[b":status"] == b"100"


def test_an_early_answer_stops_the_upload_without_an_error(talk) -> None:
    made = talk()
    made.answer = ok
    made.client.send_headers(1, POST)
    made.turn()
    assert made.content() == b"hello"
    assert made.resets(1) == [0]


def test_what_still_comes_of_an_upload_that_was_stopped_is_thrown_away(talk) -> None:
    """RFC 9113 section 5.1: it was on its way. Its window is given back, and the stream is not reset again."""
    made = talk()
    made.answer = ok
    made.client.send_headers(1, POST)
    for _ in range(4):
        made.client.send_data(1, bytes(16000))
    made.follows = False
    made.turn()
    assert made.resets() == [0]
    for _ in range(100):
        made.raw(b"\0\x40\0\0\0" + (1).to_bytes(4) + bytes(1 << 14))
    assert made.resets() == [0]
    assert any(kind == 8 and not stream for kind, _, stream, _ in made.frames)
    assert not made.closed


def test_early_hints_come_before_the_response(talk) -> None:
    made = talk()
    made.client.send_headers(1, REQUEST, True)
    made.turn()
    made.started[0].inform(103, [(b"Link", b"</a>; rel=preload")])
    ok(made.started[0])
    made.turn()
    [interim] = made.of(h2.events.InformationalResponseReceived)
    assert dict(interim.headers)[b"link"] == b"</a>; rel=preload"
    assert made.content() == b"hello"


def test_trailers_go_to_who_takes_them(talk) -> None:
    made = talk()
    made.client.send_headers(1, [*REQUEST, ("te", "trailers")], True)
    made.client.send_headers(3, REQUEST, True)
    made.turn()
    for exchange in made.started:
        exchange.respond(200, [])
        exchange.send(b"x")
        exchange.finish([(b"X-Sum", b"1")])
    made.turn()
    [trailers] = made.of(h2.events.TrailersReceived)
    assert (trailers.stream_id, dict(trailers.headers)) == (1, {b"x-sum": b"1"})
    assert len(made.of(h2.events.StreamEnded)) == 2


# -- windows and order ------------------------------------------------------------------------------------------------


def test_no_more_is_sent_than_the_client_has_a_window_for(talk) -> None:
    made = talk()
    made.client.send_headers(1, REQUEST, True)
    made.turn()
    [exchange] = made.started
    exchange.respond(200, [])
    assert exchange.send(b"x" * 100_000) is False
    woken: list[int] = []
    assert exchange.watch(Want.WRITE, lambda: woken.append(1)) is False
    made.turn()
    assert len(made.content()) == 65535
    assert woken == [1]
    assert exchange.send(b"y", True) is True
    made.client.increment_flow_control_window(100_000, 1)
    made.client.increment_flow_control_window(100_000)
    made.turn()
    assert made.content() == b"x" * 100_000 + b"y"
    assert made.finished == [exchange]


def test_a_file_is_sent_and_one_that_is_too_short_resets_its_stream_alone(talk) -> None:
    made = talk()
    for stream in (1, 3):
        made.client.send_headers(stream, REQUEST, True)
    made.turn()
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789" * 1000)
        file.flush()
        for exchange, length in zip(made.started, (5000, 20000), strict=True):
            exchange.respond(200, [(b"content-length", b"%d" % length)])
            exchange.send(FileSlice(file, 10, length), True)
        made.turn()
    assert made.content(1) == b"0123456789" * 500
    assert made.resets(3) == [2]
    assert set(made.finished) == set(made.started)
    assert not made.closed


def contents_in_order(made: Any) -> list[int]:
    order = [stream for kind, _, stream, payload in made.frames if kind == 0 and payload]
    return [one for index, one in enumerate(order) if index == 0 or order[index - 1] != one]


@pytest.mark.parametrize(
    ("priorities", "order"),
    [
        (["", "", ""], [1, 3, 5]),
        (["u=7", "u=0", ""], [3, 5, 1]),
        (["u=9", "nonsense", "u=0"], [5, 1, 3]),
        (["i", "i", "i"], [1, 3, 5, 1, 3, 5]),
        (["i", "", "u=2"], [5, 3, 1]),
    ],
)
def test_priorities_decide_the_order(talk, priorities: list[str], order: list[int]) -> None:
    made = talk()
    made.client.increment_flow_control_window(1 << 20)
    for stream, priority in zip((1, 3, 5), priorities, strict=True):
        made.client.send_headers(stream, [*REQUEST, *([("priority", priority)] if priority else [])], True)
    made.turn()
    for exchange in made.started:
        exchange.respond(200, [])
        exchange.send(b"x" * 20000, True)
    made.turn()
    assert contents_in_order(made) == order


def test_a_priority_can_be_changed_before_and_while_a_stream_runs(talk) -> None:
    made = talk()
    update = b"\0\0\x07\x10\0\0\0\0\0" + (5).to_bytes(4) + b"u=1"
    made.receive(update)
    for stream in (1, 3, 5):
        made.client.send_headers(stream, REQUEST, True)
    made.turn()
    made.receive(b"\0\0\x07\x10\0\0\0\0\0" + (3).to_bytes(4) + b"u=0")
    for exchange in made.started:
        ok(exchange)
    made.turn()
    assert contents_in_order(made) == [3, 5, 1]


# -- ends -------------------------------------------------------------------------------------------------------------


def test_an_aborted_response_resets_its_stream_alone(talk) -> None:
    made = talk()
    for stream in (1, 3):
        made.client.send_headers(stream, REQUEST, True)
    made.turn()
    one, other = made.started
    one.respond(200, [])
    one.send(b"begun")
    made.turn()
    one.abort()
    ok(other)
    made.turn()
    assert made.resets(1) == [2]
    assert made.content(3) == b"hello"
    assert set(made.finished) == {one, other}


def test_a_stream_that_the_client_resets_ends_its_exchange(talk) -> None:
    made = talk()
    made.client.send_headers(1, POST)
    made.turn()
    [exchange] = made.started
    gone: list[int] = []
    exchange.watch(Want.GONE, lambda: gone.append(1))
    made.client.reset_stream(1)
    made.turn()
    assert gone == [1]
    assert made.finished == [exchange]
    with pytest.raises(Disconnected):
        exchange.read()
    with pytest.raises(Disconnected):
        exchange.respond(200, [])


def test_a_peer_that_is_lost_ends_all(talk) -> None:
    made = talk()
    for stream in (1, 3):
        made.client.send_headers(stream, POST)
    made.turn()
    made.server.lost(made.now)
    made.take_events()
    assert set(made.finished) == set(made.started)
    assert made.server.data_to_send(made.now) == ()
    assert made.server.deadline() is None


def test_a_drain_says_goodbye_twice_and_finishes_what_runs(talk) -> None:
    made = talk()
    made.client.send_headers(1, REQUEST, True)
    made.turn()
    made.follows = False
    made.server.drain(made.now + 30, made.now)
    made.take()
    assert made.goaways() == [(2**31 - 1, 0)]
    made.encoder = made.client.encoder
    made.raw(b"\0\0" + bytes([len(block := made.block())]) + b"\x01\x05" + (3).to_bytes(4) + block)
    assert len(made.started) == 2
    made.now = made.server.deadline()
    made.server.expire(made.now)
    made.take()
    assert made.goaways() == [(2**31 - 1, 0), (3, 0)]
    made.raw(b"\0\0" + bytes([len(block := made.block())]) + b"\x01\x05" + (5).to_bytes(4) + block)
    assert made.resets(5) == [7]
    for exchange in made.started:
        ok(exchange)
    made.take()
    assert made.closed
    assert set(made.finished) == set(made.started)


def test_a_drain_that_has_no_more_patience_ends_one_that_had(talk) -> None:
    made = talk()
    made.server.drain(made.now + 30, made.now)
    made.take()
    assert (made.closed, made.goaways()) == (False, [(2**31 - 1, 0)])
    made.server.drain(made.now, made.now)
    made.take()
    assert (made.closed, made.goaways()) == (True, [(2**31 - 1, 0), (0, 0)])


def test_a_client_that_says_goodbye_gets_the_answers_to_what_it_has_asked(talk) -> None:
    made = talk()
    for stream in (1, 3):
        made.client.send_headers(stream, REQUEST, True)
    made.receive(made.client.data_to_send() + b"\0\0\x08\x07\0\0\0\0\0" + bytes(8))
    made.turn()
    for exchange in made.started:
        assert not made.closed
        ok(exchange)
        made.turn()
    assert [made.content(stream) for stream in (1, 3)] == [b"hello"] * 2
    assert made.closed


def test_an_idle_connection_is_closed_after_the_keep_alive_time(talk) -> None:
    made = talk(keep_alive=5)
    made.answer = ok
    made.client.send_headers(1, REQUEST, True)
    made.turn()
    assert made.server.deadline() == made.now + 5
    made.server.expire(made.now + 4.9)
    made.take()
    assert not made.closed
    made.now += 5
    made.server.expire(made.now)
    made.take()
    assert (made.closed, made.goaways()) == (True, [(1, 0)])


def test_a_connection_is_not_idle_while_a_header_block_comes(talk) -> None:
    made = talk(keep_alive=5, header_timeout=10)
    made.now += 8
    made.raw(b"\0\0\0\x01\x01\0\0\0\x01")
    assert made.server.deadline() == made.now + 10
    made.wait(9.9)
    assert not made.closed
    made.wait(0.2)
    assert made.goaways() == [(0, 0xB)]


def test_a_body_that_comes_too_slowly_is_answered_408_and_others_go_on(talk) -> None:
    made = talk(body_timeout=10)
    made.client.send_headers(1, POST)
    made.client.send_headers(3, REQUEST, True)
    made.turn()
    made.now += 10
    made.server.expire(made.now)
    made.turn()
    assert made.head(1)[b":status"] == b"408"
    ok(made.started[1])
    made.turn()
    assert made.content(3) == b"hello"


def test_after_the_end_of_the_client_nothing_waits_for_a_window(talk) -> None:
    made = talk()
    made.client.send_headers(1, REQUEST, True)
    made.client.send_headers(3, REQUEST, True)
    made.turn()
    one, other = made.started
    ok(one)
    other.respond(200, [])
    other.send(b"x" * 100_000)
    made.server.receive_eof(made.now)
    made.follows = False
    made.take()
    assert made.closed
    assert set(made.finished) == {one, other}
    with pytest.raises(Disconnected):
        other.send(b"more")


def test_a_body_that_the_end_of_the_client_cuts_is_refused(talk) -> None:
    made = talk()
    made.client.send_headers(1, POST)
    made.client.send_data(1, b"half")
    made.turn()
    made.server.receive_eof(made.now)
    made.turn()
    assert made.head()[b":status"] == b"400"
    assert made.closed
