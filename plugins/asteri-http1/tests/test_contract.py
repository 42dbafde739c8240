"""The kernel's own check of the contract, which every protocol has to pass."""

from __future__ import annotations

import pytest
from asteri_core.api import Disconnected, RemoteProtocolError, Sniff
from asteri_core.testing import check_connection
from asteri_http.settings import HttpSettings
from asteri_http1 import plugin

SAMPLES = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\nHost: a\r\n\r\n",
]
FOREIGN = [b"\x16\x03\x01", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"hello", b"\r\n\r\n", b"\x00" * 5000, b"GET"]


def answer(exchange) -> None:
    try:
        exchange.read()
        exchange.respond(200, [(b"content-type", b"text/plain")])
        exchange.send(exchange.target)
        exchange.finish()
    except (Disconnected, RemoteProtocolError):
        exchange.abort()


def test_the_connection_keeps_the_contract(implementation):
    # Without Date, so that a second that ends between two runs makes no difference.
    factory = implementation({HttpSettings: HttpSettings(date_header=False)})
    check_connection(factory, SAMPLES, answer, FOREIGN)


def test_the_plugin_is_the_fallback_and_knows_its_names():
    (spec,) = plugin.asteri_protocols()
    assert (spec.name, spec.token, spec.order, spec.alpn) == ("http1", "1", 1000, ("http/1.1",))
    assert plugin.asteri_settings() == [HttpSettings]


@pytest.mark.parametrize("data", [b"", *FOREIGN, *SAMPLES])
def test_every_first_byte_is_taken(data):
    assert plugin.sniff(data) is Sniff.YES
