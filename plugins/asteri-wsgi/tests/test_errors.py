"""What happens when the application fails, and that ``close`` is called exactly once whatever happens."""

from __future__ import annotations

import io
import logging
import tempfile

import pytest
from asteri_core.api import Disconnected
from asteri_core.testing import MemoryExchange


class Response:
    """An iterable that runs ``steps`` and counts its closing."""

    def __init__(self, *steps, on_close=None):
        self.steps = steps
        self.on_close = on_close
        self.closed = 0
        self.taken = 0

    def __iter__(self):
        for step in self.steps:
            self.taken += 1
            yield step() if callable(step) else step

    def close(self):
        self.closed += 1
        if self.on_close is not None:
            raise self.on_close


class Stop(BaseException):
    """What an executor ends a request with."""


def failing(error):
    def step():
        raise error

    return step


def answering(response, headers=()):
    def application(environ, start_response):
        start_response("200 OK", list(headers))
        return response

    return application


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(1), SystemExit(), GeneratorExit(), KeyError("x")])
def test_error_in_the_call_is_answered_500_and_logged_with_its_traceback(client, caplog, error):
    def application(environ, start_response):
        raise error

    answer = client(application).request()
    assert (answer.status, answer.whole) == (500, True)
    assert answer.body == b"500 Internal Server Error\n"
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == "error in the application: GET '/path?a=1'"
    assert record.exc_info[1] is error


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(1)])
def test_error_after_start_response_but_before_content_is_answered_500(client, errors, error):
    response = Response(b"", failing(error))
    answer = client(answering(response, [("X-Secret", "1")])).request()
    assert (answer.status, answer["x-secret"], response.closed) == (500, None, 1)
    assert len(errors()) == 1


@pytest.mark.parametrize("headers", [[], [("Content-Length", "10")]])
def test_error_in_the_middle_cuts_the_response(client, errors, headers):
    response = Response(b"part", failing(ValueError("bad")))
    one = client(answering(response, headers))
    answer = one.request()
    assert (answer.status, answer.body, answer.whole) == (200, b"part", False)
    assert response.closed == 1
    assert "ValueError: bad" in errors()[0]


def test_error_after_the_last_byte_leaves_the_response_whole(client, errors):
    response = Response(b"all", failing(ValueError("bad")))
    answer = client(answering(response, [("Content-Length", "3")])).request()
    assert (answer.body, answer.whole, response.closed) == (b"all", True, 1)
    assert "ValueError: bad" in errors()[0]


@pytest.mark.parametrize(
    ("response", "text"),
    [
        (None, "the application returned NoneType, expected an iterable of bytes"),
        (5, "the application returned int, expected an iterable of bytes"),
        ("text", "the application returned str, expected an iterable of bytes"),
        (b"bytes", "the application returned bytes, expected an iterable of bytes"),
        (["text"], "the application gave a block of str, which has to be encoded; expected bytes"),
        ([b"a", "text"], "the application gave a block of str"),
        (Response("text"), "the application gave a block of str, which has to be encoded; expected bytes"),
        (Response(None), "the application gave a block of NoneType"),
        (Response(bytearray(b"x")), "the application gave a block of bytearray"),
        ([b"", ""], "the application gave a block of str"),
    ],
)
def test_response_that_is_no_iterable_of_bytes_is_answered_500(client, errors, response, text):
    assert client(answering(response)).request().status == 500
    (found,) = errors()
    assert f"TypeError: {text}" in found


def test_async_application_is_told_where_it_belongs(client, errors):
    async def application(environ, start_response):
        raise AssertionError("never awaited")

    assert client(application).request().status == 500
    assert "the application returned coroutine" in errors()[0]
    assert "--interface asgi" in errors()[0]


@pytest.mark.parametrize("response", [[b"x"], [], [b"a", b"b"], Response(b"x"), Response()])
def test_content_without_start_response_is_answered_500(client, errors, response):
    assert client(lambda environ, start_response: response).request().status == 500
    assert "AssertionError: the application gave content before it called start_response" in errors()[0]


def test_bytes_subclass_is_bytes(client):
    class Safe(bytes):
        pass

    assert client(answering([Safe(b"x")])).request().body == b"x"


