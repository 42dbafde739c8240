"""An open WebSocket: closes, pings, deadlines, limits, and what both of its sides are told."""

from __future__ import annotations

import pytest
from asteri_core.api import CLOSE as CLOSE_BOTH
from asteri_core.api import Disconnected, LocalProtocolError, Want
from asteri_http.websocket import Close
from asteri_websocket.connection import CLOSE_TIMEOUT, OUTPUT_MARK
from asteri_websocket.deflate import Agreement
from talk import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Peer, close, cut, frame, read_frames

FIN = 0x80


def closing(code: int | None = None, reason: bytes = b"") -> tuple[int, bytes]:
    return FIN | CLOSE, b"" if code is None else code.to_bytes(2) + reason


# -- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", ["text", b"bytes", "", b"", "é" * 70, b"x" * 125, b"x" * 126, b"x" * 70000])
def test_a_message_is_one_frame_without_a_mask(make_reader, message):
    peer = Peer(make_reader)
    peer.connection.send(message)
    opcode, data = (TEXT, message.encode()) if isinstance(message, str) else (BINARY, message)
    assert read_frames(peer.collect()) == [(FIN | opcode, data)]


def test_messages_are_read_in_order(make_reader):
    peer = Peer(make_reader)
    peer.receive(frame(TEXT, b"a") + frame(BINARY, b"b"), frame(TEXT, b"c"))
    assert peer.messages() == ["a", b"b", "c"]


def test_a_reader_is_woken_once_a_message_is_there(make_reader):
    peer, woken = Peer(make_reader), []
    assert peer.connection.watch(Want.READ, lambda: woken.append(1)) is False
    data = frame(TEXT, b"a")
    peer.receive(data[:3])
    assert woken == []
    peer.receive(data[3:])
    assert woken == [1]
    assert peer.connection.watch(Want.READ, lambda: woken.append(2)) is True


def test_a_writer_waits_above_the_mark_and_is_woken_when_all_has_left(make_reader):
    peer, woken = Peer(make_reader), []
    assert peer.connection.watch(Want.WRITE, lambda: None) is True
    assert peer.connection.send(b"x" * OUTPUT_MARK) is False
    assert peer.connection.watch(Want.WRITE, lambda: woken.append(1)) is False
    peer.collect()
    assert woken == [1]
    assert peer.connection.send(b"x") is True


def test_sending_wakes_the_driver(make_reader):
    peer = Peer(make_reader)
    before = peer.woken
    peer.connection.send("a")
    assert peer.woken > before


# -- limits -----------------------------------------------------------------------------------------------------------


def test_the_client_is_not_read_from_while_too_many_messages_wait(make_reader):
    peer = Peer(make_reader, ws_max_queue=2)
    peer.receive(frame(TEXT, b"a"))
    assert peer.connection.wants_data
    peer.receive(frame(TEXT, b"b") + frame(TEXT, b"c") + frame(TEXT, b"d"))
    assert not peer.connection.wants_data
    assert peer.connection.read() == "a"
    assert not peer.connection.wants_data, "what had come already takes the place"
    before = peer.woken
    assert [peer.connection.read() for _ in range(3)] == ["b", "c", "d"]
    assert peer.connection.wants_data
    assert peer.woken > before


def test_the_client_is_not_read_from_while_too_many_bytes_wait(make_reader):
    peer = Peer(make_reader, ws_max_size=100, ws_max_queue=1000)
    peer.receive(frame(BINARY, bytes(99)))
    assert peer.connection.wants_data
    peer.receive(frame(BINARY, bytes(1)))
    assert not peer.connection.wants_data
    peer.messages()
    assert peer.connection.wants_data


@pytest.mark.parametrize(("size", "code"), [(99, None), (100, None), (101, 1009)])
def test_a_message_above_the_limit_ends_the_conversation(make_reader, size, code):
    peer = Peer(make_reader, ws_max_size=100)
    sent = peer.receive(frame(BINARY, bytes(size)))
    if code is None:
        assert (sent, peer.messages()) == (b"", [bytes(size)])
    else:
        assert read_frames(sent) == [closing(code)]
        assert peer.ended
        assert peer.messages() == [Close(code)]
        assert [status for _, status in peer.failures] == [code]


