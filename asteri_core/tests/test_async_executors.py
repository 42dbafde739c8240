"""Async handlers: waits that are given up, what the application leaves behind, and the loop in a thread of its own.

How one call begins and ends is in `test_async_calls`.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio.to_thread
import asteri_native.tasks as native
import pytest
from asteri_core.api import Exchange, Want
from asteri_core.executors import tasks as python
from asteri_core.executors.loop_thread import LoopThreadExecutor
from asteri_core.process.embedded import Server
from asteri_core.reactor import Reactor
from asteri_core.testing import MemoryExchange

Wait = Callable[[Exchange, Want], Awaitable[None]]
TURNS = 1000


class Handler:
    """Runs one coroutine function for every exchange."""

    def __init__(self, application: Callable[[Exchange, Wait], Awaitable[None]]) -> None:
        self.application = application

    async def startup(self) -> None:
        """Nothing to start."""

    async def shutdown(self) -> None:
        """Nothing to end."""

    async def __call__(self, exchange: Exchange, wait: Wait) -> None:
        await self.application(exchange, wait)


class Counted(MemoryExchange):
    """Counts how often it is watched in vain."""

    watched = 0

    def watch(self, want: Want, callback: Callable[[], None]) -> bool:
        ready = super().watch(want, callback)
        self.watched += not ready
        return ready


async def answer(exchange: Exchange, wait: Wait) -> None:
    exchange.respond(200, ())
    exchange.send(b"done", True)


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    reactor = Reactor()
    yield reactor
    reactor.close()


Run = Callable[[Callable[[Exchange, Wait], Awaitable[None]], Exchange], None]


@pytest.fixture(params=[python.TaskExecutor, native.TaskExecutor], ids=["py", "c"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run an application for one exchange, and end the executor."""

    def run(application: Callable[[Exchange, Wait], Awaitable[None]], exchange: Exchange) -> None:
        loop = asyncio.new_event_loop()
        over = asyncio.Event()

        async def told(exchange: Exchange, wait: Wait) -> None:
            try:
                await application(exchange, wait)
            finally:
                over.set()

        async def serve() -> None:
            executor.start(exchange)
            await over.wait()

        executor = request.param(Handler(told), loop, lambda: None)
        executor.startup()
        try:
            loop.run_until_complete(serve())
            assert executor.running == 0
        finally:
            executor.shutdown()
            loop.close()

    return run


def test_waits_that_are_given_up_again_and_again_leave_one_watcher(run: Run) -> None:
    """Applications that poll for a disconnect in a long stream do so."""

    async def application(exchange: Exchange, wait: Wait) -> None:
        for _ in range(100):
            waiting = asyncio.ensure_future(wait(exchange, Want.GONE))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        exchange.abort()

    exchange = Counted()
    run(application, exchange)
    assert exchange.watched == 1


def test_a_wait_after_one_that_was_given_up_is_woken(run: Run) -> None:
    exchange = Counted()

    async def application(_: Exchange, wait: Wait) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wait(exchange, Want.GONE), 0.001)
        asyncio.get_running_loop().call_soon(exchange.leave)
        await asyncio.wait_for(wait(exchange, Want.GONE), 5)
        exchange.abort()

    run(application, exchange)
    assert exchange.over


def test_a_wait_lets_others_have_their_turn_although_nothing_has_to_be_waited_for(run: Run) -> None:
    turns: list[int] = []

    async def application(exchange: Exchange, wait: Wait) -> None:
        asyncio.get_running_loop().call_soon(turns.append, 1)
        await wait(exchange, Want.WRITE)
        assert turns
        await answer(exchange, wait)

    exchange = MemoryExchange()
    run(application, exchange)
    assert exchange.complete


def test_tasks_that_the_application_has_forgotten_can_clean_up_at_the_end(run: Run) -> None:
    ended: list[str] = []

    async def forgotten() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("well")

    async def application(exchange: Exchange, wait: Wait) -> None:
        tasks.append(asyncio.ensure_future(forgotten()))
        await answer(exchange, wait)

    tasks: list[asyncio.Future[None]] = []
    run(application, MemoryExchange())
    assert ended == ["well"]


