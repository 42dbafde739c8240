"""Startup and shutdown of an application."""

import asyncio
import contextvars

import pytest
from asteri_core.api import LocalProtocolError, WorkerBootError


class Lifespan:
    """An application whose lifespan is told by its parts, and which notes what happens."""

    def __init__(self, startup=(), shutdown=(), ends="return"):
        self.answers = {"lifespan.startup": startup, "lifespan.shutdown": shutdown}
        self.ends = ends
        self.notes = []

    async def __call__(self, scope, receive, send):
        assert scope["type"] == "lifespan"
        self.scope = scope
        self.task = asyncio.current_task()
        while True:
            message = await receive()
            self.notes.append(message["type"])
            for answer in self.answers[message["type"]]:
                if isinstance(answer, Exception):
                    raise answer
                await send(answer)
            if message["type"] == "lifespan.shutdown" and self.ends == "return":
                return


STARTED = {"type": "lifespan.startup.complete"}
STOPPED = {"type": "lifespan.shutdown.complete"}


def failed(what, message="no database"):
    return {"type": f"lifespan.{what}.failed", "message": message}


def levels(caplog):
    return [record.levelname for record in caplog.records if record.name == "asteri.test"]


def live(bench, app, mode="auto", during=None):
    """Startup, then shutdown."""

    async def main():
        handler = bench.handler(app, lifespan=mode)
        await handler.startup()
        if during:
            await during(handler)
        await asyncio.wait_for(handler.shutdown(), 5)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_whole_lifespan(bench, caplog, mode):
    app = Lifespan([STARTED], [STOPPED])
    live(bench, app, mode)
    assert app.notes == ["lifespan.startup", "lifespan.shutdown"]
    assert app.scope == {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    assert levels(caplog) == []


def test_off_never_asks(bench):
    app = Lifespan([STARTED], [STOPPED])
    live(bench, app, "off")
    assert app.notes == []


async def raises(scope, receive, send):
    raise ValueError("only http here")


async def returns(scope, receive, send):
    return


async def raises_after_the_message(scope, receive, send):
    await receive()
    raise ValueError("only http here")


@pytest.mark.parametrize("app", [raises, returns, raises_after_the_message])
def test_auto_goes_on_without_when_the_application_does_not_support_it(bench, caplog, app):
    live(bench, app, "auto")
    assert set(levels(caplog)) == {"DEBUG"}


@pytest.mark.parametrize("app", [raises, returns, raises_after_the_message])
def test_on_insists(bench, app):
    with pytest.raises(WorkerBootError, match=r"only http here|before startup\.complete"):
        live(bench, app, "on")


@pytest.mark.parametrize("mode", ["auto", "on"])
@pytest.mark.parametrize("then", [[], [RuntimeError("again")]])
def test_failed_startup_is_always_an_error_with_its_message(bench, mode, then):
    with pytest.raises(WorkerBootError, match="no database"):
        live(bench, Lifespan([failed("startup"), *then], [], "loop"), mode)


def test_failed_startup_without_a_message(bench):
    with pytest.raises(WorkerBootError, match="no message"):
        live(bench, Lifespan([{"type": "lifespan.startup.failed"}]))


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_exit_during_startup_is_a_refusal(bench, mode):
    async def app(scope, receive, send):
        raise SystemExit("no database")

    with pytest.raises(WorkerBootError, match="no database"):
        live(bench, app, mode)


def test_failed_startup_leaves_no_task(bench):
    async def main():
        app = Lifespan([failed("startup")], [], "loop")
        with pytest.raises(WorkerBootError):
            await bench.handler(app).startup()
        assert app.task.done()

    asyncio.run(main())


def test_cancelled_startup_leaves_no_task(bench):
    async def main():
        app = Lifespan([])  # never answers
        task = asyncio.create_task(bench.handler(app).startup())
        while not app.notes:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert app.task.done()

    asyncio.run(main())


def test_failed_shutdown_is_logged_with_its_message(bench, caplog):
    live(bench, Lifespan([STARTED], [failed("shutdown"), RuntimeError("again")]))
    assert levels(caplog) == ["ERROR"]
    assert "no database" in caplog.text


def test_error_during_shutdown_is_logged(bench, caplog):
    live(bench, Lifespan([STARTED], [ZeroDivisionError()]))
    assert levels(caplog) == ["ERROR"]


def test_error_while_running_is_logged_and_requests_go_on(bench, caplog):
    async def app(scope, receive, send):
        await receive()
        await send(STARTED)
        raise ZeroDivisionError

    async def during(handler):
        await asyncio.sleep(0)

    live(bench, app, during=during)
    assert levels(caplog) == ["ERROR"]


def test_application_that_waits_for_more_after_shutdown_is_ended(bench, caplog):
    live(bench, Lifespan([STARTED], [STOPPED], "loop"))
    assert levels(caplog) == []


def test_application_that_does_not_answer_shutdown_is_ended_and_logged(bench, caplog):
    live(bench, Lifespan([STARTED], [], "loop"))
    assert levels(caplog) == ["ERROR"]


def test_what_the_application_does_after_its_answer_is_waited_for(bench):
    done = []

    async def app(scope, receive, send):
        await receive()
        await send(STARTED)
        await receive()
        await send(STOPPED)
        for _ in range(10):
            await asyncio.sleep(0)
        done.append(True)

    live(bench, app)
    assert done


WRONG = {
    "shutdown before startup": [STOPPED],
    "startup twice": [STARTED, STARTED],
    "unheard of": [{"type": "lifespan.hello"}],
    "http": [{"type": "http.response.start", "status": 200}],
}


@pytest.mark.parametrize("messages", WRONG.values(), ids=WRONG.keys())
def test_message_out_of_order_is_an_error(bench, messages):
    errors = []

    async def app(scope, receive, send):
        await receive()
        try:
            for message in messages:
                await send(message)
        except LocalProtocolError as error:
            errors.append(error)

    live(bench, app)
    assert len(errors) == 1


def test_requests_get_copies_of_the_state(bench, make_exchange, wait_for):
    seen = []
    pool = object()

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            scope["state"]["pool"] = pool
            await receive()
            await send(STARTED)
            await receive()
            await send(STOPPED)
        else:
            seen.append(dict(scope["state"]))
            scope["state"]["mine"] = 1
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body"})

    async def during(handler):
        await handler(make_exchange(), wait_for)
        await handler(make_exchange(), wait_for)

    live(bench, app, during=during)
    assert seen == [{"pool": pool}, {"pool": pool}]


def test_one_task_and_one_context_from_startup_to_shutdown(bench, make_exchange, wait_for):
    variable = contextvars.ContextVar("variable", default="unset")
    seen = []

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            variable.set("by the lifespan")
            task = asyncio.current_task()
            await receive()
            await send(STARTED)
            await receive()
            seen.append((variable.get(), asyncio.current_task() is task))
            await send(STOPPED)
        else:
            seen.append(variable.get())
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body"})

    async def during(handler):
        await handler(make_exchange(), wait_for)

    live(bench, app, during=during)
    assert seen == ["unset", ("by the lifespan", True)]


def test_shutdown_without_startup_does_nothing(bench):
    asyncio.run(bench.handler(raises).shutdown())
