"""``wsgiref.validate`` as the second opinion: it checks every call in both directions and raises AssertionError."""

from __future__ import annotations

import io
import sys
from wsgiref.validate import validator

import pytest

TEXT = [("Content-Type", "text/plain")]
GET = b"GET /a/b?c=d HTTP/1.1\r\nHost: e\r\nCookie: a=1\r\nCookie: b=2\r\nX-A: 1\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nab\ncd"
CHUNKED = b"POST / HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab\ncd\r\n0\r\n\r\n"
OPTIONS = b"OPTIONS * HTTP/1.1\r\nHost: e\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"


def plain(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"plain"]


def nothing(environ, start_response):
    start_response("200 OK", TEXT)
    return []


def generator(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"one"
    yield b"two"


def writer(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"one")
    return [b"two"]


def reader(environ, start_response):
    body = environ["wsgi.input"].read(2) + environ["wsgi.input"].readline()
    body += b"".join(environ["wsgi.input"])
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(body)))])
    return [body]


def complaint(environ, start_response):
    environ["wsgi.errors"].write("one\n")
    environ["wsgi.errors"].writelines(["two\n", "three\n"])
    environ["wsgi.errors"].flush()
    start_response("200 OK", TEXT)
    return [b"complained"]


def mended(environ, start_response):
    start_response("200 OK", TEXT)
    try:
        raise KeyError
    except KeyError:
        start_response("500 Oops", TEXT, sys.exc_info())
    return [b"mended"]


def file(environ, start_response):
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"file"))


def no_content(environ, start_response):
    start_response("204 No Content", [])
    return []


@pytest.mark.parametrize("raw", [GET, POST, CHUNKED, OPTIONS, OLD], ids=["get", "post", "chunked", "options", "old"])
@pytest.mark.parametrize(
    "application", [plain, nothing, generator, writer, reader, complaint, mended, file, no_content]
)
@pytest.mark.parametrize("root_path", ["", "/root"])
@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD:wsgiref.validate.WSGIWarning")
def test_both_sides_keep_the_rules(client, errors, raw, application, root_path):
    plainly = client(application, root_path=root_path).request(raw)
    errors().clear()
    answer = client(validator(application), root_path=root_path).request(raw)
    assert (answer.status, answer.body, answer.whole) == (plainly.status, plainly.body, True)
    assert not any("Assertion" in text for text in errors())


def test_lazy_body_keeps_the_rules(client, errors):
    one = client(validator(reader))
    one.later = [b"ab", b"\ncd"]
    answer = one.request(POST.replace(b"\r\n\r\nab\ncd", b"\r\nExpect: 100-continue\r\n\r\n"))
    assert answer.body == b"ab\ncd"
    assert errors() == []
