"""What an application may send, in which order, and what becomes of it."""

import asyncio
import contextlib
import logging

import pytest
from asteri_core.api import Disconnected, LocalProtocolError

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
WITH_TRAILERS = {**START, "trailers": True}
HINT = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]}
DEBUG = {"type": "http.response.debug", "info": {"template": "index.html"}}
PATH = {"type": "http.response.pathsend", "path": __file__}


def body(content=b"", more=False):
    return {"type": "http.response.body", "body": content, "more_body": more}


def trailers(*fields, more=False):
    return {"type": "http.response.trailers", "headers": list(fields), "more_trailers": more}


def sender(*messages):
    """An application that sends these messages."""

    async def app(scope, receive, send):
        for message in messages:
            await send(message)

    return app


def test_whole_response(bench):
    exchange = bench.run(sender(START, body(b"hello")))
    assert (exchange.status, exchange.response_headers) == (200, START["headers"])
    assert (exchange.pieces, exchange.complete_response) == ([b"hello"], True)


def test_streamed_response(bench):
    exchange = bench.run(sender(START, body(b"a", True), body(b"b", True), body(b"c")))
    assert (exchange.pieces, exchange.complete_response) == ([b"a", b"b", b"c"], True)


def test_missing_keys_have_their_defaults(bench):
    exchange = bench.run(sender({"type": "http.response.start", "status": 204}, {"type": "http.response.body"}))
    assert (exchange.status, list(exchange.response_headers), exchange.content) == (204, [], b"")
    assert exchange.complete_response


class Key(str):
    """Equal to a str, and not one itself."""


def spelled(key):
    """Equal to a literal, and another object."""
    return bytes(key, "ascii").decode()


def surrounded(message):
    return {Key("x-before"): 1, 2: 3, **message, **{f"x-{number}": number for number in range(20)}}


@pytest.mark.parametrize(
    "write",
    [
        lambda message: {spelled(key): value for key, value in message.items()},
        lambda message: {Key(key): value for key, value in message.items()},
        lambda message: dict(reversed(message.items())),
        lambda message: {spelled(key) if key != "type" else key: value for key, value in message.items()},
        lambda message: {**message, "x-extra": 1},
        surrounded,
    ],
)
def test_keys_of_a_message_count_by_what_they_say(bench, make_exchange, write):
    exchange = make_exchange(headers=[(b"te", b"trailers")])
    messages = [WITH_TRAILERS, body(b"a", True), body(b"b"), trailers((b"x", b"1"), more=True), trailers((b"y", b"2"))]
    bench.run(sender(*map(write, messages)), exchange)
    assert (exchange.status, exchange.response_headers) == (200, START["headers"])
    assert (exchange.pieces[:2], exchange.sent_trailers) == ([b"a", b"b"], [(b"x", b"1"), (b"y", b"2")])


def test_message_is_read_on_as_it_is_when_its_headers_have_been_taken(bench):
    message = {"type": "http.response.start", "status": 200}

    def changing():
        yield (b"a", b"1")
        message["trailers"] = True

    message["headers"] = changing()
    exchange = bench.run(sender(message, body(b"x"), trailers()))
    assert (exchange.response_headers, exchange.complete_response) == ([(b"a", b"1")], True)


def test_head_is_held_until_the_first_piece_even_an_empty_one(bench, make_exchange):
    exchange = make_exchange()
    seen = []

    async def app(scope, receive, send):
        await send(START)
        seen.append(exchange.status)
        await send(body(b"", True))
        seen.append(exchange.head_sent)
        await send(body(b"x"))

    bench.run(app, exchange)
    assert seen == [0, True]


@pytest.mark.parametrize("content", [bytearray(b"hello"), memoryview(b"hello"), memoryview(b"h-e-l-l-o")[::2]])
def test_other_buffers_are_taken_as_bytes(bench, content):
    assert bench.run(sender(START, body(content))).pieces == [b"hello"]


