"""Another protocol within a stream (RFC 8441): both ways, their ends, resets, windows and time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import h2.events
import pytest
from asteri_core.api import RESET, LocalProtocolError, Peer, Sendable
from h2_frames import END_HEADERS, REFUSED, head
from h2_talk import PEER, REQUEST, Talk, ok

CONNECT = [(":method", "CONNECT"), (":protocol", "chat"), *REQUEST[1:]]


class Chat:
    """The inner connection: it keeps what comes, and sends what it is given, a piece each time that it is asked."""

    def __init__(self) -> None:
        self.wake: Callable[[], None] = lambda: None
        self.peer: Peer = PEER
        self.wants_data = True
        self.received = b""
        self.to_send: list[Sendable] = []
        self.due: float | None = None
        self.said: list[str] = []
        """What else it was told."""

    def receive_data(self, data: bytes, now: float) -> None:
        self.received += data

    def receive_eof(self, now: float) -> None:
        self.said.append("eof")

    def lost(self, now: float) -> None:
        self.said.append("lost")

    def events(self) -> Sequence[Any]:
        return ()

    def data_to_send(self, now: float) -> Sequence[Sendable]:
        return [self.to_send.pop(0)] if self.to_send else ()

    def deadline(self) -> float | None:
        return self.due

    def expire(self, now: float) -> None:
        if self.due is not None and now >= self.due:
            self.due = None
            self.said.append("expired")

    def drain(self, until: float, now: float) -> None:
        self.said.append("drain")


def open_chat(talk: Callable[..., Talk], early: bytes = b"", **options: Any) -> tuple[Talk, Chat]:
    """A client whose stream 1 has become a chat."""
    made, chat = talk(**options), Chat()
    made.client.send_headers(1, CONNECT)
    if early:
        made.client.send_data(1, early)
    made.turn()
    made.started[0].upgrade(chat, [(b"X-Room", b"1")])
    made.turn()
    return made, chat


def test_a_stream_becomes_another_protocol_and_both_sides_speak(talk) -> None:
    made, chat = open_chat(talk)
    head = made.head()
    assert (head[b":status"], head[b"x-room"]) == (b"200", b"1")
    assert made.finished == made.started
    made.client.send_data(1, b"hello")
    made.turn()
    assert chat.received == b"hello"
    chat.to_send += [b"one, ", b"two"]
    chat.wake()
    made.turn()
    assert made.content(1) == b"one, two"
    made.client.send_data(1, b" again")
    made.turn()
    assert chat.received == b"hello again"
    assert chat.said == []


def test_fields_that_respond_have_responded(talk) -> None:
    made = talk()
    made.client.send_headers(1, CONNECT)
    made.turn()
    exchange = made.started[0]

    def fields():
        exchange.respond(403, [])
        exchange.finish()
        yield b"x-room", b"1"

    with pytest.raises(LocalProtocolError, match="cannot upgrade"):
        exchange.upgrade(Chat(), fields())
    made.turn()
    assert made.head()[b":status"] == b"403"
    assert made.of(h2.events.StreamEnded)


def test_what_came_before_the_answer_belongs_to_the_other_protocol(talk) -> None:
    _, chat = open_chat(talk, early=b"early")
    assert chat.received == b"early"


def test_the_end_of_the_client_is_the_end_of_one_way_only(talk) -> None:
    made, chat = open_chat(talk)
    made.client.send_data(1, b"last", end_stream=True)
    made.turn()
    assert (chat.received, chat.said) == (b"last", ["eof"])
    chat.to_send += [b"goodbye", b""]
    made.turn()
    assert made.content(1) == b"goodbye"
    assert made.of(h2.events.StreamEnded)
    assert made.resets() == []
    assert chat.said == ["eof", "lost"]


@pytest.mark.parametrize("at_once", [True, False], ids=["with its request", "after it"])
def test_the_end_of_a_client_that_came_before_the_answer_reaches_the_other_protocol(talk, at_once: bool) -> None:
    made, chat = talk(), Chat()
    made.client.send_headers(1, CONNECT, at_once)
    if not at_once:
        made.client.send_data(1, b"last", True)
    made.turn()
    made.started[0].upgrade(chat)
    made.turn()
    assert (chat.received, chat.said) == (b"" if at_once else b"last", ["eof"])
    chat.to_send += [b""]
    made.turn()
    assert made.resets() == []


def test_the_end_of_the_other_protocol_ends_the_stream_without_an_error(talk) -> None:
    """What the client still says is of no use to anybody, and its half of the stream is not kept."""
    made, chat = open_chat(talk)
    chat.to_send += [b"goodbye", b""]
    made.turn()
    assert made.content(1) == b"goodbye"
    assert made.of(h2.events.StreamEnded)
    assert made.resets(1) == [0]
    assert chat.said == ["lost"]
    assert not made.server._h2.open_inbound_streams


def test_a_reset_of_the_client_is_a_loss_and_others_go_on(talk) -> None:
    made, chat = open_chat(talk)
    made.client.send_headers(3, REQUEST, True)
    made.client.reset_stream(1)
    made.turn()
    assert chat.said == ["lost"]
    ok(made.started[1])
    made.turn()
    assert made.content(3) == b"hello"


def test_a_reset_of_the_other_protocol_resets_the_stream(talk) -> None:
    made, chat = open_chat(talk)
    chat.to_send += [RESET]
    made.turn()
    assert made.resets(1) == [8]
    assert chat.said == ["lost"]
    assert not made.closed


def test_the_end_of_the_connection_reaches_the_other_protocol(talk) -> None:
    made, chat = open_chat(talk)
    made.server.receive_eof(made.now)
    assert chat.said == ["eof"]
    made.server.lost(made.now)
    assert chat.said == ["eof", "lost"]


def test_a_window_is_given_back_only_while_more_is_wanted(talk) -> None:
    made, chat = open_chat(talk, own={"http2_initial_window_size": 1000})
    chat.wants_data = False
    made.client.send_data(1, b"x" * 1000)
    made.turn()
    assert chat.received == b"x" * 1000
    assert made.client.local_flow_control_window(1) == 0
    chat.wants_data = True
    chat.wake()
    made.turn()
    assert made.client.local_flow_control_window(1) == 1000


def test_what_was_not_wanted_of_a_stream_that_has_ended_takes_no_window_from_the_connection(talk) -> None:
    made = talk()
    for stream in range(1, 21, 2):
        chat = Chat()
        chat.wants_data = False
        made.client.send_headers(stream, CONNECT)
        made.client.send_data(stream, bytes(16384))
        made.turn()
        made.started[-1].upgrade(chat)
        for _ in range(11):
            made.client.send_data(stream, bytes(16384))  # an error if there is no window
            made.turn()
        made.client.reset_stream(stream)
        made.turn()
        assert len(chat.received) == 12 * 16384


def test_no_more_is_taken_from_the_other_protocol_than_the_client_takes(talk) -> None:
    made, chat = open_chat(talk)
    chat.to_send += [b"x" * 40_000] * 4
    made.turn()
    assert len(made.content(1)) == 65535
    assert len(chat.to_send) == 2  # the third waits until the second has left
    for _ in range(3):
        made.client.increment_flow_control_window(40_000, 1)
        made.client.increment_flow_control_window(40_000)
        made.turn()
    assert made.content(1) == b"x" * 160_000
    assert chat.to_send == []


def test_a_client_that_takes_nothing_from_the_other_protocol_is_given_up(talk) -> None:
    made, chat = open_chat(talk, own={"http2_window_timeout": 7})
    chat.to_send += [b"x" * 100_000]
    made.turn()
    made.wait(6.9)
    assert chat.said == []
    made.wait(0.2)
    assert made.resets(1) == [0xB]
    assert chat.said == ["lost"]


def test_the_time_of_the_other_protocol_is_that_of_the_connection(talk) -> None:
    made, chat = open_chat(talk, keep_alive=5)
    assert made.server.deadline() is None  # a tunnel is not idle
    chat.due = made.now + 60
    assert made.server.deadline() == chat.due
    made.wait(60)
    assert chat.said == ["expired"]


def test_a_drain_reaches_the_other_protocol_and_waits_for_its_end(talk) -> None:
    made, chat = open_chat(talk)
    made.server.drain(made.now, made.now)
    made.follows = False
    made.take()
    assert chat.said == ["drain"]
    assert not made.closed
    chat.to_send += [b""]
    made.take()
    assert made.closed


def test_a_drain_reaches_a_protocol_that_begins_after_it(talk) -> None:
    made, chat = talk(), Chat()
    made.client.send_headers(1, CONNECT)
    made.turn()
    made.server.drain(made.now, made.now)
    made.follows = False
    made.take()
    made.started[0].upgrade(chat)
    made.take()
    assert chat.said == ["drain"]
    chat.to_send += [b""]
    made.take()
    assert made.closed


def test_a_drain_reaches_a_protocol_whose_client_has_said_goodbye(talk) -> None:
    made, chat = open_chat(talk)
    made.raw(b"\0\0\x08\x07\0\0\0\0\0" + bytes(8))
    made.server.drain(made.now, made.now)
    assert chat.said == ["drain"]


def test_tunnels_count_as_streams_of_which_there_are_not_too_many(talk) -> None:
    made = talk(own={"http2_max_concurrent_streams": 3})
    made.answer = lambda exchange: exchange.upgrade(Chat())
    for stream in range(1, 8, 2):
        made.raw(head(made, stream, END_HEADERS, CONNECT))
    assert len(made.started) == 3
    assert made.resets() == made.resets(7) == [REFUSED]


def test_only_who_has_asked_for_another_protocol_gets_it(talk) -> None:
    made = talk()
    made.client.send_headers(1, REQUEST, True)
    made.turn()
    with pytest.raises(LocalProtocolError):
        made.started[0].upgrade(Chat())


def test_who_answers_as_if_it_were_any_request_does_not_say_that_he_chats(talk) -> None:
    """RFC 8441 section 5: any 2xx would. Applications that do not look at the method answer 200."""
    made = talk()
    made.client.send_headers(1, CONNECT)
    made.turn()
    ok(made.started[0])
    made.turn()
    assert (made.head()[b":status"], made.content()) == (b"501", b"hello")
    assert made.finished[0].status == 501
    assert made.resets(1) == [0]


def test_a_chat_that_is_refused_is_an_answer_like_any_other(talk) -> None:
    made = talk()
    made.client.send_headers(1, CONNECT)
    made.turn()
    made.started[0].respond(403, [])
    made.started[0].send(b"no", True)
    made.turn()
    assert (made.head()[b":status"], made.content()) == (b"403", b"no")
    assert made.resets(1) == [0]
