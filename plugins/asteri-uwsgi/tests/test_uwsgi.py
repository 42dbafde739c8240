"""Packets of the uwsgi protocol: what they say, what is refused, and how a request runs. Whole, and byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from asteri_core.api import RESET, Disconnected, Failed, Finished, Peer, RemoteProtocolError, Sniff, Started
from asteri_core.testing import check_connection
from asteri_http.settings import HttpSettings
from asteri_uwsgi.plugin import bind, sniff
from asteri_uwsgi.settings import UwsgiSettings

Make = Callable[..., Any]

IMPLEMENTATIONS = {"py": "python", "c": "native"}
"""Test id and ``ASTERI_IMPL`` of each twin: every test that reads a packet runs over both."""
PEER = Peer(("127.0.0.1", 1), ("127.0.0.1", 80))
USUAL = {b"REQUEST_METHOD": b"GET", b"REQUEST_URI": b"/a%20b?c=d", b"SERVER_PROTOCOL": b"HTTP/1.1", b"HTTP_HOST": b"a"}


def pairs(variables: dict[bytes, bytes]) -> bytes:
    texts = [text for pair in variables.items() for text in pair]
    return b"".join(struct.pack("<H", len(text)) + text for text in texts)


def packet(body: bytes = b"", raw: bytes | None = None, **changed: bytes | None) -> bytes:
    """The usual variables with changes; None leaves one out."""
    variables = USUAL | {name.encode(): value for name, value in changed.items() if value is not None}
    for name, value in changed.items():
        if value is None:
            variables.pop(name.encode(), None)
    if body:
        variables.setdefault(b"CONTENT_LENGTH", b"%d" % len(body))
    data = pairs(variables) if raw is None else raw
    return struct.pack("<BHB", 0, len(data), 0) + data + body


@pytest.fixture(params=IMPLEMENTATIONS)
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes connections of one twin; settings by keyword."""
    monkeypatch.setenv("ASTERI_IMPL", IMPLEMENTATIONS[request.param])

    def connection(peer: Peer = PEER, own: dict[str, Any] | None = None, **settings: Any) -> Any:
        config: Any = {HttpSettings: HttpSettings(**settings), UwsgiSettings: UwsgiSettings(**(own or {}))}
        return bind(config)(peer, 0.0)

    return connection


def run(connection: Any, data: bytes, step: int = 0, eof: bool = False) -> tuple[list[Any], list[Any]]:
    """Events and output."""
    for at in range(0, len(data), step or len(data) or 1):
        connection.receive_data(data[at : at + (step or len(data))], 1.0)
    if eof:
        connection.receive_eof(1.0)
    events = list(connection.events())
    return events, list(connection.data_to_send(1.0))


@pytest.mark.parametrize("step", [0, 1, 7])
def test_a_request_is_an_exchange_with_the_facts_of_http(make: Make, step: int) -> None:
    data = packet(
        b"body", REQUEST_METHOD=b"POST", HTTP_X_Y=b"z", CONTENT_TYPE=b"text/plain", REMOTE_ADDR=b"192.0.2.7",
        REMOTE_PORT=b"5555", HTTPS=b"on", SCRIPT_NAME=b"/x", REMOTE_USER=b"admin", HTTP_CONNECTION=b"close",
        HTTP_PROXY=b"evil",
    )  # fmt: skip
    connection = make()
    [started], sent = run(connection, data, step)
    exchange = started.exchange
    assert sent == []
    assert (exchange.method, exchange.version, exchange.target) == ("POST", "1.1", b"/a%20b?c=d")
    assert (exchange.raw_path, exchange.query, exchange.authority) == (b"/a%20b", b"c=d", b"a")
    assert exchange.headers == [
        (b"host", b"a"), (b"x-y", b"z"), (b"content-type", b"text/plain"), (b"content-length", b"4"),
    ]  # fmt: skip
    assert (exchange.peer.address, exchange.scheme) == (("192.0.2.7", 5555), "https")
    assert (exchange.content_length, exchange.read(), exchange.read()) == (4, b"body", b"")
    exchange.respond(200, [(b"Content-Type", b"text/plain"), (b"Connection", b"keep-alive")])
    exchange.send(b"hello", True)
    *pieces, end = connection.data_to_send(2.0)
    assert b"".join(pieces) == b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length: 5\r\n\r\nhello"
    assert end == b""
    assert list(connection.events()) == [Finished(exchange)]


