"""The head of a response: what an application may not send, what we add, trailers."""

from __future__ import annotations

import pytest
from asteri_core.api import LocalProtocolError
from asteri_http.failure import answer_failure
from asteri_http.settings import HttpSettings


def get(version: bytes = b"1.1", *lines: bytes, method: bytes = b"GET") -> bytes:
    return b"\r\n".join([method + b" / HTTP/" + version, b"Host: a", *lines]) + b"\r\n\r\n"


SPLITTERS = [b"a\r\nX: b", b"a\nX: b", b"a\rb", b"a\x00b", b"a\x0bb", b"a\x7f", b"\r\n\r\n<html>"]


@pytest.mark.parametrize("value", SPLITTERS)
def test_a_response_cannot_be_split(exchange_of, value):
    talk, exchange = exchange_of()
    for headers, reason in [
        ([(b"x", value)], b""),
        ([(value, b"x")], b""),
        ([(b"set-cookie", b"a=" + value)], b""),
        ([(b"location", b"/" + value)], b""),
        ([(b"content-length", value)], b""),
        ([(b"connection", value)], b""),
        ([], value),
    ]:
        with pytest.raises(LocalProtocolError):
            exchange.respond(200, headers, reason)
        with pytest.raises(LocalProtocolError):
            exchange.inform(103, [(b"link", value)])
    exchange.respond(200, [(b"fine", b"1")])
    exchange.send(b"x")
    with pytest.raises(LocalProtocolError):
        exchange.finish([(b"x-a", value)])
    talk.turn()
    assert value not in talk.output
    assert talk.statuses == [200]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (199, []), (100, []), (101, []), (0, []), (600, []), (1000, []), (-200, []), ("200", []), (200.0, []),
        (None, []), (200, [("x", "y")]), (200, [(b"x", "y")]), (200, [(b"", b"y")]), (200, [(b"x y", b"z")]),
        (200, [(b"x:", b"z")]), (200, [(b"content-length", b"+5")]), (200, [(b"content-length", b"")]),
        (200, [(b"content-length", b"5"), (b"content-length", b"6")]), (200, [(b"transfer-encoding", b"gzip")]),
        (200, [(b"transfer-encoding", b"gzip, chunked")]), (200, [(b"x", None)]), (200, [(b"x", [b"y"])]),
        (200, [(b"content-length", "5")]), (200, [(b"content-length", None)]), (200, [(b"content-length", 5)]),
    ],
)  # fmt: skip
def test_a_head_that_cannot_be_sent_is_refused_and_another_may_follow(exchange_of, status, headers):
    talk, exchange = exchange_of()
    with pytest.raises(LocalProtocolError):
        exchange.respond(status, headers)
    answer_failure(exchange)
    talk.turn()
    assert talk.statuses == [500]


def test_hop_by_hop_fields_of_an_application_are_dropped(exchange_of):
    talk, exchange = exchange_of()
    exchange.respond(
        200,
        [
            (b"transfer-encoding", b"chunked"),
            (b"keep-alive", b"timeout=5"),
            (b"connection", b"keep-alive, x"),
            (b"proxy-connection", b"close"),
            (b"x", b"y"),
        ],
    )
    exchange.send(b"hello", True)
    talk.turn()
    assert sorted(talk.fields) == [b"content-length", b"date", b"server", b"x"]


def test_date_and_server_are_added_unless_the_application_has_them(exchange_of):
    talk, exchange = exchange_of()
    exchange.respond(200, [(b"Date", b"then"), (b"Server", b"mine")])
    exchange.finish()
    talk.turn()
    assert talk.output == (b"HTTP/1.1 200 OK\r\nDate: then\r\nServer: mine\r\ncontent-length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        ({}, [b"date", b"server"]),
        ({"date_header": False}, [b"server"]),
        ({"server_header": ""}, [b"date"]),
        ({"date_header": False, "server_header": ""}, []),
    ],
)
def test_date_and_server_are_settings(exchange_of, given, lines):
    talk, exchange = exchange_of(**given)
    exchange.respond(200, [])
    exchange.finish()
    talk.turn()
    assert [name for name in talk.fields if name != b"content-length"] == lines