def test_fragments_of_a_byte_take_no_more_memory_than_the_message(make_reader):
    import tracemalloc

    size = 1 << 16
    data = frame(TEXT, b"a", False) + frame(CONTINUATION, b"a", False) * (size - 1)
    peer = Peer(make_reader)
    tracemalloc.start()
    try:
        peer.receive(*cut(data, 65536))
        assert tracemalloc.get_traced_memory()[0] < 4 * size
    finally:
        tracemalloc.stop()
    peer.receive(frame(CONTINUATION))
    assert peer.messages() == ["a" * size]


def test_a_text_counts_as_what_it_takes_in_memory(make_reader):
    peer = Peer(make_reader, ws_max_size=100, ws_max_queue=1000)
    peer.receive(frame(TEXT, b"a" * 99))
    assert peer.connection.wants_data
    peer.messages()
    peer.receive(frame(TEXT, "😀".encode() + b"a" * 23))
    assert peer.connection.wants_data
    peer.receive(frame(TEXT, "é".encode()))
    assert not peer.connection.wants_data
    assert peer.messages() == ["😀" + "a" * 23, "é"]
    assert peer.connection.wants_data


# -- closes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "reason"), [(1000, b"bye"), (1001, b""), (3000, b""), (4999, b""), (None, b"")])
def test_a_close_of_the_client_is_answered_with_its_code(make_reader, code, reason):
    peer = Peer(make_reader)
    assert read_frames(peer.receive(close(code, reason))) == [closing(code)]
    assert peer.ended
    assert peer.last_item is CLOSE_BOTH
    assert peer.messages() == [Close(1005 if code is None else code, reason.decode())]


def test_what_came_before_a_close_is_read_before_it(make_reader):
    peer = Peer(make_reader)
    peer.receive(frame(TEXT, b"last") + close(1000) + frame(TEXT, b"void"))
    assert peer.messages() == ["last", Close(1000)]
    assert peer.messages() == [Close(1000)], "it may be asked again"


def test_a_close_of_ours_waits_for_the_client_s(make_reader):
    peer = Peer(make_reader)
    peer.connection.send(Close(4000, "enough"))
    assert read_frames(peer.collect()) == [closing(4000, b"enough")]
    assert not peer.ended
    assert peer.receive(frame(TEXT, b"too late")) == b""
    assert peer.connection.read() is None
    assert peer.receive(close(4000)) == b""
    assert peer.ended
    assert peer.messages() == [Close(4000)]


def test_a_client_that_does_not_answer_our_close_is_left_after_a_while(make_reader):
    peer = Peer(make_reader)
    peer.connection.send(Close())
    peer.collect()
    peer.wait(CLOSE_TIMEOUT - 0.1)
    assert not peer.ended
    peer.wait(0.2)
    assert peer.ended
    assert peer.messages() == [Close(1006)]


def test_nothing_is_sent_behind_a_close(make_reader):
    peer = Peer(make_reader)
    peer.connection.send("last", end=True)
    assert read_frames(peer.collect()) == [(FIN | TEXT, b"last"), closing(1000)]
    with pytest.raises(Disconnected):
        peer.connection.send("more")


@pytest.mark.parametrize("code", [0, 999, 1004, 1006, 1015, 2999, 5000])
def test_a_code_that_cannot_be_sent_is_refused(make_reader, code):
    peer = Peer(make_reader)
    with pytest.raises(LocalProtocolError, match="close code"):
        peer.connection.send(Close(code))
    assert peer.collect() == b""
    assert peer.connection.send("still open")


def test_a_long_reason_is_cut_between_two_characters(make_reader):
    peer = Peer(make_reader)
    peer.connection.send(Close(1000, "é" * 100))
    assert read_frames(peer.collect()) == [closing(1000, "é".encode() * 61)]


def test_a_client_that_breaks_the_protocol_is_told_and_left(make_reader):
    peer = Peer(make_reader)
    assert read_frames(peer.receive(frame(3))) == [closing(1002)]
    assert peer.ended
    assert peer.messages() == [Close(1002)]
    assert peer.receive(frame(TEXT, b"more")) == b""


def test_what_came_before_an_error_is_answered_before_it(make_reader):
    peer = Peer(make_reader)
    assert peer.receive(frame(TEXT, b"good") + frame(3) + frame(TEXT, b"void")) == b""
    assert not peer.connection.wants_data
    assert peer.connection.read() == "good"
    peer.connection.send("answer")
    assert peer.connection.watch(Want.READ, lambda: None) is True
    assert peer.connection.read() == Close(1002)
    assert read_frames(peer.collect()) == [(FIN | TEXT, b"answer"), closing(1002)]
    assert peer.ended