def test_without_request_uri_the_path_and_the_query_make_the_target(make: Make) -> None:
    [started], _ = run(make(), packet(REQUEST_URI=None, PATH_INFO=b"/\xc3\xa4 b", QUERY_STRING=b"q=1"))
    assert started.exchange.target == b"/%C3%A4%20b?q=1"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"REQUEST_METHOD": None}, 400),
        ({"REQUEST_METHOD": b"G T"}, 400),
        ({"REQUEST_METHOD": b"G" * 33}, 501),
        ({"REQUEST_METHOD": b"CONNECT", "REQUEST_URI": b"a:80"}, 501),
        ({"SERVER_PROTOCOL": b"HTTP/0.9"}, 505),
        ({"REQUEST_URI": b"/#x"}, 400),
        ({"REQUEST_URI": b"x"}, 400),
        ({"REQUEST_URI": b"/%00"}, 400),
        ({"REQUEST_URI": b"/" + b"a" * 8200}, 414),
        ({"HTTP_HOST": b"a b"}, 400),
        ({"REQUEST_URI": b"http://b/"}, 400),
        ({"HTTP_X": b"a\r\nSet-Cookie: b"}, 400),
        ({"HTTP_X": b"a\nb"}, 400),
        ({"HTTP_X": b"a\0b"}, 400),
        ({"HTTP_X": b"a" * 9000}, 431),
        ({f"HTTP_X{number}": b"y" for number in range(101)}, 431),
        ({"CONTENT_LENGTH": b"+5"}, 400),
        ({"CONTENT_LENGTH": b"0x5"}, 400),
        ({"CONTENT_LENGTH": b"5, 5"}, 400),
        ({"CONTENT_LENGTH": b"9" * 19}, 413),
        ({"CONTENT_LENGTH": b"5", "HTTP_CONTENT_LENGTH": b"6"}, 400),
        ({"HTTP_CONTENT_LENGTH": b"6"}, 400),
        ({"CONTENT_LENGTH": b"2000"}, 413),
        ({"REMOTE_ADDR": b"evil"}, 400),
        ({"REMOTE_ADDR": b"192.0.2.7", "REMOTE_PORT": b"99999"}, 400),
    ],
)
@pytest.mark.parametrize("behind", [b"", packet()], ids=["alone", "followed"])
@pytest.mark.parametrize("step", [0, 1])
def test_what_http_does_not_allow_is_refused_before_anything_starts(
    make: Make, changed: Any, status: int, step: int, behind: bytes
) -> None:
    connection = make(limit_request_body=1000)
    [event], [answer, end] = run(connection, packet(**changed) + behind, step)
    assert isinstance(event, Failed)
    assert isinstance(event.error, RemoteProtocolError)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert end == b""
    assert not connection.wants_data


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\0\1\0\0x", 400),
        (b"\0\3\0\0\1\0x", 400),
        (b"\0\3\0\0\5\0x", 400),
        (packet(raw=b"\xff\xffx"), 400),
        (packet(raw=b"\1\0A\0\0" * 2), 400),
        (packet(raw=b"\0\0\0\0"), 400),
        (packet(raw=b"\3\0A B\0\0"), 400),
        (packet(raw=b""), 400),
        (b"\1\0\0\0", 501),
        (b"\0\0\0\1", 501),
    ],
)
@pytest.mark.parametrize("behind", [b"", packet()], ids=["alone", "followed"])
@pytest.mark.parametrize("step", [0, 1])
def test_packets_whose_sizes_lie_are_refused(make: Make, data: bytes, status: int, step: int, behind: bytes) -> None:
    [event], [answer, _] = run(make(), data + behind, step)
    assert isinstance(event, Failed)
    assert answer.startswith(b"HTTP/1.1 %d " % status)


def test_the_largest_packet_is_read(make: Make) -> None:
    room = 65535 - len(pairs(USUAL)) - len(pairs({b"UNSEEN": b""}))
    [event], _ = run(make(), packet(UNSEEN=b"x" * room))
    assert isinstance(event, Started)


