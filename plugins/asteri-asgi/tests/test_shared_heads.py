"""Equal heads are one in C, and what was made of them is kept: none of it may be seen by another request than its own.

Hooks get a request before the application does, and may change its list of headers.
"""

from __future__ import annotations

import asyncio

import pytest
from asteri_asgi.settings import AsgiSettings
from asteri_core.api import Peer
from asteri_http.settings import HttpSettings
from asteri_http1.plugin import bind_native, bind_python

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
ACCEPT = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: b\r\n\r\n"
ABSOLUTE = b"GET http://b/ HTTP/1.1\r\nHost: b\r\n\r\n"


@pytest.fixture(params=[bind_python, bind_native], ids=["http1-py", "http1-c"])
def scopes_of(request, bench, wait_for):
    """The scopes of one request after the other with the same bytes, each from a peer of its own. ``hook`` is called
    with each exchange and its number."""

    def run(data, hook, times=4):
        connect = request.param({HttpSettings: HttpSettings(), AsgiSettings: AsgiSettings()})
        scopes = []

        async def app(scope, receive, send):
            scopes.append({**scope, "headers": list(scope["headers"])})
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})

        async def main():
            handler = bench.handler(app)
            for number in range(times):
                connection = connect(Peer((f"192.0.2.{number}", 1), ("192.0.2.9", 80)), 0.0)
                connection.receive_data(data, 0.0)
                exchange = connection.events()[0].exchange
                hook(exchange, number)
                await handler(exchange, wait_for)

        asyncio.run(main())
        return scopes

    return run


def test_a_header_that_a_hook_adds_is_told_of_its_own_request(scopes_of):
    def hook(exchange, number):
        if number != 2:
            exchange.headers.append((b"x-peer", exchange.peer.address[0].encode()))

    scopes = scopes_of(GET, hook)
    host = (b"host", b"a")
    assert [scope["headers"] for scope in scopes] == [
        [host, (b"x-peer", b"192.0.2.0")], [host, (b"x-peer", b"192.0.2.1")], [host], [host, (b"x-peer", b"192.0.2.3")],
    ]  # fmt: skip
    assert [scope["client"][0][-1] for scope in scopes] == list("0123")


def test_a_header_that_a_hook_takes_out_is_there_for_the_next(scopes_of):
    def hook(exchange, number):
        if number == 0:
            del exchange.headers[1]

    accept = [(b"accept", b"b")]
    assert [scope["headers"][1:] for scope in scopes_of(ACCEPT, hook)] == [[], accept, accept, accept]


@pytest.mark.parametrize("header", [[b"x", b"y"], (b"x", b"y"), [b"host", b"c"]], ids=["list", "tuple", "host"])
@pytest.mark.parametrize("scopes_of", [bind_native], ids=["http1-c"], indirect=True)
def test_a_hook_may_add_a_list_to_a_request_with_an_absolute_target(scopes_of, header):
    def hook(exchange, number):
        exchange.headers[:] = [(b"host", b"c"), header]

    others = [] if header[0] == b"host" else [header]
    assert [scope["headers"] for scope in scopes_of(ABSOLUTE, hook)] == [[(b"host", b"b"), *others]] * 4
