"""The rules of ``start_response`` and ``write``, as PEP 3333 puts them."""

from __future__ import annotations

import sys

import pytest
from asteri_wsgi import head

PLAIN = [("Content-Type", "text/plain")]


def application_with(status="200 OK", headers=PLAIN):
    def application(environ, start_response):
        start_response(status, headers)
        return [b"content"]

    return application


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        ("200 OK", 200, "OK"),
        ("404 Nothing Here", 404, "Nothing Here"),
        ("599 Odd", 599, "Odd"),
        ("200 Gr\xfc\xdfe", 200, "Gr\xfc\xdfe"),
        ("404", 404, "Not Found"),
    ],
)
def test_status_is_sent(client, status, code, reason):
    answer = client(application_with(status)).request()
    assert (answer.status, answer.reason) == (code, reason)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (200, "TypeError: status must be str, not int"),
        (b"200 OK", "TypeError: status must be str, not bytes"),
        (None, "TypeError: status must be str, not NoneType"),
        ("", "ValueError: status must be a number from 200 to 599"),
        ("OK", "ValueError: status must be a number"),
        ("20 OK", "ValueError: status must be a number"),
        ("2000 OK", "ValueError: status must be a number"),
        ("200OK", "ValueError: status must be a number"),
        ("600 Much", "ValueError: status must be a number from 200 to 599"),
        ("\u0662\u0660\u0660 OK", "ValueError: status must be a number"),
        ("100 Continue", "is interim"),
        ("101 Switching Protocols", "is interim"),
        ("200 OK\r\nX: y", "has a control character"),
        ("200 OK\n", "has a control character"),
        ("200 \u20ac", "characters outside of latin-1"),
    ],
)
def test_bad_status_is_an_error_of_the_application(client, errors, status, error):
    answer = client(application_with(status)).request()
    assert answer.status == 500
    (text,) = errors()
    assert error in text


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ((("A", "b"),), "TypeError: headers must be a list of (name, value) tuples, not tuple"),
        ({"A": "b"}, "TypeError: headers must be a list of (name, value) tuples, not dict"),
        (None, "TypeError: headers must be a list"),
        (["A: b"], "TypeError: a header must be a (name, value) tuple, not 'A: b'"),
        ([["Content-Type", "b"]], "TypeError: a header must be a (name, value) tuple"),
        ([("A", "b", "c")], "TypeError: a header must be a (name, value) tuple"),
        ([(b"A", "b")], "TypeError: a header name must be str, not bytes"),
        ([("A", b"b")], "TypeError: the value of header 'A' must be str, not bytes"),
        ([("A", 5)], "TypeError: the value of header 'A' must be str, not int"),
        ([("A", None)], "TypeError: the value of header 'A' must be str"),
        ([([], "b")], "TypeError: a header name must be str, not list"),
        ([("", "b")], "ValueError: header name '' is not a token"),
        ([("A B", "b")], "ValueError: header name 'A B' is not a token"),
        ([("A:", "b")], "ValueError: header name 'A:' is not a token"),
        ([("A\n", "b")], "is not a token"),
        ([("\u00dc", "b")], "is not a token"),
        ([("A", "b\r\nSet-Cookie: c")], "ValueError: header 'A' has a control character"),
        ([("A", "b\n")], "ValueError: header 'A' has a control character"),
        ([("A", "b\0")], "ValueError: header 'A' has a control character"),
        ([("A", "b\x7f")], "ValueError: header 'A' has a control character"),
        ([("A", "\u20ac")], "ValueError: the value of header 'A' has characters outside of latin-1"),
        ([("Content-Length", "+7")], "ValueError: content-length must be one number"),
        ([("Content-Length", "")], "ValueError: content-length must be one number"),
        ([("Content-Length", "\u00b2")], "ValueError: content-length must be one number"),
        ([("Content-Length", "7"), ("Content-Length", "7")], "ValueError: content-length must be one number"),
        *[
            ([(name, "x")], f"ValueError: header '{name}' is hop-by-hop")
            for name in ("Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailers",
                         "Trailer", "Transfer-Encoding", "Upgrade", "CONNECTION")
        ],
    ],
)  # fmt: skip
def test_bad_header_is_an_error_of_the_application(client, errors, headers, error):
    answer = client(application_with(headers=headers)).request()
    assert answer.status == 500
    (text,) = errors()
    assert error in text


def test_a_mistake_is_reported_while_the_application_runs(client):
    seen = []

    def application(environ, start_response):
        try:
            start_response("200 OK", [("A", "b\r\nC: d")])
        except ValueError as error:
            seen.append(error)
        start_response("200 OK", PLAIN)
        return [b"recovered"]

    assert client(application).request().body == b"recovered"
    assert len(seen) == 1


def test_headers_keep_order_repetition_and_tabs(client):
    headers = [("Set-Cookie", "a=1"), ("X-Tab", "a\tb"), ("Set-Cookie", "b=2"), ("X-Latin", "\xfc\xa0\xfc")]
    answer = client(application_with(headers=headers)).request()
    assert answer.headers[:4] == [(name.lower(), value) for name, value in headers]


