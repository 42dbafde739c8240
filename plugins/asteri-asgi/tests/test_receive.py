"""What an application receives."""

import asyncio
import contextlib

import pytest
from asteri_core.api import Disconnected, RemoteProtocolError

START = {"type": "http.response.start", "status": 200}
DISCONNECT = {"type": "http.disconnect"}


def request(body=b"", more=False):
    return {"type": "http.request", "body": body, "more_body": more}


def run(bench, wait_for, app, exchange, *moves):
    """Run the application; each move is made when everything waits."""

    async def main():
        task = asyncio.create_task(bench.handler(app)(exchange, wait_for))
        for move in moves:
            for _ in range(10):
                await asyncio.sleep(0)
            move()
        await task

    asyncio.run(main())


def receiver(count, got):
    async def app(scope, receive, send):
        for _ in range(count):
            got.append(await receive())
        await send(START)
        await send({"type": "http.response.body"})

    return app


def test_request_without_a_body_is_one_empty_message(bench, make_exchange):
    got = []
    bench.run(receiver(1, got), make_exchange())
    assert got == [request()]


def test_body_of_known_length_ends_with_its_last_piece(bench, make_exchange, wait_for):
    exchange = make_exchange(has_body=True, content_length=5)
    exchange.supply(b"he")
    got = []
    run(bench, wait_for, receiver(2, got), exchange, lambda: exchange.supply(b"llo"))
    assert got == [request(b"he", True), request(b"llo")]


def test_body_of_unknown_length_ends_with_an_empty_piece(bench, make_exchange, wait_for):
    exchange = make_exchange(has_body=True)
    exchange.supply(b"he")
    got = []
    run(bench, wait_for, receiver(3, got), exchange, lambda: exchange.supply(b"llo"), exchange.complete)
    assert got == [request(b"he", True), request(b"llo", True), request()]


def test_after_the_body_the_client_leaving_is_told(bench, make_exchange, wait_for):
    exchange = make_exchange()
    got = []
    run(bench, wait_for, receiver(3, got), exchange, exchange.leave)
    assert got == [request(), DISCONNECT, DISCONNECT]
    assert exchange.complete_response  # a peer that sends no more may still read


def test_cut_body_is_a_disconnect(bench, make_exchange, wait_for):
    exchange = make_exchange(has_body=True, content_length=5)
    exchange.supply(b"he")
    got = []
    run(bench, wait_for, receiver(3, got), exchange, lambda: exchange.fail(Disconnected("cut")))
    assert got == [request(b"he", True), DISCONNECT, DISCONNECT]
    assert exchange.aborted


def test_after_the_response_a_disconnect_is_told(bench, make_exchange):
    got = []

    async def app(scope, receive, send):
        await send(START)
        await send({"type": "http.response.body"})
        got.append(await receive())

    bench.run(app, make_exchange(has_body=True, content_length=5))
    assert got == [DISCONNECT]


def test_task_that_waits_is_told_when_another_has_completed_the_response(bench, make_exchange):
    got = []

    async def app(scope, receive, send):
        await receive()
        waiting = asyncio.create_task(receive())
        await asyncio.sleep(0)
        await send(START)
        await send({"type": "http.response.body"})
        got.append(await waiting)

    bench.run(app, make_exchange())
    assert got == [DISCONNECT]


def test_several_tasks_share_a_body_and_the_disconnect(bench, make_exchange, wait_for):
    exchange = make_exchange(has_body=True, content_length=2)
    got = []

    async def app(scope, receive, send):
        got.extend(await asyncio.gather(*(receive() for _ in range(4))))
        await send(START)
        await send({"type": "http.response.body"})

    run(bench, wait_for, app, exchange, lambda: exchange.supply(b"a"), lambda: exchange.supply(b"b"), exchange.leave)
    assert sorted(message.get("body", b"none") for message in got) == [b"a", b"b", b"none", b"none"]


@pytest.mark.parametrize("cancelled", [0, 1])
def test_cancelled_task_does_not_take_the_others_along(bench, make_exchange, wait_for, cancelled):
    exchange = make_exchange()
    got = []

    async def app(scope, receive, send):
        await receive()
        tasks = [asyncio.create_task(receive()) for _ in range(2)]
        await asyncio.sleep(0)
        tasks.pop(cancelled).cancel()
        got.append(await tasks[0])
        await send(START)
        await send({"type": "http.response.body"})

    run(bench, wait_for, app, exchange, exchange.leave)
    assert got == [DISCONNECT]


def test_receive_may_be_timed_and_tried_again(bench, make_exchange, wait_for):
    exchange = make_exchange(has_body=True, content_length=1)
    got = []

    async def app(scope, receive, send):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(receive(), 0)
        got.append(await receive())
        await send(START)
        await send({"type": "http.response.body"})

    run(bench, wait_for, app, exchange, lambda: exchange.supply(b"a"))
    assert got == [request(b"a")]


def test_body_that_breaks_a_limit_is_answered_with_its_status_whatever_the_application_says(
    bench, make_exchange, wait_for
):
    exchange = make_exchange(has_body=True)
    got = []

    async def app(scope, receive, send):
        got.append(await receive())
        await send({**START, "status": 500})

    run(bench, wait_for, app, exchange, lambda: exchange.fail(RemoteProtocolError("body too large", 413)))
    assert got == [DISCONNECT]
    assert (exchange.status, exchange.content) == (413, b"413 Content Too Large\n")


def test_body_that_breaks_a_limit_cuts_a_response_that_has_begun(bench, make_exchange, wait_for):
    exchange = make_exchange(has_body=True)

    async def app(scope, receive, send):
        await send(START)
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await receive()

    run(bench, wait_for, app, exchange, lambda: exchange.fail(RemoteProtocolError("body too large", 413)))
    assert (exchange.status, exchange.aborted) == (200, True)
