"""What a call of the handler gives, and what ``receive()`` and ``send()`` give, are coroutines in every respect."""

import asyncio
import collections.abc
import gc
import inspect
import types
import weakref

import pytest
from asteri_core.executors.tasks import format_stack

START = {"type": "http.response.start", "status": 200}
LAST = {"type": "http.response.body", "body": b"x"}
MORE = {**LAST, "more_body": True}
DISCONNECT = {"type": "http.disconnect"}


class Pause:
    """Awaited, it gives itself to whoever steps the coroutine, and then what it is sent."""

    def __await__(self):
        return (yield self)


async def pausing_wait(exchange, want):
    await Pause()


def idle():
    """An application that does nothing, to have its sides."""


@pytest.fixture
def sides(bench, make_exchange):
    """A call of the handler that is suspended in its application, the sides of that, and the exchange."""
    given = []

    async def app(scope, receive, send):
        given.extend([receive, send])
        await Pause()

    exchange = make_exchange(has_body=True)
    call = bench.handler(app)(exchange, pausing_wait)
    assert isinstance(call.send(None), Pause)
    yield call, *given, exchange
    call.close()


def suspended_receive(sides):
    _, receive, _, _ = sides
    step = receive()
    assert isinstance(step.send(None), Pause)
    return step


def suspended_send(sides):
    _, _, send, exchange = sides
    assert finish(send(START)) is None
    exchange.full = True
    step = send(MORE)
    assert isinstance(step.send(None), Pause)
    return step


def suspended_call(sides):
    return sides[0]


SUSPENDED = {"call": suspended_call, "receive": suspended_receive, "send": suspended_send}
CREATED = {
    "call": lambda bench, make_exchange, sides: bench.handler(idle)(make_exchange(), pausing_wait),
    "receive": lambda bench, make_exchange, sides: sides[1](),
    "send": lambda bench, make_exchange, sides: sides[2](START),
}


@pytest.fixture(params=SUSPENDED)
def suspended(request, sides):
    return SUSPENDED[request.param](sides)


@pytest.fixture(params=CREATED)
def created(request, bench, make_exchange, sides):
    coroutine = CREATED[request.param](bench, make_exchange, sides)
    yield coroutine
    coroutine.close()


def finish(coroutine, step=lambda coroutine: coroutine.send(None)):
    """What a coroutine returns in the next step."""
    with pytest.raises(StopIteration) as stopped:
        step(coroutine)
    return stopped.value.value


# -- what it is ---------------------------------------------------------------------------------------------------


def test_it_is_a_coroutine(created):
    assert isinstance(created, collections.abc.Coroutine)
    assert asyncio.iscoroutine(created)
    assert inspect.isawaitable(created)
    assert created.cr_origin is None


def test_it_has_the_name_of_what_was_called(created, bench, sides):
    assert created.__qualname__ in ("AsgiHandler.__call__", "Cycle.receive", "Cycle.send")
    assert created.__name__ == created.__qualname__.partition(".")[2]
    assert [side.__qualname__ for side in sides[1:3]] == ["Cycle.receive", "Cycle.send"]
    assert [side.__name__ for side in sides[1:3]] == ["receive", "send"]


def test_the_sides_are_taken_for_coroutine_functions(sides):
    for side in sides[1:3]:
        assert asyncio.iscoroutinefunction(side)
        if hasattr(inspect, "markcoroutinefunction"):
            assert inspect.iscoroutinefunction(side)


def test_its_state_is_shown(created):
    assert inspect.getcoroutinestate(created) == "CORO_CREATED"
    assert isinstance(created.cr_frame, types.FrameType)
    created.close()
    assert inspect.getcoroutinestate(created) == "CORO_CLOSED"
    assert created.cr_frame is None
    assert created.cr_await is None


def test_its_state_is_shown_while_it_waits(suspended):
    assert inspect.getcoroutinestate(suspended) == "CORO_SUSPENDED"
    assert isinstance(suspended.cr_frame, types.FrameType)
    assert suspended.cr_await is not None
    assert isinstance(suspended.cr_code, types.CodeType)


