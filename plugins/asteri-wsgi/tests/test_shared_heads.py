"""Equal heads are one in C, and what was made of them is kept: none of it may be seen by another request than its own.

Hooks get a request before the application does, and may change its list of headers; an application may change all that
it is given.
"""

from __future__ import annotations

import gc
import inspect
import io

import pytest
from asteri_core.api import Peer

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


@pytest.fixture
def answers_of(client):
    """The answers of one handler to so many requests with the same bytes, each on a connection of its own."""

    def run(application, times=6):
        first = client(application)
        answers = []
        for _ in range(times):
            peer = client(application)
            peer.handler = first.handler
            answers.append(peer.request(GET))
        return answers

    return run


def answer(start_response):
    start_response("204 No Content", [])
    return []


def test_an_environ_that_an_application_keeps_stays_as_it_was(answers_of):
    kept = []

    def application(environ, start_response):
        kept.append((environ, dict(environ)))
        return answer(start_response)

    answers_of(application)
    assert len({id(environ) for environ, _ in kept}) == len(kept)
    assert all(environ == before for environ, before in kept)


@pytest.mark.parametrize("part", [dict.items, dict.values, dict.keys])
def test_a_view_of_an_environ_shows_that_environ_as_long_as_it_is_kept(answers_of, part):
    views = []

    def application(environ, start_response):
        views.append((part(environ), list(part(environ))))
        return answer(start_response)

    answers_of(application)
    assert all(list(view) == before for view, before in views)


CHANGES = {
    "sets a key": lambda environ: environ.update(x="y"),
    "replaces a value": lambda environ: environ.update(PATH_INFO="/x"),
    "takes a key out": lambda environ: environ.pop("HTTP_ACCEPT"),
    "sets a key and takes it out": lambda environ: (environ.update(x="y"), environ.pop("x")),
    "takes a key out and sets it again": lambda environ: environ.update(HTTP_ACCEPT=environ.pop("HTTP_ACCEPT")),
    "takes out the last one": dict.popitem,
    "empties it": dict.clear,
    "replaces early hints": lambda environ: environ.update({"wsgi.early_hints": None}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_no_change_of_an_environ_is_seen_by_the_next_request(answers_of, change):
    keys = []

    def application(environ, start_response):
        assert callable(environ["wsgi.early_hints"])
        keys.append([(key, value) for key, value in environ.items() if key != "wsgi.early_hints"])
        if len(keys) % 3 == 0:
            change(environ)
        return answer(start_response)

    answers_of(application, 9)
    assert [found == keys[0] for found in keys] == [True] * 9


def test_early_hints_that_are_kept_are_those_of_a_response_that_has_begun(answers_of):
    hints = []

    def application(environ, start_response):
        hints.append(environ["wsgi.early_hints"])
        return answer(start_response)

    answers_of(application)
    assert len({id(hint) for hint in hints}) == len(hints)
    for hint in hints:
        with pytest.raises(AssertionError, match="early hints were given after the response had begun"):
            hint([("Link", "</a>; rel=preload")])


@pytest.mark.parametrize("then", ["answers", "raises", "keeps the environ", "keeps early hints"])
def test_early_hints_go_to_the_peer_of_their_request(answers_of, then):
    kept = []

    def application(environ, start_response):
        hints = environ["wsgi.early_hints"]
        hints([("Link", "</a>; rel=preload")])
        if then == "raises" and len(kept) % 2:
            kept.append(None)
            raise ValueError
        kept.append({"keeps the environ": environ, "keeps early hints": hints}.get(then))
        return answer(start_response)

    for found in answers_of(application):
        assert found.interim == [(103, [("link", "</a>; rel=preload")])]


def test_the_peer_of_each_request_is_told(client):
    told = []

    def application(environ, start_response):
        told.append((environ["REMOTE_ADDR"], environ["REMOTE_PORT"]))
        return answer(start_response)

    addresses = [("192.0.2.1", 1), ("192.0.2.1", 2), ("192.0.2.2", 2), ("192.0.2.1", 2), ("192.0.2.1", 258)] * 3
    first = client(application)
    for address in addresses:
        peer = client(application, peer=Peer(address, ("198.51.100.7", 8000)))
        peer.handler = first.handler
        peer.request(GET)
    assert told == [(host, str(port)) for host, port in addresses]


def test_who_looks_at_all_objects_finds_nothing_that_breaks(answers_of):
    """Debuggers go through the referents of what the collector knows, and so find what is kept between two requests."""
    found = []

    def application(environ, start_response):
        kept = [thing for thing in gc.get_objects() if type(thing).__name__ == "Kept"]
        for referent in gc.get_referents(*kept):
            found.append((referent, repr(referent), callable(referent) and inspect.signature(referent)))
        return answer(start_response)

    answers_of(application)
    for referent, *_ in found:
        if getattr(referent, "__name__", "") == "early_hints":
            with pytest.raises(AssertionError):
                referent([])
