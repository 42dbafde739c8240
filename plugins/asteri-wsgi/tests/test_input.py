"""``wsgi.input``: the collected body, and the body that is read while the application runs."""

from __future__ import annotations

import pytest
from asteri_core.api import Disconnected, Want

BODY = b"first line\nsecond line\nrest"


def reading(how, seen):
    def application(environ, start_response):
        seen.append(how(environ["wsgi.input"]))
        start_response("200 OK", [])
        return [b"done"]

    return application


def request(*lines, body=b""):
    head = b"".join(line + b"\r\n" for line in (b"POST / HTTP/1.1", b"Host: e", *lines, b""))
    return head + body


LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKED = b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n"
WAYS = [
    lambda file: file.read(),
    lambda file: file.read(-1),
    lambda file: file.read(10_000),
    lambda file: b"".join(iter(lambda: file.read(4), b"")),
    lambda file: b"".join(iter(lambda: file.readline(), b"")),
    lambda file: b"".join(iter(lambda: file.readline(3), b"")),
    lambda file: b"".join(file.readlines()),
    lambda file: b"".join(file.readlines(5)) + file.read(),
    lambda file: b"".join(file),
]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize(
    "raw", [request(LENGTH, body=BODY), request(b"Transfer-Encoding: chunked", body=CHUNKED)], ids=["length", "chunked"]
)
def test_collected_body_can_be_read_in_every_way(client, how, raw):
    seen = []
    assert client(reading(how, seen)).request(raw).status == 200
    assert seen == [BODY]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("piece", [1, 7, len(BODY)])
def test_awaited_body_can_be_read_in_every_way(client, how, piece):
    seen = []
    one = client(reading(how, seen))
    one.later = [BODY[start : start + piece] for start in range(0, len(BODY), piece)]
    answer = one.request(request(LENGTH, b"Expect: 100-continue"))
    assert seen == [BODY]
    assert [status for status, _ in answer.interim] == [100]
    assert answer.body == b"done"


def test_end_of_body_stays_the_end(client):
    seen = []
    client(reading(lambda file: [file.read(), file.read(), file.read(1), file.readline()], seen)).request(
        request(LENGTH, body=BODY)
    )
    assert seen == [[BODY, b"", b"", b""]]


def test_end_of_awaited_body_stays_the_end(client):
    seen = []
    one = client(reading(lambda file: [file.read(), file.read(), file.read(1), file.readline()], seen))
    one.later = [BODY]
    one.request(request(LENGTH, b"Expect: 100-continue"))
    assert seen == [[BODY, b"", b"", b""]]


def test_request_without_a_body_reads_nothing(client):
    seen = []
    client(reading(lambda file: file.read(), seen)).request()
    assert seen == [b""]


def test_client_is_not_told_to_continue_when_the_application_does_not_read(client):
    one = client(lambda environ, start_response: start_response("403 Forbidden", []) and [b"no"])
    answer = one.request(request(LENGTH, b"Expect: 100-continue"))
    assert (answer.status, answer.interim, one.waits) == (403, [], [])


def test_awaited_body_is_read_as_it_comes(client):
    seen = []
    one = client(reading(lambda file: [file.read1(100), file.read1(100)], seen))
    one.later = [BODY[:5], BODY[5:8]]
    one.request(request(LENGTH, b"Expect: 100-continue"))
    assert seen == [[BODY[:5], BODY[5:8]]]
    assert one.waits == [Want.READ, Want.READ]


def test_awaited_body_that_is_cut_is_no_error_of_the_application(client, errors):
    seen = []

    def application(environ, start_response):
        try:
            environ["wsgi.input"].read()
        except Disconnected as error:
            seen.append(error)
            raise

    one = client(application)
    one.later = [BODY[:5]]
    one.request(request(LENGTH, b"Expect: 100-continue"))
    assert len(seen) == 1
    assert errors() == []


def test_awaited_body_that_is_broken_is_answered_400(client, errors):
    one = client(reading(lambda file: file.read(), []))
    one.later = [b"3\r\nabc\r\n", b"no chunk\r\n"]
    answer = one.request(request(b"Transfer-Encoding: chunked", b"Expect: 100-continue"))
    assert answer.status == 400
    assert errors() == []


def test_awaited_chunks_have_no_length(client):
    seen = {}

    def application(environ, start_response):
        seen.update(environ, body=environ["wsgi.input"].read())
        start_response("200 OK", [])
        return []

    one = client(application)
    one.later = [CHUNKED]
    one.request(request(b"Transfer-Encoding: chunked", b"Expect: 100-continue"))
    assert seen["body"] == BODY
    assert "CONTENT_LENGTH" not in seen
    assert seen["HTTP_TRANSFER_ENCODING"] == "chunked"


def test_trailers_are_in_the_environ_of_a_body_in_chunks(client):
    seen = []

    def application(environ, start_response):
        environ["wsgi.input"].read()
        seen.append(environ.get("asteri.trailers"))
        start_response("200 OK", [])
        return []

    chunks = b"1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n"
    client(application).request(request(b"Transfer-Encoding: chunked", body=chunks))
    awaited = client(application)
    awaited.later = [chunks]
    awaited.request(request(b"Transfer-Encoding: chunked", b"Expect: 100-continue"))
    client(application).request(request(LENGTH, body=BODY))
    client(application).request()
    assert seen == [[(b"x-sum", b"1")], [(b"x-sum", b"1")], None, None]
