"""Equal heads are one in C, and what was made of them is kept: none of it may be seen by another request than its own.

Hooks get a request before the application does, and may change its list of headers; an application may change all that
it is given.
"""

from __future__ import annotations

import io

import pytest

GET = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: b\r\n\r\n"


@pytest.fixture
def environs_of(client):
    """The environs of one request after the other with the same bytes, as the application gets them."""

    def run(hook=lambda exchange, number: None, change=lambda environ: None, times=4):
        environs = []

        def application(environ, start_response):
            environs.append(dict(environ))
            change(environ)
            start_response("204 No Content", [])
            return []

        handler = client(application).handler
        for number in range(times):
            peer = client(application)
            peer.connection.receive_data(GET, 0.0)
            exchange = peer.connection.events()[0].exchange
            exchange.body = io.BytesIO()
            hook(exchange, number)
            handler(exchange, peer.wait)
        return environs

    return run


def test_a_header_that_a_hook_adds_is_told_of_its_own_request(environs_of):
    def hook(exchange, number):
        if number != 2:
            exchange.headers.append((b"x-number", b"%d" % number))

    environs = environs_of(hook)
    assert [environ.get("HTTP_X_NUMBER") for environ in environs] == ["0", "1", None, "3"]
    assert {environ["HTTP_ACCEPT"] for environ in environs} == {"b"}


def test_a_header_that_a_hook_replaces_or_takes_out_is_there_for_the_next(environs_of):
    def hook(exchange, number):
        if number == 0:
            exchange.headers[1] = (b"accept", b"c")
        elif number == 1:
            del exchange.headers[1]

    assert [environ.get("HTTP_ACCEPT") for environ in environs_of(hook)] == ["c", None, "b", "b"]


@pytest.mark.parametrize("change", [dict.clear, lambda environ: environ.update(PATH_INFO="/x", HTTP_ACCEPT="x", y="z")])
def test_what_an_application_does_to_its_environ_is_not_seen_by_the_next(environs_of, change):
    environs = environs_of(change=change)
    assert all("y" not in environ for environ in environs)
    assert {(environ["PATH_INFO"], environ["HTTP_ACCEPT"]) for environ in environs} == {("/", "b")}