def test_an_application_has_a_time_to_answer_what_came_before_an_error(make_reader):
    peer = Peer(make_reader)
    peer.receive(frame(TEXT, b"good") + frame(3))
    assert read_frames(peer.wait(CLOSE_TIMEOUT)) == [closing(1002)]
    assert peer.messages() == ["good", Close(1002)]


def test_an_application_may_close_by_itself_before_an_error_is_told(make_reader):
    peer = Peer(make_reader)
    peer.receive(frame(TEXT, b"good") + frame(3))
    peer.connection.send(Close(4000))
    assert read_frames(peer.collect()) == [closing(4000)]
    assert peer.ended


def test_an_end_without_a_close_is_abnormal(make_reader):
    peer = Peer(make_reader)
    peer.connection.receive_eof(peer.now)
    assert peer.collect() == b""
    assert peer.ended
    assert peer.messages() == [Close(1006)]


@pytest.mark.parametrize("close_first", [True, False], ids=["a close", "no close"])
def test_what_was_said_before_the_end_is_read_though_it_had_to_wait_for_room(make_reader, close_first):
    peer = Peer(make_reader, ws_max_queue=1)
    said = b"".join(frame(TEXT, b"%d" % number) for number in range(5))
    peer.receive(said + close(4001, b"bye") if close_first else said)
    peer.connection.receive_eof(peer.now)
    assert peer.messages() == ["0", "1", "2", "3", "4", Close(4001, "bye") if close_first else Close(1006)]
    peer.collect()
    assert peer.ended


def test_a_close_that_waited_for_room_is_heard_when_we_close(make_reader):
    peer = Peer(make_reader, ws_max_queue=1)
    peer.receive(frame(TEXT, b"a") + frame(TEXT, b"b") + close(4001))
    peer.connection.send(Close(1000))
    assert read_frames(peer.collect()) == [closing(1000)]
    assert peer.ended
    assert peer.connection.deadline() is None
    assert peer.messages() == ["a", Close(4001)]


def test_an_end_that_waited_for_room_is_heard_when_we_close(make_reader):
    peer = Peer(make_reader, ws_max_queue=1)
    peer.receive(frame(TEXT, b"a") + frame(TEXT, b"b"))
    peer.connection.receive_eof(peer.now)
    assert not peer.ended
    peer.connection.send(Close(1000))
    assert read_frames(peer.collect()) == [closing(1000)]
    assert peer.ended


def test_a_lost_client_wakes_everybody_and_gets_nothing(make_reader):
    peer, woken = Peer(make_reader), []
    for want in (Want.READ, Want.GONE):
        peer.connection.watch(want, lambda want=want: woken.append(want))
    peer.connection.send("void")
    peer.connection.lost(peer.now)
    assert woken == [Want.READ, Want.GONE]
    assert peer.collect() == b""
    assert peer.messages() == [Close(1006)]
    assert peer.connection.deadline() is None


def test_a_failure_of_ours_closes_with_1011(make_reader):
    peer = Peer(make_reader)
    peer.connection.abort()
    peer.connection.abort()
    assert read_frames(peer.collect()) == [closing(1011)]


# -- pings ------------------------------------------------------------------------------------------------------------


def test_a_ping_is_answered_although_nobody_reads(make_reader):
    peer = Peer(make_reader)
    peer.receive(frame(TEXT, b"unread"))
    assert read_frames(peer.receive(frame(PING, b"p" * 125))) == [(FIN | PONG, b"p" * 125)]


def test_every_ping_is_answered(make_reader):
    peer = Peer(make_reader)
    sent = peer.receive(b"".join(frame(PING, b"%d" % number) for number in range(10)))
    assert read_frames(sent) == [(FIN | PONG, b"%d" % number) for number in range(10)]


def test_only_the_latest_ping_is_answered_where_much_waits_to_be_sent(make_reader):
    peer = Peer(make_reader)
    for number in range(10_000):
        peer.connection.receive_data(frame(PING, b"%100d" % number), peer.now)
    sent = read_frames(peer.collect())
    assert len(sent) < 1000
    assert sent[-1] == (FIN | PONG, b"%100d" % 9999)


def test_a_client_is_asked_for_a_sign_of_life(make_reader):
    peer = Peer(make_reader, ws_ping_interval=20, ws_ping_timeout=5)
    assert peer.wait(19.9) == b""
    assert read_frames(peer.wait(0.2)) == [(FIN | PING, b"")]
    peer.receive(frame(PONG))
    assert read_frames(peer.wait(20)) == [(FIN | PING, b"")]