def test_a_list_changed_after_the_call_changes_nothing(client):
    headers = [("X-A", "1")]

    def application(environ, start_response):
        start_response("200 OK", headers)
        headers.append(("X-B", "2"))
        return [b"x"]

    answer = client(application).request()
    assert answer["x-a"] == "1"
    assert answer["x-b"] is None


def test_second_call_without_exc_info_is_an_error(client, errors):
    def application(environ, start_response):
        start_response("200 OK", [])
        start_response("200 OK", [])
        return [b"x"]

    assert client(application).request().status == 500
    assert "AssertionError: start_response was called a second time without exc_info" in errors()[0]


def test_exc_info_replaces_a_head_that_was_not_sent(client, errors):
    def application(environ, start_response):
        start_response("200 OK", [("X-First", "1")])
        try:
            raise KeyError("late")
        except KeyError:
            start_response("503 Sorry", [("X-Second", "2")], sys.exc_info())
        return [b"sorry"]

    answer = client(application).request()
    assert (answer.status, answer["x-first"], answer["x-second"], answer.body) == (503, None, "2", b"sorry")
    assert errors() == []


def test_exc_info_after_the_head_raises_the_error_itself(client, errors):
    seen = []

    def application(environ, start_response):
        write = start_response("200 OK", [])
        write(b"begun")
        try:
            raise KeyError("too late")
        except KeyError as error:
            try:
                start_response("500 Oops", [], sys.exc_info())
            except KeyError as again:
                seen.append(again is error)
                raise
        return []

    answer = client(application).request()
    assert (answer.status, answer.body, answer.whole) == (200, b"begun", False)
    assert seen == [True]
    assert "KeyError: 'too late'" in errors()[0]


def test_exc_info_may_come_with_the_first_call(client):
    def application(environ, start_response):
        try:
            raise KeyError
        except KeyError:
            start_response("500 Oops", [], sys.exc_info())
        return [b"oops"]

    assert client(application).request().body == b"oops"


def test_write_sends_at_once_and_before_the_iterable(client):
    flushed = []

    def application(environ, start_response):
        write = start_response("200 OK", [])
        write(b"one ")
        flushed.append(one.flush())
        write(b"")
        write(b"two ")
        flushed.append(one.flush())
        return [b"three"]

    one = client(application)
    answer = one.request()
    assert b"one " in flushed[0]
    assert b"two " in flushed[1]
    assert (answer.body, answer.whole) == (b"one two three", True)


def test_write_of_nothing_sends_the_head(client):
    def application(environ, start_response):
        start_response("200 OK", [])(b"")
        start_response("500 Replaced", [], (ValueError, ValueError("head is gone"), None))
        return []

    answer = client(application).request()
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("data", ["text", bytearray(b"x"), memoryview(b"x"), 5, None])
def test_write_takes_bytes_only(client, errors, data):
    def application(environ, start_response):
        start_response("200 OK", [])(data)
        return []

    assert client(application).request().status == 500
    assert f"TypeError: the application gave a block of {type(data).__name__}" in errors()[0]


def test_invented_names_and_statuses_do_not_fill_the_memory():
    for number in range(2 * head.CACHE_LIMIT):
        head.parse_headers([(f"X-Invented-{number}", "x")])
        head.parse_status(f"200 Reason {number}")
    assert len(head._names) <= head.CACHE_LIMIT
    assert len(head._statuses) <= head.CACHE_LIMIT
    assert head.parse_headers([("X-One-More", "x")]) == ([(b"x-one-more", b"x")], None)


def test_str_subclasses_are_strings(client):
    class Safe(str):
        pass

    answer = client(application_with(Safe("200 OK"), [(Safe("X-A"), Safe("b"))])).request()
    assert (answer.status, answer["x-a"]) == (200, "b")


def test_early_hints_come_before_the_response(client):
    def application(environ, start_response):
        environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload")])
        assert b" 103 " in one.flush()
        start_response("200 OK", [])
        environ["wsgi.early_hints"]([("Link", "</b.css>; rel=preload")])
        return [b"x"]

    one = client(application)
    answer = one.request()
    assert answer.interim == [
        (103, [("link", "</a.css>; rel=preload")]),
        (103, [("link", "</b.css>; rel=preload")]),
    ]
    assert answer.body == b"x"


def test_early_hints_are_not_sent_to_http_1_0(client):
    def application(environ, start_response):
        environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload")])
        start_response("200 OK", [])
        return [b"x"]

    answer = client(application).request(b"GET / HTTP/1.0\r\n\r\n")
    assert (answer.interim, answer.body) == ([], b"x")


def test_early_hints_after_the_head_are_an_error(client, errors):
    def application(environ, start_response):
        start_response("200 OK", [])(b"x")
        environ["wsgi.early_hints"]([("Link", "</a.css>")])
        return []

    assert client(application).request().whole is False
    assert "AssertionError: early hints were given after the response had begun" in errors()[0]


def test_early_hints_are_checked_like_headers(client, errors):
    def application(environ, start_response):
        environ["wsgi.early_hints"]([("Link", "a\r\nb")])

    assert client(application).request().status == 500
    assert "has a control character" in errors()[0]
