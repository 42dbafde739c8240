"""21. Packets of the uwsgi protocol that lie. Every one is answered once, ends its connection, and reaches nobody.

A backend that reads sizes more loosely than its proxy writes them takes a part of one request for another one.
"""

from __future__ import annotations

import struct

import pytest
from attacking.target import Attacked
from attacking.wire import Response

USUAL = {
    b"REQUEST_METHOD": b"POST",
    b"REQUEST_URI": b"/echo?q",
    b"SERVER_PROTOCOL": b"HTTP/1.1",
    b"HTTP_HOST": b"a",
    b"REMOTE_ADDR": b"192.0.2.7",
}


def texts(variables: dict[bytes, bytes]) -> bytes:
    return b"".join(struct.pack("<H", len(text)) + text for pair in variables.items() for text in pair)


def raw(data: bytes, modifier1: int = 0, modifier2: int = 0, size: int | None = None) -> bytes:
    return struct.pack("<BHB", modifier1, len(data) if size is None else size, modifier2) + data


def packet(**more: bytes) -> bytes:
    return raw(texts(USUAL | {name.encode(): value for name, value in more.items()}))


LATER = packet(REQUEST_METHOD=b"GET", REQUEST_URI=b"/later")
"""Stands behind what is bad: it must never run."""
ONE = texts({b"A": b"b"})
REFUSED: dict[str, tuple[bytes, int]] = {
    "a size that ends within a size": (raw(texts(USUAL), size=len(texts(USUAL)) - len(b"192.0.2.7") - 1), 400),
    "a size that ends within a value": (raw(texts(USUAL), size=len(texts(USUAL)) - 1), 400),
    "a size that ends before a value": (raw(texts(USUAL), size=len(texts(USUAL)) - len(b"192.0.2.7") - 2), 400),
    "a size that goes on into what follows": (raw(texts(USUAL), size=len(texts(USUAL)) + 7), 400),
    "a name that goes over the end": (raw(texts(USUAL) + b"\xff\xffA"), 400),
    "a value that goes over the end": (raw(texts(USUAL) + b"\1\0A\xff\xff"), 400),
    "a value that goes over the end by one byte": (raw(texts(USUAL) + b"\1\0A\2\0b"), 400),
    "no variables": (raw(b""), 400),
    "only zeros": (raw(b"\0" * 1000), 400),
    "modifier 1 of another language": (raw(texts(USUAL), 5), 400),
    "modifier 1 of a ping": (raw(b"", 100), 400),
    "modifier 2 of something else": (raw(texts(USUAL), 0, 1), 400),
    "a variable twice": (raw(texts(USUAL) + ONE + ONE), 400),
    "a method twice": (raw(texts(USUAL) + texts({b"REQUEST_METHOD": b"GET"})), 400),
    "a length twice": (raw(texts(USUAL) + texts({b"CONTENT_LENGTH": b"5"}) * 2), 400),
    "an empty name": (raw(texts(USUAL | {b"": b"a"})), 400),
    "a name with a line end": (raw(texts(USUAL | {b"HTTP_X\r\nY": b"a"})), 400),
    "a name with a hyphen": (raw(texts(USUAL | {b"HTTP_X-Y": b"a"})), 400),
    "a value with a line end": (packet(HTTP_X=b"a\r\nSet-Cookie: b"), 400),
    "a value with half a line end": (packet(HTTP_X=b"a\nSet-Cookie: b"), 400),
    "a value with the other half": (packet(HTTP_X=b"a\rb"), 400),
    "a value with NUL": (packet(HTTP_X=b"a\0b"), 400),
    "a target with a line end": (packet(REQUEST_URI=b"/a HTTP/1.1\r\nX: b"), 400),
    "a query with a line end": (packet(REQUEST_URI=b"", PATH_INFO=b"/", QUERY_STRING=b"a\r\nb"), 400),
    "a host with a line end": (packet(HTTP_HOST=b"a\r\nb"), 400),
    "a method with a space": (packet(REQUEST_METHOD=b"GET /x"), 400),
    "two lengths": (packet(CONTENT_LENGTH=b"5", HTTP_CONTENT_LENGTH=b"6"), 400),
    "a length of the client alone": (packet(HTTP_CONTENT_LENGTH=b"6"), 400),
    "a length with a sign": (packet(CONTENT_LENGTH=b"+5"), 400),
    "a length as a list": (packet(CONTENT_LENGTH=b"5, 5"), 400),
    "a length of 2^63": (packet(CONTENT_LENGTH=b"9223372036854775808"), 413),
    "a length above the limit": (packet(CONTENT_LENGTH=b"9223372036854775807"), 413),
    "a version of no meaning": (packet(SERVER_PROTOCOL=b"HTTP/9"), 505),
    "a tunnel": (packet(REQUEST_METHOD=b"CONNECT", REQUEST_URI=b"a:80"), 501),
    "a client that is no address": (packet(REMOTE_ADDR=b"192.0.2.7\x41"), 400),
    "a port that is none": (packet(REMOTE_PORT=b"65536"), 400),
    "the largest packet": (packet(HTTP_X=b"a" * (65535 - len(texts(USUAL | {b"HTTP_X": b""})))), 431),
    "as many variables as can be": (raw(b"".join(texts({b"%07x" % (0xA000000 + n): b""}) for n in range(5957))), 400),
}
"""Packets, and how they are answered."""


