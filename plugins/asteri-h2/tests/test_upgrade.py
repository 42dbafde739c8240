"""A request of HTTP/1.1 that asks for HTTP/2 and becomes stream 1, or stays where it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from asteri_core.api import TlsFacts
from asteri_h2.plugin import bind
from asteri_h2.settings import Http2Settings
from asteri_http.settings import HttpSettings
from h2_talk import PEER, REQUEST, Talk, ok


def asking(*settings: bytes, peer: Any = PEER, more: tuple[tuple[bytes, bytes], ...] = ()) -> Any:
    fields = [(b"host", b"a"), (b"connection", b"upgrade, http2-settings"), (b"upgrade", b"h2c"), (b"x-y", b"z")]
    return SimpleNamespace(
        method="GET", target=b"/p?q", raw_path=b"/p", query=b"q", authority=b"a", peer=peer,
        headers=[*fields, *more, *((b"http2-settings", value) for value in settings)],
    )  # fmt: skip


def binding() -> Any:
    config: Any = {HttpSettings: HttpSettings(), Http2Settings: Http2Settings()}
    return bind(config)


def test_a_request_of_http_1_1_becomes_stream_1() -> None:
    made = Talk()
    settings = made.client.initiate_upgrade_connection()
    made.server = binding().upgrade(asking(settings.rstrip(b"=")), made.now)
    made.answer = ok
    made.take_events()
    made.turn()
    [exchange] = made.started
    assert (exchange.version, exchange.target, exchange.headers) == ("2", b"/p?q", [(b"x-y", b"z")])
    assert made.content(1) == b"hello"
    made.client.send_headers(3, REQUEST, True)
    made.turn()
    assert made.content(3) == b"hello"
    assert made.finished == made.started


@pytest.mark.parametrize(
    "settings", [(), (b"", b""), (b"!",), (b"AAM",), (b"AAT_____",)], ids=["none", "two", "no-base64", "cut", "window"]
)
def test_settings_that_cannot_be_read_leave_the_request_where_it_is(settings: tuple[bytes, ...]) -> None:
    assert binding().upgrade(asking(*settings), 0.0) is None


def test_who_is_not_trusted_or_speaks_tls_stays_with_http_1_1() -> None:
    stranger = PEER._replace(address=("192.0.2.1", 5))
    with_tls = PEER._replace(tls=TlsFacts("TLSv1.3", ""))
    assert binding().upgrade(asking(b""), 0.0) is not None
    for peer in (stranger, with_tls):
        assert binding().upgrade(asking(b"", peer=peer), 0.0) is None


@pytest.mark.parametrize("name", [b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"])
def test_a_request_of_which_a_proxy_tells_stays_with_http_1_1(name: bytes) -> None:
    """Its peer is the client of the proxy; that of the streams to come is another one."""
    assert binding().upgrade(asking(b"", more=((name, b"https"),)), 0.0) is None