def test_a_request_whose_time_is_over_before_the_loop_has_a_turn_for_it_never_runs(reactor: Reactor) -> None:
    busy, free = threading.Event(), threading.Event()
    ran: list[bytes] = []

    async def application(exchange: Exchange, wait: Wait) -> None:
        ran.append(exchange.target)
        if exchange.target == b"/busy":
            busy.set()
            free.wait(10)
        await answer(exchange, wait)

    executor = LoopThreadExecutor(Handler(application), reactor)
    executor.startup()
    late = MemoryExchange(target=b"/late")
    with reactor.lock:
        executor.start(MemoryExchange(target=b"/busy"))
    assert busy.wait(10)
    with reactor.lock:
        executor.start(late)
        executor.expire(late)
    free.set()
    for _ in range(TURNS):
        if not executor.running:
            break
        reactor.poll(0.01)
    executor.shutdown()
    assert (executor.running, late.status, ran) == (0, 504, [b"/busy"])


def test_a_task_that_exits_ends_a_blocking_worker_as_it_ends_an_async_one(reactor: Reactor) -> None:
    async def leave() -> None:
        raise SystemExit(3)

    async def application(exchange: Exchange, wait: Wait) -> None:
        tasks.append(asyncio.ensure_future(leave()))
        await asyncio.sleep(10)

    tasks: list[Any] = []
    executor = LoopThreadExecutor(Handler(application), reactor)
    executor.startup()
    with reactor.lock:
        executor.start(MemoryExchange())

    def serve() -> None:
        for _ in range(TURNS):
            reactor.poll(0.01)

    with pytest.raises(SystemExit) as ended:
        serve()
    assert ended.value.code == 3
    assert tasks[0].exception() is ended.value
    executor.shutdown()
    assert executor.running == 0


@pytest.mark.parametrize("worker_class", ["sync", "gthread", "asgi"])
def test_an_endless_stream_to_a_quick_client_does_not_hold_up_others(worker_class: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while scope["path"] == "/endless":
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
        await send({"type": "http.response.body", "body": b"here"})

    def take(client: socket.socket) -> None:
        while not over.is_set() and client.recv(1 << 20):
            pass

    over = threading.Event()
    with Server(app, bind="127.0.0.1:0", worker_class=worker_class, graceful_timeout=1) as server:
        port = int(server.url.rsplit(":", 1)[1])
        with (
            socket.create_connection(("127.0.0.1", port), 10) as quick,
            socket.create_connection(("127.0.0.1", port), 10) as other,
        ):
            quick.sendall(b"GET /endless HTTP/1.1\r\nHost: test\r\n\r\n")
            assert quick.recv(1000)
            taking = threading.Thread(target=take, args=(quick,))
            taking.start()
            try:
                for _ in range(3):
                    other.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
                    data = b""
                    while not data.endswith(b"here"):
                        data += other.recv(1000)
            finally:
                over.set()
                taking.join()


@pytest.mark.parametrize(
    "settings",
    [{"worker_class": "sync"}, {"worker_class": "asgi"}, {"loop": "uvloop"}],
    ids=["thread", "asgi", "uvloop"],
)
def test_threads_of_anyio_serve_one_request_after_the_other(settings: dict[str, Any]) -> None:
    """It binds them to the task of the loop's run, and to that of a request where it finds no other."""
    used: list[threading.Thread] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        used.append(await anyio.to_thread.run_sync(threading.current_thread))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    with Server(app, bind="127.0.0.1:0", **settings) as server:
        for _ in range(3):
            urllib.request.urlopen(server.url, timeout=10).close()
    assert len(used) == 3
    assert len(set(used)) == 1
    for thread in used:
        thread.join(10)
        assert not thread.is_alive()