def ask(attack: Attacked, data: bytes, step: int = 0, end: bool = False) -> Response:
    """The only answer on a connection that the server ends behind it."""
    with attack.client() as client:
        for at in range(0, len(data), step or len(data)):
            client.send(data[at : at + (step or len(data))])
        if end:
            client.end()
        response = client.response()
        assert client.ended()
    return response


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("behind", [b"", LATER], ids=["alone", "followed"])
def test_a_packet_that_lies_is_answered_and_nothing_runs(
    attack: Attacked, data: bytes, status: int, behind: bytes
) -> None:
    attack.records()
    assert ask(attack, data + behind, end=not behind).status == status
    assert attack.seen() == []
    attack.check_alive()


@pytest.mark.parametrize("name", ["a value that goes over the end", "a variable twice", "a value with a line end"])
def test_it_is_no_other_byte_by_byte(attack: Attacked, name: str) -> None:
    data, status = REFUSED[name]
    attack.records()
    assert ask(attack, data, 1).status == status
    assert attack.seen() == []


def test_the_largest_packet_runs_when_its_fields_are_within_the_limits(attack: Attacked) -> None:
    attack.records()
    data = packet(UNSEEN=b"x" * (65535 - len(texts(USUAL | {b"UNSEEN": b""}))))
    assert len(data) == 4 + 65535
    assert ask(attack, data).body == b"POST /echo?q "
    assert attack.seen() == [("POST /echo?q", b"")]


def test_a_body_that_is_longer_than_declared_ends_where_it_was_declared_to(attack: Attacked) -> None:
    attack.records()
    with attack.client() as client:
        client.send(packet(CONTENT_LENGTH=b"4") + b"body" + LATER)
        assert client.response().body == b"POST /echo?q body"
        assert client.ended()
    assert attack.seen() == [("POST /echo?q", b"body")]


def test_a_body_without_a_length_is_none(attack: Attacked) -> None:
    attack.records()
    assert ask(attack, packet() + b"body").body == b"POST /echo?q "
    assert attack.seen() == [("POST /echo?q", b"")]


def test_a_body_that_is_shorter_than_declared_is_no_request(attack: Attacked) -> None:
    attack.records()
    assert ask(attack, packet(CONTENT_LENGTH=b"5") + b"body", end=True).status == 400
    assert attack.seen() == []
    attack.check_alive()


def test_a_packet_that_ends_early_is_no_request(attack: Attacked) -> None:
    attack.records()
    data = packet()
    for size in (1, 3, 4, 5, len(data) // 2, len(data) - 1):
        assert ask(attack, data[:size], end=True).status == 400
    assert attack.seen() == []
    attack.check_alive()
