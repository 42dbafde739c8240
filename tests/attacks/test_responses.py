"""15, 16. What an application gets wrong stays its own affair: no byte of it becomes another response.

RFC 9112 section 6.3, RFC 9110 section 5.5; CVE-2018-1000164 (gunicorn), CVE-2020-5247 (puma), CVE-2020-7695 (uvicorn):
response splitting by CR and LF in a field; CVE-2020-5249 (puma): by early hints.
"""

from __future__ import annotations

import pytest
from attacking.case import GOOD, head
from attacking.responses import RESPONSES
from attacking.target import Attacked
from attacking.wire import Closed, Response


def respond(attack: Attacked, name: str, method: str = "GET", *lines: bytes) -> tuple[Response | None, bool]:
    """The response, None for one that was cut, and whether the connection goes on with the next request."""
    with attack.client() as client:
        client.send(head(*lines, first=b"%b /respond/%b HTTP/1.1" % (method.encode(), name.encode())))
        try:
            response = client.response(method)
        except Closed:
            assert client.ended() or b"HTTP/1.1" not in client.unread[1:]
            return None, False
        client.send(GOOD)
        if response.closes:
            assert client.ended()
            return response, False
        try:
            assert client.response().body == b"GET /later "
        except Closed:
            return response, False
        return response, True


@pytest.mark.parametrize("name", ["plain", "chunked", "length", "204", "304", "205", "hint", "trailer"])
def test_a_response_to_head_has_no_content(attack: Attacked, name: str) -> None:
    response, goes_on = respond(attack, name, "HEAD")
    assert response is not None
    assert goes_on


@pytest.mark.parametrize("name", ["204", "304", "205"])
def test_statuses_without_content_have_none(attack: Attacked, name: str) -> None:
    response, goes_on = respond(attack, name)
    assert response is not None
    assert goes_on
    assert (response.status, response.body) == (int(name), b"")
    assert response.all(b"transfer-encoding") == []
    assert name == "205" or response.all(b"content-length") == []


@pytest.mark.parametrize("name", ["short-whole", "long-whole", "two-lengths", "negative-length", "length-and-coding"])
def test_a_length_that_is_known_to_be_wrong_is_500(attack: Attacked, name: str) -> None:
    response, goes_on = respond(attack, name)
    assert response is not None
    assert response.status == 500
    assert b"content" not in response.body
    assert goes_on


@pytest.mark.parametrize("name", ["short", "long"])
def test_a_length_that_turns_out_wrong_cuts_the_response(attack: Attacked, name: str) -> None:
    assert respond(attack, name) == (None, False)


def test_what_comes_behind_the_declared_length_is_not_sent(attack: Attacked) -> None:
    response, _ = respond(attack, "long-later")
    assert response is not None
    assert response.body == b"con"


@pytest.mark.parametrize("name", ["short", "long", "short-whole", "long-whole"])
def test_a_wrong_length_of_no_content_harms_nobody(attack: Attacked, name: str) -> None:
    response, _ = respond(attack, name, "HEAD")
    assert response is not None


@pytest.mark.parametrize("name", [name for name in RESPONSES if name.startswith("split") and "trailer" not in name])
def test_a_response_cannot_be_split(attack: Attacked, name: str) -> None:
    response, goes_on = respond(attack, name)
    assert response is not None
    # ASGI has no reason phrases, so there the application says nothing wrong.
    assert response.status == (200 if "reason" in name and attack.target.interface == "asgi" else 500)
    assert response.interim == []
    assert response.all(b"set-cookie") == []
    assert goes_on


@pytest.mark.parametrize("name", ["split-trailer", "trailer-length"])
def test_trailers_cannot_split_a_response(attack: Attacked, name: str) -> None:
    response, goes_on = respond(attack, name, "GET", b"TE: trailers")
    if attack.target.interface == "asgi":
        assert response is None  # the head is out, so the response is cut
        assert not goes_on
    else:
        assert response is not None  # WSGI has no trailers
        assert response.trailers == []


def test_good_trailers_and_hints_arrive(attack: Attacked) -> None:
    """The suite itself: what is refused above is not refused for being a trailer or a hint."""
    response, _ = respond(attack, "trailer", "GET", b"TE: trailers")
    assert response is not None
    assert response.trailers == ([(b"x-sum", b"1")] if attack.target.interface == "asgi" else [])
    response, _ = respond(attack, "hint")
    assert response is not None
    assert [(interim.status, interim.fields) for interim in response.interim] == [
        (103, [(b"link", b"</a>; rel=preload")])
    ]


def test_the_application_survives_every_wrong_response(attack: Attacked) -> None:
    for name in RESPONSES:
        for first in (b"GET /respond/%b HTTP/1.0", b"POST /respond/%b HTTP/1.1", b"HEAD /respond/%b HTTP/1.0"):
            with attack.client() as client:
                client.send(head(first=first % name.encode()))
                client.end()
                data = b""
                while piece := client.socket.recv(65536):
                    data += piece
                assert b"stolen" not in data
                assert b"owned" not in data
    attack.check_alive()