def test_a_server_name_of_ones_own(exchange_of):
    talk, exchange = exchange_of(server_header="mine")
    exchange.respond(200, [(b"date", b"x")])
    exchange.finish()
    talk.turn()
    assert talk.fields[b"server"] == b"mine"
    assert talk.fields[b"date"] == b"x"


@pytest.mark.parametrize(
    ("status", "reason"), [(299, b"Well \xe9nough"), (200, b"Well \xe9nough"), (200, b"OK"), (404, b"OK")]
)
def test_a_status_and_reason_of_ones_own(exchange_of, status, reason):
    talk, exchange = exchange_of()
    exchange.respond(status, [], reason)
    exchange.finish()
    talk.turn()
    assert talk.output.startswith(b"HTTP/1.1 %d %b\r\n" % (status, reason))


def test_an_unknown_status_has_an_empty_reason_behind_its_space(exchange_of):
    talk, exchange = exchange_of()
    exchange.respond(299, [])
    exchange.finish()
    talk.turn()
    assert talk.output.startswith(b"HTTP/1.1 299 \r\n")


def test_equal_names_stay_apart_and_in_order(exchange_of):
    talk, exchange = exchange_of()
    exchange.respond(200, [(b"set-cookie", b"a=1"), (b"x", b"y"), (b"set-cookie", b"b=2")])
    exchange.finish()
    talk.turn()
    assert talk.output.startswith(b"HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nx: y\r\nset-cookie: b=2\r\n")


@pytest.mark.parametrize(
    ("lines", "trailers"),
    [([b"TE: trailers"], [(b"x-a", b"b")]), ([b"TE: gzip, Trailers"], [(b"x-a", b"b")]), ([], [])],
)
def test_trailers_are_sent_to_a_client_that_takes_them(exchange_of, lines, trailers):
    talk, exchange = exchange_of(get(b"1.1", *lines))
    exchange.respond(200, [])
    exchange.send(b"hello")
    exchange.finish([(b"x-a", b"b")])
    talk.turn()
    assert talk.read_by_h11() == (200, b"hello", trailers)


def test_trailers_alone_make_the_response_chunked(exchange_of):
    talk, exchange = exchange_of(get(b"1.1", b"TE: trailers"))
    exchange.respond(200, [])
    exchange.finish([(b"grpc-status", b"0")])
    talk.turn()
    assert talk.read_by_h11() == (200, b"", [(b"grpc-status", b"0")])


@pytest.mark.parametrize("name", [b"content-length", b"Transfer-Encoding", b"set-cookie", b"host", b"x y", b""])
def test_a_trailer_that_cannot_be_one_is_refused(exchange_of, name):
    _, exchange = exchange_of(get(b"1.1", b"TE: trailers"))
    exchange.respond(200, [])
    exchange.send(b"hello")
    with pytest.raises(LocalProtocolError):
        exchange.finish([(name, b"1")])


def test_regression_2_response_headers_asked_for_before_the_response_are_not_kept(exchange_of):
    """Found by fuzzing: who had looked too early saw none ever after, in C."""
    _, exchange = exchange_of()
    assert list(exchange.response_headers) == []
    exchange.respond(200, [(b"x", b"y")])
    assert list(exchange.response_headers) == [(b"x", b"y")]


def test_regression_3_a_field_of_three_parts_is_the_same_error_for_every_operation(exchange_of):
    """Found by fuzzing: an interim response and an upgrade raised TypeError, in Python."""
    lines = [b"Connection: upgrade", b"Upgrade: x"]
    _, exchange = exchange_of(get(b"1.1", *lines))
    for act in (exchange.respond, exchange.inform, lambda _, fields: exchange.upgrade(None, fields)):
        with pytest.raises(ValueError, match="too many values to unpack"):
            act(103 if act == exchange.inform else 200, [(b"x", b"y", b"z")])


# -- heads that come again -------------------------------------------------------------------------------------------

