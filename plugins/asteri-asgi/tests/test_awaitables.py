"""An application may be any callable whose call can be awaited, and not only a coroutine function."""

import asyncio
import contextlib
import inspect
import traceback
import types

import pytest

START = {"type": "http.response.start", "status": 200}
LAST = {"type": "http.response.body", "body": b"x"}


async def answer(scope, receive, send):
    await send(START)
    await asyncio.sleep(0)
    await send(LAST)


class ByGenerator:
    """An awaitable whose iterator is a generator."""

    def __init__(self, scope, receive, send):
        self.arguments = scope, receive, send

    def __await__(self):
        yield from answer(*self.arguments).__await__()


class ByIterator:
    """An awaitable whose iterator has nothing but __next__."""

    def __init__(self, scope, receive, send):
        self.coroutine = answer(scope, receive, send)

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return self.coroutine.send(None)


@types.coroutine
def by_old_style(scope, receive, send):
    yield from answer(scope, receive, send).__await__()


def by_future(scope, receive, send):
    return asyncio.ensure_future(answer(scope, receive, send))


def by_shared_coroutine(scope, receive, send):
    coroutine = answer(scope, receive, send)
    shared.append(coroutine)
    return coroutine


shared = []


@pytest.mark.parametrize("app", [ByGenerator, ByIterator, by_old_style, by_future, by_shared_coroutine])
def test_any_awaitable_will_do(bench, app):
    exchange = bench.run(app)
    assert (exchange.content, exchange.complete_response) == (b"x", True)


class Bad:
    """An awaitable that is none."""

    def __init__(self, iterator):
        self.iterator = iterator

    def __await__(self):
        return self.iterator()


def plain_generator(scope, receive, send):
    yield


NO_AWAITABLES = {
    "none": (lambda *_: None, TypeError, "object NoneType can't be used in 'await' expression"),
    "a generator": (plain_generator, TypeError, "object generator can't be used in 'await' expression"),
    "an iterator that is none": (
        lambda *_: Bad(int), TypeError, r"__await__\(\) returned non-iterator of type 'int'",
    ),
    "an iterator that is a coroutine": (
        lambda *_: Bad(lambda: by_old_style(None, None, None)), TypeError, r"__await__\(\) returned a coroutine",
    ),
    "an error": (lambda *_: Bad(lambda: 1 // 0), ZeroDivisionError, "division"),
    "an error of the call": (lambda *_: 1 // 0, ZeroDivisionError, "division"),
    "a wrong number of arguments": (lambda scope: None, TypeError, "takes 1 positional argument but 3 were given"),
}  # fmt: skip


@pytest.mark.parametrize(("app", "error", "text"), NO_AWAITABLES.values(), ids=NO_AWAITABLES.keys())
def test_what_is_no_awaitable_is_an_error_of_the_application(bench, caplog, app, error, text):
    exchange = bench.run(app)
    assert exchange.status == 500
    (record,) = [record for record in caplog.records if record.name == "asteri.test"]
    assert isinstance(record.exc_info[1], error)
    with pytest.raises(error, match=text):
        raise record.exc_info[1]
    traceback.clear_frames(record.exc_info[2])


def test_coroutine_that_another_awaits_is_an_error(bench, caplog):
    def app(scope, receive, send):
        async def pause():
            await asyncio.sleep(0)

        coroutine = pause()
        coroutine.send(None)
        shared.append(coroutine)
        return coroutine

    assert bench.run(app).status == 500
    assert str(caplog.records[-1].exc_info[1]) == "coroutine is being awaited already"


@pytest.mark.parametrize("shown", ["cr_await", "cr_frame", "cr_code"])
def test_what_it_awaits_may_end_it_when_its_state_is_shown(bench, make_exchange, shown):
    class Iterator:
        """Has no such attribute, and finds that out after it has ended whoever waits for it."""

        def __iter__(self):
            return self

        def __next__(self):
            return None

        def __getattribute__(self, name):
            if name == shown and ending:
                ending.pop()
                with contextlib.suppress(StopIteration):
                    call.throw(ValueError)
            return super().__getattribute__(name)

        def __getattr__(self, name):
            self.missing = name
            raise AttributeError(name)

    class Awaitable:
        def __await__(self):
            return Iterator()

    ending = []
    call = bench.handler(lambda scope, receive, send: Awaitable())(make_exchange(), None)
    assert call.send(None) is None
    ending.append(True)
    getattr(call, shown)
    call.close()
    assert inspect.getcoroutinestate(call) == "CORO_CLOSED"