NAMED = [[b"X-One", b"1"], (b"a-long-name-In-the-middle", b"2")]
SAME = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]


@pytest.mark.parametrize("kind", [list, tuple, iter])
@pytest.mark.parametrize("more", [0, 20])
def test_header_names_are_made_lower_case_and_lists_are_accepted(bench, kind, more):
    headers = [*NAMED, *SAME, *[(b"X-More", b"")] * more]
    exchange = bench.run(sender({**START, "headers": kind(headers)}, body()))
    expected = [(name.lower(), value) for name, value in headers]
    assert (exchange.response_headers, exchange.complete_response) == (expected, True)


def test_what_becomes_of_its_headers_after_the_start_changes_nothing(bench):
    pair = [b"a", b"b"]
    headers = [pair, (b"c", b"d")]

    async def app(scope, receive, send):
        await send({**START, "headers": headers})
        pair[1] = b"x"
        headers.clear()
        await send(body())

    assert bench.run(app).response_headers == [(b"a", b"b"), (b"c", b"d")]


def test_answer_to_head_has_no_content(bench, make_exchange):
    exchange = bench.run(sender(START, body(b"hello")), make_exchange(method="HEAD"))
    assert (exchange.content, exchange.complete_response) == (b"", True)


# -- order --------------------------------------------------------------------------------------------------------

ORDERS = {
    "body before start": ([body(b"x")], "http.response.start"),
    "file before start": ([PATH], "http.response.start"),
    "trailers before start": ([trailers()], "http.response.start"),
    "second start": ([START, START], "http.response.body"),
    "start in the body": ([START, body(b"x", True), START], "http.response.body"),
    "path in the body": ([START, body(b"x", True), PATH], "http.response.body"),
    "trailers that were not announced": ([START, body(b"x", True), trailers()], "http.response.body"),
    "trailers before the body": ([WITH_TRAILERS, trailers()], "http.response.body"),
    "body after the body": ([WITH_TRAILERS, body(b"x"), body(b"y")], "http.response.trailers"),
    "hint after the body": ([WITH_TRAILERS, body(b"x"), HINT], "http.response.trailers"),
    "debug that was not offered": ([DEBUG], "http.response.start"),
    "websocket message": ([{"type": "websocket.accept"}], "http.response.start"),
    "no type": ([{}], "http.response.start"),
    "no dictionary": (["http.response.start"], "http.response.start"),
    "none": ([None], "http.response.start"),
}


@pytest.mark.parametrize(("messages", "expected"), ORDERS.values(), ids=ORDERS.keys())
def test_message_out_of_order_is_an_error_that_names_what_is_expected(bench, messages, expected):
    errors = []

    async def app(scope, receive, send):
        for message in messages[:-1]:
            await send(message)
        try:
            await send(messages[-1])
        except LocalProtocolError as error:
            errors.append(str(error))

    bench.run(app)
    assert len(errors) == 1
    assert expected in errors[0]


LEGAL = {
    "hint first": ([HINT, START, body()], {}),
    "hints between": ([HINT, START, HINT, HINT, body()], {}),
    "hint in the body": ([START, body(b"x", True), HINT, body()], {}),
    "trailers": ([WITH_TRAILERS, body(b"x", True), body(), trailers()], {}),
    "trailers in parts": ([WITH_TRAILERS, body(), trailers(more=True), trailers()], {}),
    "path with trailers": ([WITH_TRAILERS, PATH, trailers()], {}),
    "debug": ([DEBUG, START, body()], {"asgi_debug": True}),
    "hint and debug": ([HINT, DEBUG, START, body()], {"asgi_debug": True}),
}


@pytest.mark.parametrize(("messages", "settings"), LEGAL.values(), ids=LEGAL.keys())
def test_legal_order_completes_the_response(bench, messages, settings):
    assert bench.run(sender(*messages), **settings).complete_response


