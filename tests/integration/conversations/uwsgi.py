"""What is said over uwsgi to the applications beside this; see `conversations.http1`."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable

from uwsgi_client import answer, ask, packet, variables

LARGE = 12_000_000
PATTERN = bytes(range(256)) * (LARGE // 256 + 1)

Connect = Callable[[], socket.socket]


def get(connect: Connect) -> None:
    with connect() as peer:
        found = ask(peer, "GET", "/hello")
    assert (found.status, found.body, found.values(b"content-length")) == (200, b"hello\n", [b"6"])


def post_in_pieces(connect: Connect) -> None:
    with connect() as peer:
        data = packet(variables("POST", "/echo", CONTENT_LENGTH="10"))
        for piece in (data[:3], data[3:40], data[40:] + b"01234", b"56789"):
            peer.sendall(piece)
        assert answer(peer).body == b"0123456789"


def head(connect: Connect) -> None:
    with connect() as peer:
        found = ask(peer, "HEAD", "/download?size=1000")
    assert (found.status, found.body, found.values(b"content-length")) == (200, b"", [b"1000"])


def a_streamed_response(connect: Connect) -> None:
    with connect() as peer:
        found = ask(peer, "GET", "/stream")
    assert found.body == b"".join(b"piece %d\n" % number for number in range(5))
    assert found.values(b"transfer-encoding") == []


def a_response_without_content(connect: Connect) -> None:
    with connect() as peer:
        found = ask(peer, "GET", "/empty")
    assert (found.status, found.body) == (204, b"")


def duplicate_fields_are_kept_in_order(connect: Connect) -> None:
    with connect() as peer:
        assert ask(peer, "GET", "/cookies").values(b"set-cookie") == [b"a=1", b"b=2"]


def an_error_of_the_application(connect: Connect) -> None:
    with connect() as peer:
        assert ask(peer, "GET", "/error").status == 500


def a_large_request_body(connect: Connect) -> None:
    body = memoryview(PATTERN)[:LARGE]
    with connect() as peer:
        assert ask(peer, "POST", "/digest", body).body == hashlib.sha256(body).hexdigest().encode()


def a_large_response(connect: Connect) -> None:
    with connect() as peer:
        assert ask(peer, "GET", f"/download?size={LARGE}").body == PATTERN[:LARGE]


def the_peer_leaves_in_the_middle(connect: Connect) -> None:
    with connect() as peer:
        peer.sendall(packet(variables("POST", "/echo", CONTENT_LENGTH="100")) + b"half")
    with connect() as peer:
        peer.sendall(packet(variables("GET", "/endless")))
        peer.recv(100_000)
    with connect() as peer:
        assert ask(peer, "GET", "/hello").status == 200


CONVERSATIONS = [
    get,
    post_in_pieces,
    head,
    a_streamed_response,
    a_response_without_content,
    duplicate_fields_are_kept_in_order,
    an_error_of_the_application,
    a_large_request_body,
    a_large_response,
    the_peer_leaves_in_the_middle,
]