@pytest.mark.parametrize("sign", [frame(PONG), frame(TEXT, b"a"), frame(PING), b"\x81"])
def test_whatever_a_client_sends_is_a_sign_of_life(make_reader, sign):
    peer = Peer(make_reader, ws_ping_interval=20, ws_ping_timeout=5)
    peer.wait(20)
    peer.receive(sign)
    peer.wait(10)
    assert not peer.ended


def test_a_client_without_a_sign_of_life_is_given_up(make_reader):
    peer = Peer(make_reader, ws_ping_interval=20, ws_ping_timeout=5)
    peer.wait(20)
    peer.wait(4.9)
    assert not peer.ended
    assert read_frames(peer.wait(0.2)) == [closing(1011)]
    assert peer.ended
    assert peer.messages() == [Close(1006)]


def test_no_ping_comes_early_where_a_client_is_not_read_from_any_more(make_reader):
    peer = Peer(make_reader, ws_max_queue=1, ws_ping_interval=20, ws_ping_timeout=5)
    peer.receive(frame(TEXT, b"a"))
    assert not peer.connection.wants_data
    assert read_frames(peer.wait(20)) == [(FIN | PING, b"")]
    due = peer.now + 5
    peer.connection.expire(due)
    assert peer.collect() == b""


def test_a_subclass_of_str_is_a_text(make_reader):
    class Word(str):
        pass

    peer = Peer(make_reader)
    peer.connection.send(Word("a"))
    assert read_frames(peer.collect()) == [(FIN | TEXT, b"a")]


def test_a_client_that_is_not_read_from_is_not_given_up(make_reader):
    peer = Peer(make_reader, ws_max_queue=1, ws_ping_interval=20, ws_ping_timeout=5)
    peer.receive(frame(TEXT, b"a"))
    peer.wait(100)
    assert not peer.ended
    peer.connection.read()
    peer.wait(1)
    assert not peer.ended, "its time begins when it can be heard again"


@pytest.mark.parametrize(("interval", "timeout"), [(0, 5), (20, 0)])
def test_no_interval_sends_no_ping_and_no_time_out_waits(make_reader, interval, timeout):
    peer = Peer(make_reader, ws_ping_interval=interval, ws_ping_timeout=timeout)
    sent = read_frames(peer.wait(1000))
    assert sent == ([(FIN | PING, b"")] * 50 if interval else [])
    assert not peer.ended


# -- drains -----------------------------------------------------------------------------------------------------------


def test_a_drain_closes_with_1001_when_its_grace_is_over(make_reader):
    peer = Peer(make_reader)
    peer.connection.drain(peer.now + 3, peer.now)
    assert peer.wait(2.9) == b""
    peer.connection.send("still served")
    assert read_frames(peer.collect()) == [(FIN | TEXT, b"still served")]
    assert read_frames(peer.wait(0.2)) == [closing(1001)]
    peer.receive(close(1001))
    assert peer.messages() == [Close(1001)]


def test_a_drain_without_grace_closes_at_once(make_reader):
    peer = Peer(make_reader)
    peer.connection.drain(peer.now, peer.now)
    assert read_frames(peer.collect()) == [closing(1001)]


def test_a_second_drain_may_come_sooner_not_later(make_reader):
    peer = Peer(make_reader)
    peer.connection.drain(peer.now + 5, peer.now)
    peer.connection.drain(peer.now + 50, peer.now)
    assert read_frames(peer.wait(5)) == [closing(1001)]


# -- compression ------------------------------------------------------------------------------------------------------


def test_messages_worth_it_are_compressed(make_reader):
    import zlib

    peer = Peer(make_reader, Agreement())
    peer.connection.send("a" * 1000)
    peer.connection.send("short")
    (first, packed), short = read_frames(peer.collect())
    assert first == FIN | 0x40 | TEXT
    assert zlib.decompressobj(wbits=-12).decompress(packed + b"\0\0\xff\xff") == b"a" * 1000
    assert short == (FIN | TEXT, b"short")


def test_control_frames_are_never_compressed(make_reader):
    peer = Peer(make_reader, Agreement())
    assert read_frames(peer.receive(frame(PING, b"p" * 125))) == [(FIN | PONG, b"p" * 125)]
    peer.connection.send(Close(1000, "r" * 100))
    assert read_frames(peer.collect()) == [closing(1000, b"r" * 100)]