@pytest.mark.parametrize(
    "message", [START, body(b"y"), body(b"y", True), HINT, trailers(), {"type": "unheard.of"}, PATH]
)
def test_messages_after_the_response_are_ignored_with_a_warning(bench, caplog, message):
    exchange = bench.run(sender(START, body(b"x"), message))
    assert (exchange.status, exchange.content) == (200, b"x")
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_debug_information_may_be_sent_once_only_and_is_logged(bench, caplog):
    exchange = bench.run(sender(DEBUG, DEBUG), asgi_debug=True)
    assert exchange.status == 500
    assert any("index.html" in record.getMessage() for record in caplog.records if record.levelno == logging.INFO)


# -- values -------------------------------------------------------------------------------------------------------

BAD = {
    "status as text": [{**START, "status": "200"}],
    "no status": [{"type": "http.response.start"}],
    "interim status": [{**START, "status": 103}, body()],
    "status too large": [{**START, "status": 600}, body()],
    "headers as text": [{**START, "headers": "abc"}, body()],
    "headers as dictionary": [{**START, "headers": {b"ab": b"x", b"c": b"y"}}, body()],
    "no headers": [{**START, "headers": None}, body()],
    "header of three": [{**START, "headers": [(b"a", b"b", b"c")]}, body()],
    "name as text": [{**START, "headers": [("a", b"b")]}, body()],
    "value as text": [{**START, "headers": [(b"a", "b")]}, body()],
    "value as number": [{**START, "headers": [(b"a", 1)]}, body()],
    "empty name": [{**START, "headers": [(b"", b"b")]}, body()],
    "pseudo header": [{**START, "headers": [(b":status", b"200")]}, body()],
    "split response": [{**START, "headers": [(b"a", b"b\r\nset-cookie: c=d")]}, body()],
    "body as text": [START, body("text")],
    "body as number": [START, body(1)],
    "no body": [START, body(None)],
    "links as text": [{**HINT, "links": "</a.css>"}],
    "links as bytes": [{**HINT, "links": b"</a.css>"}],
    "link as text": [{**HINT, "links": ["</a.css>"]}],
    "split hint": [{**HINT, "links": [b"a\r\n\r\nHTTP/1.1 200 OK"]}],
    "content too long": [{**START, "headers": [(b"content-length", b"1")]}, body(b"xx")],
    "content too short": [{**START, "headers": [(b"content-length", b"2")]}, body(b"x")],
}


@pytest.mark.parametrize("messages", BAD.values(), ids=BAD.keys())
def test_bad_value_is_an_error_and_nothing_of_it_is_sent(bench, caplog, messages):
    exchange = bench.run(sender(*messages))
    assert (exchange.status, exchange.content) == (500, b"500 Internal Server Error\n")
    assert exchange.interim == []
    assert caplog.records[-1].exc_info[0] is LocalProtocolError


def test_application_may_start_anew_when_its_head_could_not_be_sent(bench):
    async def app(scope, receive, send):
        await send({**START, "headers": [(b"content-length", b"1")]})
        with pytest.raises(LocalProtocolError):
            await send(body(b"too long"))
        await send({**START, "status": 503})
        await send(body(b"sorry"))

    exchange = bench.run(app)
    assert (exchange.status, exchange.pieces) == (503, [b"sorry"])


# -- extensions ---------------------------------------------------------------------------------------------------


def test_early_hints_go_before_the_head(bench, make_exchange):
    exchange = make_exchange()

    async def app(scope, receive, send):
        await send(START)
        await send({**HINT, "links": [b"</a>", b"</b>"]})
        assert (exchange.status, exchange.interim) == (0, [(103, [(b"link", b"</a>"), (b"link", b"</b>")])])
        await send(body())

    assert bench.run(app, exchange).complete_response


