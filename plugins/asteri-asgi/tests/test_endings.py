"""How an application may end, and what its client and the log are told."""

import asyncio
import contextvars

import pytest
from asteri_core.api import Disconnected

START = {"type": "http.response.start", "status": 200}


def body(content=b"", more=False):
    return {"type": "http.response.body", "body": content, "more_body": more}


BEFORE = {"at once": [], "after the start": [START], "after the trailers were announced": [{**START, "trailers": True}]}
WITHIN = {"in the body": [START, body(b"a", True)], "before the trailers": [{**START, "trailers": True}, body(b"a")]}


def app_that(ends, messages):
    async def app(scope, receive, send):
        for message in messages:
            await send(message)
        ends()

    return app


def returns():
    return None


def raises():
    raise ZeroDivisionError("on purpose")


def exits():
    raise SystemExit(3)


def levels(caplog):
    return [record.levelname for record in caplog.records if record.name == "asteri.test"]


@pytest.mark.parametrize("ends", [returns, raises, exits])
@pytest.mark.parametrize("messages", BEFORE.values(), ids=BEFORE.keys())
def test_end_before_the_head_is_answered_500_and_logged(bench, caplog, ends, messages):
    exchange = bench.run(app_that(ends, messages))
    assert (exchange.status, exchange.complete_response) == (500, True)
    assert levels(caplog) == ["ERROR"]


@pytest.mark.parametrize("ends", [returns, raises, exits])
@pytest.mark.parametrize("messages", WITHIN.values(), ids=WITHIN.keys())
def test_end_within_the_response_cuts_it_and_is_logged(bench, caplog, ends, messages):
    exchange = bench.run(app_that(ends, messages))
    assert (exchange.status, exchange.content, exchange.aborted) == (200, b"a", True)
    assert levels(caplog) == ["ERROR"]


def test_error_is_logged_with_its_traceback_and_the_request(bench, caplog, make_exchange):
    bench.run(app_that(raises, []), make_exchange(target=b"/a?b"))
    (record,) = caplog.records
    assert "GET '/a?b'" in record.getMessage()
    assert record.exc_info[0] is ZeroDivisionError
    assert "on purpose" in caplog.text


def test_target_cannot_forge_a_log_line(bench, caplog, make_exchange):
    bench.run(app_that(raises, []), make_exchange(target=b"/\x1b[2J\n\xff"))
    assert "\x1b" not in caplog.records[0].getMessage()
    assert "\n" not in caplog.records[0].getMessage()


def test_error_after_a_complete_response_is_logged_only(bench, caplog):
    exchange = bench.run(app_that(raises, [START, body(b"x")]))
    assert (exchange.status, exchange.content, exchange.complete_response) == (200, b"x", True)
    assert levels(caplog) == ["ERROR"]


def test_application_may_go_on_after_its_response(bench, make_exchange, wait_for):
    exchange = make_exchange()
    steps = []

    async def app(scope, receive, send):
        await send(START)
        await send(body(b"x"))
        steps.append("answered" if exchange.complete_response else "not yet")
        await asyncio.sleep(0)
        steps.append("worked on")

    bench.run(app, exchange)
    assert steps == ["answered", "worked on"]


@pytest.mark.parametrize("wrapped", ["as it is", "chained", "grouped"])
@pytest.mark.parametrize("messages", [[START], [START, body(b"a", True)]], ids=["before the head", "in the body"])
def test_client_that_left_is_no_error(bench, caplog, make_exchange, messages, wrapped):
    exchange = make_exchange()

    async def app(scope, receive, send):
        for message in messages:
            await send(message)
        exchange.close()
        try:
            await send(body(b"b", True))
        except OSError as error:
            if wrapped == "chained":
                raise RuntimeError("client disconnected") from error
            if wrapped == "grouped":
                raise ExceptionGroup("tasks", [error]) from None
            raise

    bench.run(app, exchange)
    assert exchange.aborted
    assert levels(caplog) == ["DEBUG"]


def test_error_of_the_application_besides_the_departure_is_logged(bench, caplog, make_exchange):
    exchange = make_exchange()

    async def app(scope, receive, send):
        exchange.close()
        raise ExceptionGroup("tasks", [Disconnected("left"), ZeroDivisionError()])

    bench.run(app, exchange)
    assert levels(caplog) == ["ERROR"]


def test_return_after_a_disconnect_is_no_error(bench, caplog, make_exchange):
    exchange = make_exchange()

    async def app(scope, receive, send):
        await receive()
        exchange.leave()
        assert (await receive())["type"] == "http.disconnect"

    bench.run(app, exchange)
    assert exchange.aborted
    assert levels(caplog) == ["DEBUG"]


@pytest.mark.parametrize("messages", [[], [START], [START, body(b"a", True)]])
def test_cancelled_application_is_cut_and_the_cancellation_goes_on(bench, make_exchange, wait_for, messages):
    exchange = make_exchange()
    steps = []

    async def app(scope, receive, send):
        for message in messages:
            await send(message)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            steps.append("cleaned up")

    async def main():
        task = asyncio.create_task(bench.handler(app)(exchange, wait_for))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert exchange.aborted
    assert steps == ["cleaned up"]


def test_cancelled_background_work_leaves_the_response_alone(bench, make_exchange, wait_for):
    exchange = make_exchange()

    async def app(scope, receive, send):
        await send(START)
        await send(body(b"x"))
        await asyncio.get_running_loop().create_future()

    async def main():
        task = asyncio.create_task(bench.handler(app)(exchange, wait_for))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert exchange.complete_response


def test_application_runs_in_the_task_and_context_of_its_caller(bench, make_exchange, wait_for):
    variable = contextvars.ContextVar("variable", default="unset")
    seen = []

    async def app(scope, receive, send):
        seen.append(variable.get())
        variable.set("by the application")
        seen.append(asyncio.current_task())
        await send(START)
        await send(body())

    async def main():
        handler = bench.handler(app)
        for _ in range(2):
            task = asyncio.create_task(handler(make_exchange(), wait_for))
            await task
            assert seen.pop() is task

    asyncio.run(main())
    assert seen == ["unset", "unset"]