TYPE, COUNTED, UNCOUNTED = (b"content-type", b"text/plain"), (b"content-length", b"3"), (b"x-lang", b"en")
OTHER_LENGTH, CLOSES, NOW = (b"Content-Length", b"5"), (b"connection", b"close"), (b"date", b"now")
HEADS = {
    "the same": ([TYPE, COUNTED], [TYPE, COUNTED]),
    "another length": ([TYPE, COUNTED], [TYPE, OTHER_LENGTH]),
    "another length and back": ([TYPE, COUNTED], [TYPE, OTHER_LENGTH], [TYPE, COUNTED]),
    "no length any more": ([TYPE, COUNTED], [TYPE]),
    "a length where none was": ([TYPE], [TYPE, COUNTED]),
    "a length in the place of another field": ([UNCOUNTED, TYPE], [COUNTED, TYPE]),
    "another field in the place of a length": ([COUNTED, TYPE], [UNCOUNTED, TYPE]),
    "another order": ([TYPE, COUNTED], [COUNTED, TYPE]),
    "one field more": ([TYPE, COUNTED], [TYPE, COUNTED, UNCOUNTED]),
    "one field fewer": ([TYPE, UNCOUNTED, COUNTED], [TYPE, COUNTED]),
    "a name as long as that of a length": ([(b"x-fourteen-cha", b"3")], [(b"x-fourteen-cha", b"5")]),
    "one in the place of a length": ([COUNTED], [(b"x-fourteen-cha", b"5")]),
    "a length twice": ([COUNTED, COUNTED], [COUNTED, COUNTED], [OTHER_LENGTH, OTHER_LENGTH]),
    "the same value, cut elsewhere": ([(b"x", b"yz")], [(b"xy", b"z")]),
    "a connection to close": ([TYPE, CLOSES, COUNTED], [TYPE, CLOSES, OTHER_LENGTH]),
    "a date of one's own": ([NOW, COUNTED], [NOW, OTHER_LENGTH], [(b"date", b"then"), COUNTED]),
    "one too long to keep": ([(b"x", b"y" * 600), COUNTED], [(b"x", b"y" * 600), OTHER_LENGTH]),
    "none at all": ([], []),
}  # fmt: skip


def answered(exchange, fields) -> None:
    length = next((int(value) for name, value in fields if name.lower() == b"content-length"), 4)
    exchange.respond(200, fields)
    exchange.send(b"z" * length, True)


@pytest.mark.parametrize("heads", HEADS.values(), ids=HEADS)
def test_a_response_is_the_same_whatever_the_last_one_was(implementation, dialogue_of, heads):
    shared, seen = implementation({HttpSettings: HttpSettings()}), []
    for fields in heads:
        alone = implementation({HttpSettings: HttpSettings()})
        outputs, given = [], []
        for factory in (shared, alone):
            talk = dialogue_of(factory).feed(get())
            answered(talk.started[0], fields)
            talk.turn()
            outputs.append(talk.output)
            given.append(list(talk.started[0].response_headers))
            seen.append((talk.started[0], list(fields)))
        assert outputs[0] == outputs[1]
        assert given == [list(fields)] * 2
    for exchange, fields in seen:
        assert list(exchange.response_headers) == fields


@pytest.mark.parametrize("wrong", [[COUNTED, OTHER_LENGTH], [OTHER_LENGTH, COUNTED], [(b"content-length", b"x")]])
@pytest.mark.parametrize("last", [[COUNTED], [COUNTED, COUNTED]])
def test_a_wrong_length_is_refused_whatever_the_last_response_was(implementation, dialogue_of, last, wrong):
    factory = implementation({HttpSettings: HttpSettings()})
    answered(dialogue_of(factory).feed(get()).started[0], last)
    talk = dialogue_of(factory).feed(get())
    with pytest.raises(LocalProtocolError, match="Content-Length"):
        talk.started[0].respond(200, wrong)
    answered(talk.started[0], last)
    talk.turn()
    assert talk.read_by_h11() == (200, b"zzz", [])
