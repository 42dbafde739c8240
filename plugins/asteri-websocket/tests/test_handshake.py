"""The handshake: which are accepted, what is agreed upon, and how the others are refused."""

from __future__ import annotations

import pytest
from asteri_core.api import LocalProtocolError
from asteri_core.testing.exchange import MemoryExchange
from asteri_websocket.deflate import Agreement, agree
from asteri_websocket.handshake import accept_value, read_offer
from asteri_websocket.messages import MessageReader
from asteri_websocket.settings import WebSocketSettings

KEY = (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")
VERSION = (b"sec-websocket-version", b"13")


class Upgradable(MemoryExchange):
    """Keeps what it is upgraded with."""

    def upgrade(self, connection, headers=()):
        self.answer = dict(headers)
        return connection


def exchange(*headers, version="1.1", method="GET", pieces=()):
    made = Upgradable(method if version == "1.1" else "CONNECT", b"/chat", headers, pieces, version)
    made.protocol = b"websocket"
    return made


def offer(made, **settings):
    return read_offer(made, WebSocketSettings(**settings), MessageReader)


def test_the_example_of_the_rfc_is_accepted():
    """RFC 6455 section 1.3."""
    made = exchange(KEY, VERSION, (b"sec-websocket-protocol", b"chat, superchat"))
    found = offer(made)
    assert found.subprotocols == ["chat", "superchat"]
    found.accept("chat", [(b"X-Own", b"1")])
    assert made.answer == {
        b"sec-websocket-accept": b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        b"sec-websocket-protocol": b"chat",
        b"x-own": b"1",
    }


def test_over_http2_there_is_no_key_and_no_answer_to_it():
    """RFC 8441 section 5."""
    made = exchange(VERSION, version="2")
    offer(made).accept()
    assert made.answer == {}


def field(name, value):
    return (b"sec-websocket-" + name, value)


BAD = {
    "no-key": ([VERSION], 400),
    "two-keys": ([KEY, KEY, VERSION], 400),
    "key-of-15-bytes": ([field(b"key", b"AAAAAAAAAAAAAAAAAAAA"), VERSION], 400),
    "key-of-17-bytes": ([field(b"key", b"AAAAAAAAAAAAAAAAAAAAAAA="), VERSION], 400),
    "key-no-base64": ([field(b"key", b"dGhlIHNhbXBsZSBub25jZQ!="), VERSION], 400),
    "key-empty": ([field(b"key", b""), VERSION], 400),
    "no-version": ([KEY], 426),
    "version-8": ([KEY, field(b"version", b"8")], 426),
    "version-13-and-8": ([KEY, field(b"version", b"13, 8")], 426),
    "version-twice": ([KEY, VERSION, VERSION], 426),
    "subprotocol-not-ascii": ([KEY, VERSION, field(b"protocol", b"ch\xe9t")], 400),
    "subprotocol-empty": ([KEY, VERSION, field(b"protocol", b"chat,,b")], 400),
    "subprotocol-with-a-space": ([KEY, VERSION, field(b"protocol", b"chat room")], 400),
    "subprotocol-twice": ([KEY, VERSION, field(b"protocol", b"chat"), field(b"protocol", b"chat")], 400),
    "extension-no-token": ([KEY, VERSION, field(b"extensions", b"a b")], 400),
    "extension-parameter-no-token": ([KEY, VERSION, field(b"extensions", b"x; =1")], 400),
    "extension-value-empty": ([KEY, VERSION, field(b"extensions", b"x; y=")], 400),
}


@pytest.mark.parametrize(("headers", "status"), BAD.values(), ids=BAD)
def test_a_broken_handshake_is_refused(headers, status):
    made = exchange(*headers)
    assert offer(made) is None
    assert made.status == status
    assert made.over
    assert (b"sec-websocket-version", b"13") in made.response_headers
    assert ((b"upgrade", b"websocket") in made.response_headers) is (status == 426)


def test_a_broken_handshake_of_a_client_that_has_left_is_nothing_to_log():
    made = exchange(VERSION)
    made.leave()
    assert offer(made) is None
    assert made.over


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS", "get"])
def test_a_method_that_is_not_get_is_refused(method):
    made = exchange(KEY, VERSION, method=method)
    assert offer(made) is None
    assert made.status == 400


def test_an_upgrade_with_a_body_is_refused():
    made = exchange(KEY, VERSION, pieces=[b"body"])
    assert offer(made) is None
    assert made.status == 400


@pytest.mark.parametrize(
    "name", [b"sec-websocket-accept", b"Sec-WebSocket-Protocol", b"sec-websocket-extensions", b"Upgrade"]
)
def test_fields_of_the_handshake_are_not_the_application_s(name):
    with pytest.raises(LocalProtocolError, match="set by the server"):
        offer(exchange(KEY, VERSION)).accept(None, [(name, b"x")])


def test_a_subprotocol_that_was_not_proposed_is_refused():
    with pytest.raises(LocalProtocolError, match="'other' was not proposed, expected one of a, b"):
        offer(exchange(KEY, VERSION, field(b"protocol", b"a, b"))).accept("other")


def test_the_answer_to_a_key_is_that_of_the_rfc():
    assert accept_value(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


# -- compression ------------------------------------------------------------------------------------------------------

DEFLATE = b"permessage-deflate"
OFFERS = {
    "plain": (DEFLATE, DEFLATE + b"; server_max_window_bits=12"),
    "chromium": (
        DEFLATE + b"; client_max_window_bits",
        DEFLATE + b"; server_max_window_bits=12; client_max_window_bits=12",
    ),
    "client-window-of-10": (
        DEFLATE + b"; client_max_window_bits=10",
        DEFLATE + b"; server_max_window_bits=12; client_max_window_bits=10",
    ),
    "client-window-quoted": (
        DEFLATE + b'; client_max_window_bits="10"',
        DEFLATE + b"; server_max_window_bits=12; client_max_window_bits=10",
    ),
    "server-window-of-9": (DEFLATE + b"; server_max_window_bits=9", DEFLATE + b"; server_max_window_bits=9"),
    "server-window-of-15": (DEFLATE + b"; server_max_window_bits=15", DEFLATE + b"; server_max_window_bits=12"),
    "forgetful": (
        DEFLATE + b"; server_no_context_takeover; client_no_context_takeover",
        DEFLATE + b"; server_max_window_bits=12; server_no_context_takeover; client_no_context_takeover",
    ),
    "second-choice": (
        DEFLATE + b"; server_max_window_bits=8, x-other; a=b, " + DEFLATE,
        DEFLATE + b"; server_max_window_bits=12",
    ),
    "server-window-of-8": (DEFLATE + b"; server_max_window_bits=8", None),
    "server-window-without-value": (DEFLATE + b"; server_max_window_bits", None),
    "window-of-16": (DEFLATE + b"; client_max_window_bits=16", None),
    "window-with-a-zero": (DEFLATE + b"; client_max_window_bits=09", None),
    "unknown-parameter": (DEFLATE + b"; fast", None),
    "parameter-twice": (DEFLATE + b"; server_no_context_takeover; server_no_context_takeover", None),
    "value-where-there-is-none": (DEFLATE + b"; server_no_context_takeover=1", None),
    "another-extension": (b"x-webkit-deflate-frame", None),
    "nothing": (b"", None),
}


@pytest.mark.parametrize(("offered", "answer"), OFFERS.values(), ids=OFFERS)
def test_compression_is_agreed_upon_as_rfc_7692_has_it(offered, answer):
    made = exchange(KEY, VERSION, field(b"extensions", offered))
    offer(made).accept()
    assert made.answer.get(b"sec-websocket-extensions") == answer


def test_compression_can_be_switched_off():
    made = exchange(KEY, VERSION, field(b"extensions", DEFLATE))
    offer(made, ws_per_message_deflate=False).accept()
    assert b"sec-websocket-extensions" not in made.answer


def test_the_client_s_window_is_the_largest_where_it_cannot_be_told():
    assert agree([(DEFLATE, [])]) == Agreement(server_window=12, client_window=15)