# -- close -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "headers"),
    [
        ((b"all",), []),
        ((), []),
        ((b"a", b"b"), []),
        ((b"abc",), [("Content-Length", "3")]),
        ((b"abc",), [("Content-Length", "2")]),
        ((b"abc",), [("Content-Length", "4")]),
        (("text",), []),
        ((failing(ValueError("bad")),), []),
        ((b"part", failing(ValueError("bad"))), []),
        ((b"part", failing(SystemExit())), []),
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_close_is_called_once(client, steps, headers, method):
    response = Response(*steps)
    client(answering(response, headers)).request(method + b" / HTTP/1.1\r\nHost: e\r\n\r\n")
    assert response.closed == 1


@pytest.mark.parametrize("steps", [(failing(Stop()),), (b"part", failing(Stop()))])
def test_close_is_called_once_when_the_executor_ends_the_request(client, errors, steps):
    response = Response(*steps)
    one = client(answering(response))
    with pytest.raises(Stop):
        one.request()
    assert response.closed == 1
    assert errors() == []


def test_what_the_executor_raises_goes_through_from_the_call(client):
    def application(environ, start_response):
        raise Stop

    one = client(application)
    with pytest.raises(Stop):
        one.request()
    assert one.exchange.status == 0, "the executor answers"


def test_error_in_close_is_logged_and_the_response_is_whole(client, errors):
    response = Response(b"all", on_close=ValueError("at the end"))
    answer = client(answering(response)).request()
    assert (answer.body, answer.whole, response.closed) == (b"all", True, 1)
    (text,) = errors()
    assert text == "error in close() of the response: GET '/path?a=1' | ValueError: at the end"


def test_close_is_called_after_the_response_has_been_handed_over(client):
    seen = []

    class Closing(list):
        def close(self):
            seen.append(one.flush())

    one = client(answering(Closing([b"content"])))
    one.request()
    assert b"content" in seen[0]


def test_what_close_raises_takes_the_place_of_what_the_executor_raised(client):
    first, second = Stop("first"), Stop("second")
    response = Response(failing(first), on_close=second)
    one = client(answering(response))
    with pytest.raises(Stop) as caught:
        one.request()
    assert (caught.value, caught.value.__context__, response.closed) == (second, first, 1)


def test_an_error_in_close_does_not_stop_what_the_executor_raised(client, errors):
    stop = Stop()
    response = Response(failing(stop), on_close=ValueError("in close"))
    one = client(answering(response))
    with pytest.raises(Stop) as caught:
        one.request()
    assert (caught.value, response.closed) == (stop, 1)
    assert errors() == ["error in close() of the response: GET '/path?a=1' | ValueError: in close"]


def test_close_that_cannot_be_looked_up_is_an_error_of_the_handler(client):
    class Odd(list):
        def __getattribute__(self, name):
            if name == "close":
                raise KeyError("no close")
            return super().__getattribute__(name)

    with pytest.raises(KeyError, match="no close"):
        client(answering(Odd())).request()


@pytest.mark.parametrize("close", [None, "missing"])
def test_response_without_a_close_that_can_be_called(client, errors, close):
    class Bare(list):
        pass

    response = Bare([b"x"])
    if close is None:
        response.close = None
    assert client(answering(response)).request().body == b"x"
    assert errors() == []


@pytest.mark.parametrize("error", [None, ValueError("bad"), Stop()])
def test_collected_body_in_a_file_is_closed_at_the_end(client, error):
    seen = []

    def application(environ, start_response):
        seen.append(environ["wsgi.input"].closed)
        if error is not None:
            raise error
        start_response("200 OK", [])
        return [b"x"]

    with tempfile.TemporaryFile() as body, io.BytesIO() as memory:
        for collected in (body, memory):
            exchange = MemoryExchange()
            exchange.body = collected
            handler = client(application).handler
            if isinstance(error, Stop):
                with pytest.raises(Stop):
                    handler(exchange, lambda exchange, want: None)
            else:
                handler(exchange, lambda exchange, want: None)
        assert (seen, body.closed, memory.closed) == ([False, False], True, False)


def test_exchange_that_lacks_a_fact_is_answered_500(client, errors):
    exchange = MemoryExchange()
    exchange.body = io.BytesIO()
    del exchange.raw_path
    client(answering([b"x"])).handler(exchange, lambda exchange, want: None)
    assert (exchange.status, exchange.complete) == (500, True)
    assert "AttributeError" in errors()[0]


# -- the client leaves -----------------------------------------------------------------------------------------------


def test_iteration_stops_when_the_client_has_left(client, errors):
    def leave():
        one.leave()
        return b"to nobody"

    response = Response(b"first", leave, b"never asked for")
    one = client(answering(response))
    one.request()
    assert (response.taken, response.closed) == (2, 1)
    assert errors() == []


def test_write_tells_the_application_that_the_client_has_left(client, errors):
    seen = []

    def application(environ, start_response):
        write = start_response("200 OK", [])
        one.leave()
        try:
            write(b"x")
        except Disconnected as error:
            seen.append(error)
            raise

    one = client(application)
    one.request()
    assert len(seen) == 1
    assert errors() == []


def test_client_that_has_left_is_a_debug_line(client, caplog):
    caplog.set_level(logging.DEBUG)

    def application(environ, start_response):
        start_response("200 OK", [])
        one.leave()
        return [b"x"]

    one = client(application)
    one.request()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", "the client left: GET '/path?a=1'")
    ]


def test_broken_connection_of_the_application_itself_is_its_error(client, errors):
    def application(environ, start_response):
        raise ConnectionResetError("the database")

    assert client(application).request().status == 500
    assert "ConnectionResetError: the database" in errors()[0]


def test_target_in_the_log_is_escaped(client, errors):
    def application(environ, start_response):
        raise ValueError

    client(application).request(b"GET /%0a'\"%1b HTTP/1.1\r\nHost: e\r\n\r\n")
    assert errors()[0].startswith("error in the application: GET ")
    assert "\n" not in errors()[0]