def test_its_state_is_shown_while_it_runs(bench, make_exchange):
    seen = []

    async def app(scope, receive, send):
        seen.append((inspect.getcoroutinestate(call), call.cr_frame is not None))
        for again in (lambda: call.send(None), lambda: call.throw(ValueError()), call.close):
            with pytest.raises(ValueError, match="coroutine already executing"):
                again()

    call = bench.handler(app)(make_exchange(), pausing_wait)
    finish(call)
    assert seen == [("CORO_RUNNING", True)]


def test_a_task_shows_where_its_application_waits(bench, make_exchange, wait_for):
    exchange = make_exchange()

    async def app(scope, receive, send):
        await receive()
        await deeper(receive)
        await send(START)
        await send(LAST)

    async def deeper(receive):
        await receive()

    async def main():
        task = asyncio.create_task(bench.handler(app)(exchange, wait_for))
        before = format_stack(task)
        for _ in range(5):
            await asyncio.sleep(0)
        within = format_stack(task)
        frames = task.get_stack()
        assert "AsgiHandler.__call__() running at" in repr(task)
        exchange.leave()
        await task
        return before, within, frames

    before, within, frames = asyncio.run(main())
    assert before.count("File") == 1
    assert [name for name in ("in app", "in deeper", "in take", "in wait") if name in within] == [
        "in app", "in deeper", "in take", "in wait",
    ]  # fmt: skip
    assert len(frames) == 1


# -- running it ---------------------------------------------------------------------------------------------------


def test_nothing_happens_before_the_first_step(bench, make_exchange):
    calls = []

    async def app(scope, receive, send):
        calls.append(scope)

    exchange = make_exchange()
    call = bench.handler(app)(exchange, pausing_wait)
    assert calls == []
    call.close()
    assert (calls, exchange.aborted) == ([], False)


def test_nothing_is_sent_or_received_before_it_is_awaited(sides):
    _, receive, send, exchange = sides
    exchange.supply(b"a")
    exchange.complete()
    steps = [send(START), send(LAST), receive()]
    assert (exchange.pieces, exchange.buffered) == ([], 1)
    assert finish(steps[2]) == {"type": "http.request", "body": b"a", "more_body": True}
    assert [finish(step) for step in steps[:2]] == [None, None]
    assert exchange.pieces == [b"x"]


def test_the_first_step_takes_no_value(created):
    with pytest.raises(TypeError, match="can't send non-None value to a just-started coroutine"):
        created.send(1)
    assert inspect.getcoroutinestate(created) == "CORO_CREATED"


@pytest.mark.parametrize(
    "again", [lambda step: step.send(None), lambda step: step.throw(ValueError()), lambda step: next(step.__await__())]
)
def test_it_runs_once_only(created, again):
    created.close()
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        again(created)


def test_it_cannot_be_awaited_by_two(suspended):
    async def second():
        await suspended

    with pytest.raises(RuntimeError, match="coroutine is being awaited already"):
        second().send(None)


def test_what_is_sent_to_it_is_passed_on(bench, make_exchange):
    got = []

    async def app(scope, receive, send):
        got.append(await Pause())

    call = bench.handler(app)(make_exchange(), pausing_wait)
    call.send(None)
    finish(call, lambda call: call.send("sent"))
    assert got == ["sent"]


def test_it_can_be_awaited_by_its_iterator(sides):
    class Wrapped:
        def __init__(self, step):
            self.step = step

        def __await__(self):
            return (yield from self.step.__await__())

    async def both():
        await Wrapped(sides[2](START))
        return await Wrapped(sides[1]())

    sides[3].complete()
    assert finish(both()) == {"type": "http.request", "body": b"", "more_body": False}