def test_a_packet_and_a_body_that_are_cut_are_answered(make: Make) -> None:
    data = packet()
    for size in range(1, len(data)):
        [event], [answer, _] = run(make(), data[:size], eof=True)
        assert isinstance(event, Failed)
        assert answer.startswith(b"HTTP/1.1 400 ")
    connection = make()
    [started], sent = run(connection, packet(b"whole")[:-1], eof=True)
    assert b"".join(sent).startswith(b"HTTP/1.1 400 ")
    assert list(connection.events()) == [Finished(started.exchange)]
    with pytest.raises(Disconnected):
        started.exchange.read()


def test_what_comes_behind_a_request_is_not_read(make: Make) -> None:
    connection = make()
    [started], _ = run(connection, packet(b"body", REQUEST_METHOD=b"POST") + packet())
    assert started.exchange.read() == b"body"
    assert list(connection.events()) == []


def test_a_cut_response_without_a_length_is_a_reset(make: Make) -> None:
    connection = make()
    [started], _ = run(connection, packet())
    started.exchange.respond(200, [])
    started.exchange.send(b"begun")
    sent = list(connection.data_to_send(1.0))
    assert b"content-length" not in b"".join(sent)
    started.exchange.abort()
    assert list(connection.data_to_send(1.0))[-1] is RESET


def test_slow_packets_and_bodies_end(make: Make) -> None:
    connection = make(header_timeout=5)
    connection.receive_data(packet()[:9], 1.0)
    assert connection.deadline() == 5.0
    connection.expire(5.0)
    assert b"".join(connection.data_to_send(5.0)).startswith(b"HTTP/1.1 408 ")
    slow = make(body_timeout=5)
    run(slow, packet(b"body")[:-1])
    slow.expire(slow.deadline())
    assert b"".join(slow.data_to_send(9.0)).startswith(b"HTTP/1.1 408 ")


def test_anybody_else_is_refused_before_anything_is_believed(make: Make) -> None:
    connection = make(Peer(("192.0.2.1", 5), ("192.0.2.2", 80)))
    [event], [answer, _] = run(connection, packet())
    assert isinstance(event, Failed)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert isinstance(run(make(Peer("", "")), packet())[0][0], Started)


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"\0", Sniff.MORE),
        (b"\0\1\2", Sniff.MORE),
        (b"\0\1\2\0", Sniff.YES),
        (b"\0GET /", Sniff.NO),
        (b"GET", Sniff.NO),
        (b"\x16\x03", Sniff.NO),
    ],
)
def test_the_first_bytes_tell(data: bytes, answer: Sniff) -> None:
    assert sniff(data) is answer


@pytest.mark.parametrize("twin", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
def test_the_connection_keeps_its_contract(monkeypatch: pytest.MonkeyPatch, twin: str) -> None:
    monkeypatch.setenv("ASTERI_IMPL", twin)

    def answer(exchange: Any) -> None:
        exchange.respond(200, [])
        exchange.send(b"ok", True)

    config: Any = {HttpSettings: HttpSettings(), UwsgiSettings: UwsgiSettings()}
    check_connection(bind(config), [packet(), packet(b"body", REQUEST_METHOD=b"POST")], answer, [b"\0\1\0\0x", b"\1"])


def test_a_field_that_comes_again_is_as_in_http(make: Make) -> None:
    """nginx before 1.23 says each field as its client has sent it."""
    again = {b"HTTP_COOKIE": b"b=2"}
    data = packet(raw=pairs(USUAL | {b"HTTP_COOKIE": b"a=1"}) + pairs({b"HTTP_ACCEPT": b"*/*"} | again))
    events, _ = run(make(), data)
    assert events[0].exchange.headers == [
        (b"host", b"a"),
        (b"cookie", b"a=1"),
        (b"accept", b"*/*"),
        (b"cookie", b"b=2"),
    ]


@pytest.mark.parametrize(
    "name", ["HTTP_HOST", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_TRANSFER_ENCODING", "REMOTE_ADDR", "X"]
)
def test_what_a_request_has_once_is_refused_when_it_comes_again(make: Make, name: str) -> None:
    one = pairs({name.encode(): b"a"})
    events, output = run(make(), packet(raw=pairs({**USUAL, name.encode(): b"a"}) + one))
    assert (events[0].error.status, str(events[0].error)) == (400, f"a second variable {name}")
    assert b"".join(bytes(piece) for piece in output).startswith(b"HTTP/1.1 400 ")
