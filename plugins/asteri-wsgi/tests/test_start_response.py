"""The rules of ``start_response`` and ``write``, as PEP 3333 puts them."""

from __future__ import annotations

import gc
import inspect
import sys
import weakref

import pytest
from asteri_core.api import Disconnected, LocalProtocolError
from asteri_core.testing import MemoryExchange
from asteri_wsgi.head import CACHE_LIMIT

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


def test_invented_names_and_statuses_do_not_fill_the_memory(client):
    statuses = [f"200 Reason {number}" for number in range(2 * CACHE_LIMIT)]
    names = [f"X-Invented-{number}" for number in range(2 * CACHE_LIMIT)]
    referred = [[sys.getrefcount(text) for text in texts] for texts in (statuses, names)]

    def application(environ, start_response):
        for status, name in zip(statuses, names, strict=True):
            start_response(status, [(name, "x")], (ValueError, ValueError(), None))
        return [b"x"]

    answer = client(application).request()
    assert (answer.status, answer.headers[0]) == (200, (names[-1].lower(), "x"))
    assert answer.reason == statuses[-1][4:]
    for texts, before in zip((statuses, names), referred, strict=True):
        after = [sys.getrefcount(text) for text in texts]
        assert sum(now > then for now, then in zip(after, before, strict=True)) <= CACHE_LIMIT


@pytest.mark.parametrize("count", [1, 10, 11, 12, 13, 24, 25, 100])
def test_any_number_of_headers_is_sent_in_order(client, count):
    headers = [(f"X-{number}", f"value {number}") for number in range(count)]
    answer = client(application_with(headers=headers)).request()
    assert answer.headers[:count] == [(name.lower(), value) for name, value in headers]
    assert answer["content-length"] == "7"


def test_a_list_that_iterates_in_its_own_way_is_taken_as_it_iterates(client):
    class Shown(list):
        def __iter__(self):
            return iter([("X-Shown", "1")])

    answer = client(application_with(headers=Shown([("X-Hidden", "1")]))).request()
    assert (answer["x-shown"], answer["x-hidden"]) == ("1", None)


def test_str_subclasses_are_strings(client):
    class Safe(str):
        pass

    answer = client(application_with(Safe("200 OK"), [(Safe("X-A"), Safe("b"))])).request()
    assert (answer.status, answer["x-a"]) == (200, "b")


def test_arguments_may_be_named(client):
    def application(environ, start_response):
        environ["wsgi.early_hints"](headers=[("Link", "</a.css>")])
        start_response("200 OK", headers=[("X-First", "1")])
        write = start_response(
            headers=[("X-Second", "2")], status="201 Made", exc_info=(ValueError, ValueError(), None)
        )
        write(data=b"written")
        return []

    answer = client(application).request()
    assert (answer.status, answer["x-first"], answer["x-second"], answer.body) == (201, None, "2", b"written")
    assert answer.interim == [(103, [("link", "</a.css>")])]


@pytest.mark.parametrize(
    ("name", "arguments", "named", "error"),
    [
        ("start", (), {}, "start() missing 2 required positional arguments: 'status' and 'headers'"),
        ("start", ("200 OK",), {}, "start() missing 1 required positional argument: 'headers'"),
        ("start", ("200 OK",), {"status": "200 OK"}, "start() got multiple values for argument 'status'"),
        ("start", ("200 OK", [], None, None), {}, "start() takes from 3 to 4 positional arguments but 5 were given"),
        ("start", ("200 OK", []), {"reason": ""}, "start() got an unexpected keyword argument 'reason'"),
        ("write", (), {}, "write() missing 1 required positional argument: 'data'"),
        ("write", (b"", b""), {}, "write() takes 2 positional arguments but 3 were given"),
        ("early_hints", (), {}, "early_hints() missing 1 required positional argument: 'headers'"),
        ("early_hints", ([], []), {}, "early_hints() takes 2 positional arguments but 3 were given"),
    ],
)
def test_wrong_arguments_are_an_error_of_the_application(client, errors, name, arguments, named, error):
    def application(environ, start_response):
        write = start_response("200 OK", [])
        {"start": start_response, "write": write, "early_hints": environ["wsgi.early_hints"]}[name](*arguments, **named)

    assert client(application).request().status == 500
    (text,) = errors()
    assert f"TypeError: Response.{error}" in text


def test_what_the_application_may_call_can_be_inspected(client):
    seen = []

    def application(environ, start_response):
        calls = start_response, start_response("200 OK", []), environ["wsgi.early_hints"]
        seen.extend((call.__name__, list(inspect.signature(call).parameters)) for call in calls)
        assert all(call.__name__ in repr(call) for call in calls)
        return []

    client(application).request()
    assert seen == [("start", ["status", "headers", "exc_info"]), ("write", ["data"]), ("early_hints", ["headers"])]


@pytest.mark.parametrize("headers", [[], [("Content-Length", "1")]])
def test_calls_after_the_response_are_refused(client, headers):
    kept = []

    def application(environ, start_response):
        kept.extend([start_response, start_response("200 OK", headers), environ["wsgi.early_hints"]])
        return [b"x"]

    assert client(application).request().body == b"x"
    start_response, write, early_hints = kept
    with pytest.raises(LocalProtocolError, match="the content is longer than its content-length, 1 bytes"):
        write(b"late")
    with pytest.raises(AssertionError, match="start_response was called a second time"):
        start_response("200 OK", [])
    with pytest.raises(AssertionError, match="early hints were given after the response had begun"):
        early_hints([])


def test_write_after_a_stream_of_unknown_length_is_refused(client):
    kept = []

    def application(environ, start_response):
        kept.append(start_response("200 OK", []))
        return iter([b"x", b"y"])

    assert client(application).request().body == b"xy"
    with pytest.raises((LocalProtocolError, Disconnected), match="the content is longer than its content-length, None"):
        kept[0](b"late")


def test_a_response_in_a_cycle_is_collected(client):
    class Application:
        def __call__(self, environ, start_response):
            self.kept = environ, start_response, start_response("200 OK", [("X-A", "1")])
            environ["application"] = self
            return [b"x"]

    application = Application()
    one = client(application)
    assert one.request().body == b"x"
    collected = weakref.ref(application)
    del application, one
    gc.collect()
    assert collected() is None


def test_a_header_that_calls_start_response_is_only_its_own_problem(client):
    def application(environ, start_response):
        class Calling(str):
            def encode(self, *arguments):
                start_response("201 Inner", [(f"X-{number}", "inner") for number in range(30)])
                return super().encode(*arguments)

        start_response("200 Outer", [("X-A", "1"), ("X-B", Calling("outer")), ("X-C", "3")])
        return [b"x"]

    answer = client(application).request()
    assert (answer.status, answer["x-b"], answer["x-29"], answer.body) == (200, "outer", None, b"x")


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


def test_another_head_is_refused_while_the_first_one_is_being_sent(clients):
    """As from another thread, while the exchange waits for the reactor's lock: in C it has the memory of the head."""

    class Exchange(MemoryExchange):
        def respond(self, *arguments):
            with pytest.raises(AssertionError, match="while the head is being sent"):
                starts[0]("500 Late", PLAIN * 20, (ValueError, ValueError(), None))
            super().respond(*arguments)

    def application(environ, start_response):
        starts.append(start_response)
        start_response("200 OK", PLAIN)
        return [b"content"]

    starts = []
    exchange = Exchange()
    clients["c-adapted"](application).handler(exchange, lambda exchange, want: None)
    assert (exchange.status, exchange.content) == (200, b"content")


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