def test_trailers_are_collected_and_sent_at_the_end(bench, make_exchange):
    exchange = make_exchange(headers=[(b"host", b"example.org"), (b"te", b"gzip;q=0.5, Trailers")])
    app = sender(
        WITH_TRAILERS,
        body(b"x"),
        trailers((b"X-Sum", b"1"), more=True),
        trailers((b"server-timing", b"db;dur=1")),
    )
    bench.run(app, exchange)
    assert exchange.sent_trailers == [(b"x-sum", b"1"), (b"server-timing", b"db;dur=1")]
    assert exchange.complete_response


def test_trailers_are_dropped_for_a_client_that_has_not_asked_for_them(bench):
    exchange = bench.run(sender(WITH_TRAILERS, body(b"x"), trailers((b"x-sum", b"1"))))
    assert (exchange.sent_trailers, exchange.complete_response) == ([], True)


# -- back-pressure and departure ----------------------------------------------------------------------------------


def test_send_returns_only_when_the_peer_has_taken_enough(bench, make_exchange, wait_for):
    exchange = make_exchange()
    steps = []

    async def app(scope, receive, send):
        await send(START)
        exchange.full = True
        await send(body(b"a", True))
        steps.append("sent")
        await send(body(b"b"))

    async def main():
        task = asyncio.create_task(bench.handler(app)(exchange, wait_for))
        for _ in range(5):
            await asyncio.sleep(0)
        steps.append("full")
        exchange.take()
        await task

    asyncio.run(main())
    assert steps == ["full", "sent"]
    assert exchange.pieces == [b"a", b"b"]


def test_two_tasks_held_back_both_go_on(bench, make_exchange, wait_for):
    exchange = make_exchange()
    steps = []

    async def app(scope, receive, send):
        await send(START)
        exchange.full = True
        await asyncio.gather(send(body(b"a", True)), send(body(b"b", True)))
        steps.append("both")
        await send(body())

    async def main():
        task = asyncio.create_task(bench.handler(app)(exchange, wait_for))
        for _ in range(5):
            await asyncio.sleep(0)
        exchange.take()
        await task

    asyncio.run(main())
    assert steps == ["both"]


def test_last_piece_is_not_held_back(bench, make_exchange):
    exchange = make_exchange()
    exchange.full = True
    bench.run(sender(START, body(b"x")), exchange)
    assert exchange.complete_response


@pytest.mark.parametrize("sent_before", [0, 1, 2])
def test_every_send_after_the_client_has_left_raises_an_os_error(bench, make_exchange, sent_before):
    exchange = make_exchange()
    messages = [START, body(b"a", True), body(b"b", True)]
    errors = []

    async def app(scope, receive, send):
        for message in messages[:sent_before]:
            await send(message)
        exchange.close()
        for message in [*messages[sent_before:], body(b"c", True), HINT, {"type": "unheard.of"}]:
            try:
                await send(message)
            except OSError as error:
                errors.append(error)

    bench.run(app, exchange)
    assert len(errors) >= 3
    assert all(isinstance(error, Disconnected) for error in errors)
    assert exchange.aborted


def test_trailers_of_a_response_that_was_replaced_while_it_was_sent_are_refused(bench, make_exchange):
    """Only an exchange of somebody else's does this: its send() runs the application."""
    sends = []

    def step(message):
        with contextlib.suppress(StopIteration, LocalProtocolError):
            sends[0](message).send(None)

    class Odd(make_exchange):
        running = False

        def send(self, data, end=False):
            if self.running:
                raise LocalProtocolError("it has sent that")
            self.running = True
            step(body(b"", True))
            step(START)
            return True

        def retract(self):
            return True

    async def app(scope, receive, send):
        sends.append(send)
        await send(WITH_TRAILERS)
        await send(body(b"x"))
        with pytest.raises(LocalProtocolError, match="the trailers were not announced"):
            await send(trailers())
        exchange.abort()

    exchange = Odd()
    bench.run(app, exchange)
    assert exchange.aborted