def test_steps_can_be_tasks(bench, make_exchange):
    exchange = make_exchange()
    got = []

    async def app(scope, receive, send):
        got.append(await asyncio.create_task(receive()))
        await asyncio.gather(send(START), send(MORE), send(LAST))
        got.append(await asyncio.wait_for(receive(), 1))

    bench.run(app, exchange)
    assert got == [{"type": "http.request", "body": b"", "more_body": False}, DISCONNECT]
    assert exchange.pieces == [b"x", b"x"]


# -- throwing into it and closing it ------------------------------------------------------------------------------

THROWN = {
    "an exception": (ValueError("thrown"),),
    "a class": (ValueError,),
    "a class and a value": (ValueError, "thrown"),
    "a class and an exception": (ValueError, ValueError("thrown")),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("thrown", THROWN.values(), ids=THROWN.keys())
def test_what_is_thrown_before_the_first_step_ends_it(created, thrown):
    with pytest.raises(ValueError, match=r"thrown|^$"):
        created.throw(*thrown)
    assert inspect.getcoroutinestate(created) == "CORO_CLOSED"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("thrown", THROWN.values(), ids=THROWN.keys())
@pytest.mark.parametrize("kind", ["receive", "send"])
def test_what_is_thrown_while_a_step_waits_comes_out_of_it(sides, kind, thrown):
    step = SUSPENDED[kind](sides)
    with pytest.raises(ValueError, match=r"thrown|^$"):
        step.throw(*thrown)
    assert inspect.getcoroutinestate(step) == "CORO_CLOSED"


BAD_THROWS = [(), (1,), (ValueError("a"), ValueError("b")), (ValueError, None, "no traceback"), (int,)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("thrown", BAD_THROWS)
@pytest.mark.parametrize("at", ["created", "suspended"])
def test_what_cannot_be_thrown_is_a_type_error(sides, at, thrown):
    step = sides[1]() if at == "created" else suspended_receive(sides)
    with pytest.raises(TypeError):
        step.throw(*thrown)
    step.close()


def test_traceback_can_be_thrown_along(sides):
    try:
        raise ZeroDivisionError
    except ZeroDivisionError as error:
        thrown = error.with_traceback(None)
        lines = error.__traceback__
    step = suspended_receive(sides)
    with pytest.raises(ZeroDivisionError) as raised:
        step.throw(thrown.with_traceback(lines))
    assert raised.value is thrown


def test_application_may_wait_on_after_an_exception(bench, make_exchange):
    got = []

    async def app(scope, receive, send):
        with pytest.raises(ValueError, match="thrown"):
            await Pause()
        got.append(await Pause())
        await send(START)
        await send(LAST)

    exchange = make_exchange()
    call = bench.handler(app)(exchange, pausing_wait)
    call.send(None)
    assert isinstance(call.throw(ValueError("thrown")), Pause)
    finish(call, lambda call: call.send("again"))
    assert (got, exchange.complete_response) == (["again"], True)


@pytest.mark.parametrize("error", [KeyboardInterrupt, asyncio.CancelledError, GeneratorExit])
def test_what_is_no_error_of_the_application_cuts_the_response_and_goes_on(sides, error):
    call, _, _, exchange = sides
    with pytest.raises(error):
        call.throw(error())
    assert exchange.aborted


def test_closing_ends_the_application(bench, make_exchange):
    steps = []

    async def app(scope, receive, send):
        try:
            await Pause()
        finally:
            steps.append("cleaned up")

    exchange = make_exchange()
    call = bench.handler(app)(exchange, pausing_wait)
    call.send(None)
    assert call.close() is None
    assert call.close() is None
    assert (steps, exchange.aborted) == (["cleaned up"], True)


def test_application_that_will_not_be_closed_is_logged(bench, make_exchange, caplog):
    async def app(scope, receive, send):
        while True:
            try:
                await Pause()
            except GeneratorExit:
                await Pause()
                return

    exchange = make_exchange()
    call = bench.handler(app)(exchange, pausing_wait)
    call.send(None)
    call.close()
    assert exchange.status == 500
    assert [record.exc_info[0] for record in caplog.records] == [RuntimeError]
    gc.collect()


@pytest.mark.parametrize("kind", ["receive", "send"])
def test_closing_a_step_ends_its_wait_and_lets_another_wait(sides, kind):
    step = SUSPENDED[kind](sides)
    assert step.close() is None
    assert inspect.getcoroutinestate(step) == "CORO_CLOSED"
    again = sides[1]() if kind == "receive" else sides[2](MORE)
    assert isinstance(again.send(None), Pause)
    again.close()


def test_stop_iteration_does_not_end_it_quietly(sides):
    class Message(dict):
        def get(self, key, otherwise=None):
            raise StopIteration

    with pytest.raises(RuntimeError, match="coroutine raised StopIteration"):
        sides[2](Message(START)).send(None)


# -- dropping it --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CREATED)
def test_dropping_it_unawaited_is_warned_of(bench, make_exchange, sides, kind):
    coroutine = CREATED[kind](bench, make_exchange, sides)
    name = coroutine.__qualname__
    with pytest.warns(RuntimeWarning, match=f"coroutine '{name}' was never awaited"):
        del coroutine


def test_dropping_it_while_it_waits_ends_the_application(bench, make_exchange):
    steps = []

    async def app(scope, receive, send):
        sides = [receive, send]  # a cycle, because these lead to the call that runs this
        try:
            await Pause()
        finally:
            steps.append(len(sides))

    exchange = make_exchange()
    call = bench.handler(app)(exchange, pausing_wait)
    call.send(None)
    del call
    gc.collect()
    assert (steps, exchange.aborted) == ([2], True)


def test_everything_is_gone_after_a_request(bench, make_exchange):
    class Thing:
        """Something that a weak reference can be made to."""

    things = []

    async def app(scope, receive, send):
        thing = scope["state"]["thing"] = Thing()
        things.append(weakref.ref(thing))
        await receive()
        step = receive()
        await send({**START, "thing": thing, "headers": [[b"a", b"b"]] * 20, "trailers": True})
        await send({**LAST, "thing": thing})
        await send({"type": "http.response.trailers", "thing": thing})
        step.close()

    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            bench.run(app, make_exchange())
    finally:
        gc.enable()
    assert [thing() for thing in things] == [None] * 3


def test_sides_outlive_the_call(bench, make_exchange, caplog):
    kept = []

    async def app(scope, receive, send):
        kept.extend([receive, send])
        await send(START)
        await send(LAST)

    bench.run(app, make_exchange())
    receive, send = kept
    assert finish(receive()) == DISCONNECT
    assert finish(send(LAST)) is None
    assert [record.levelname for record in caplog.records if record.name == "asteri.test"] == ["WARNING"]


# -- how the sides are called -------------------------------------------------------------------------------------

BAD_CALLS = [
    ("receive", (1,), {}, r"Cycle\.receive\(\) takes 1 positional argument but 2 were given"),
    ("receive", (), {"a": 1}, r"Cycle\.receive\(\) got an unexpected keyword argument 'a'"),
    ("send", (), {}, r"Cycle\.send\(\) missing 1 required positional argument: 'message'"),
    ("send", (1, 2), {}, r"Cycle\.send\(\) takes 2 positional arguments but 3 were given"),
    ("send", (1,), {"message": 2}, r"Cycle\.send\(\) got multiple values for argument 'message'"),
    ("send", (1,), {"a": 2}, r"Cycle\.send\(\) got an unexpected keyword argument 'a'"),
]


@pytest.mark.parametrize(("side", "arguments", "named", "text"), BAD_CALLS)
def test_wrong_call_of_a_side_is_a_type_error(sides, side, arguments, named, text):
    with pytest.raises(TypeError, match=text):
        sides[1 if side == "receive" else 2](*arguments, **named)


def test_message_may_be_named(sides):
    assert finish(sides[2](message=START)) is None
