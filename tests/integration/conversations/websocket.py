"""What is said over WebSocket, by HTTP/1.1 and HTTP/2, to the applications beside this; see `conversations.http1`."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from websocket_client import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, WAYS, Refused

BLOCK = bytes(range(256)) * 256

Connect = Callable[..., socket.socket]


def messages_come_back(connect: Connect) -> None:
    for way in WAYS:
        with way(connect, "/ws/echo") as peer:
            for message in ("text", b"bytes", "", b"", "€" * 50, "x" * 126, bytes(65536), bytes(range(256)) * 4096):
                peer.send(message)
                assert peer.receive() == message
            assert peer.close() == 1000


def many_messages_at_once_come_back_in_order(connect: Connect) -> None:
    for way in WAYS:
        with way(connect, "/ws/echo") as peer:
            for number in range(100):
                peer.send(f"message {number}")
            assert [peer.receive() for _ in range(100)] == [f"message {number}" for number in range(100)]
            assert peer.close(3000) == 3000


def fragments_are_put_together_around_a_ping(connect: Connect) -> None:
    for way in WAYS:
        with way(connect, "/ws/echo") as peer:
            peer.send_frame(TEXT, b"he", last=False)
            peer.send_frame(PING, b"now")
            assert peer.receive_frame() == (PONG, b"now")
            peer.send_frame(CONTINUATION, b"llo")
            assert peer.receive() == "hello"


def a_subprotocol_is_chosen(connect: Connect) -> None:
    for way in WAYS:
        with way(connect, "/ws/second", ("sec-websocket-protocol", "one, two")) as peer:
            assert peer.subprotocol == b"two"
            assert peer.receive() == 1000


def the_application_closes(connect: Connect) -> None:
    for way in WAYS:
        with way(connect, "/ws/close") as peer:
            assert peer.receive() == "last"
            assert peer.receive_frame() == (CLOSE, (4321).to_bytes(2) + b"enough")
            peer.send_frame(CLOSE, (4321).to_bytes(2))
            assert peer.receive_frame() is None


def the_application_refuses(connect: Connect) -> None:
    for way in WAYS:
        with pytest.raises(Refused) as caught:
            way(connect, "/ws/elsewhere")
        assert (caught.value.status, caught.value.body) == (403, b"refused\n")


def an_error_of_the_application_before_the_handshake(connect: Connect) -> None:
    for way in WAYS:
        with pytest.raises(Refused) as caught:
            way(connect, "/ws/early-error")
        assert caught.value.status == 500


def an_error_of_the_application_closes_with_1011(connect: Connect) -> None:
    for way in WAYS:
        with way(connect, "/ws/error") as peer:
            assert peer.receive() == 1011


def what_breaks_the_protocol_closes_with_1002(connect: Connect) -> None:
    for way in WAYS:
        with way(connect, "/ws/echo") as peer:
            peer.send_frame(3)
            assert peer.receive() == 1002
            assert peer.receive_frame() is None


def a_text_that_is_no_utf_8_closes_with_1007(connect: Connect) -> None:
    for way in WAYS:
        with way(connect, "/ws/echo") as peer:
            peer.send_frame(TEXT, b"\xff")
            assert peer.receive() == 1007


def more_than_a_client_takes_waits_for_it(connect: Connect) -> None:
    for way in WAYS:
        with way(connect, "/ws/push?count=200") as peer:
            assert all(peer.receive() == BLOCK for _ in range(200))
            assert peer.receive() == 1000


def the_client_leaves_without_a_word(connect: Connect) -> None:
    for way in WAYS:
        peer = way(connect, "/ws/echo")
        peer.send("a")
        assert peer.receive() == "a"
        peer.send_frame(BINARY, b"half", last=False)
        peer.stream.close()
        with way(connect, "/ws/echo") as after:
            after.send("b")
            assert after.receive() == "b"


CONVERSATIONS = [
    messages_come_back,
    many_messages_at_once_come_back_in_order,
    fragments_are_put_together_around_a_ping,
    a_subprotocol_is_chosen,
    the_application_closes,
    the_application_refuses,
    an_error_of_the_application_before_the_handshake,
    an_error_of_the_application_closes_with_1011,
    what_breaks_the_protocol_closes_with_1002,
    a_text_that_is_no_utf_8_closes_with_1007,
    more_than_a_client_takes_waits_for_it,
    the_client_leaves_without_a_word,
]
