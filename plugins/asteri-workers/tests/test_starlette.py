"""Starlette on the ``asgi`` model: what its middleware and responses ask of the task that a request runs in.

Both twins of the kernel, both event loops. Middleware of the kind shown here runs the rest of the application in a
task group of anyio, and cancels what is left of it when the client has gone.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import http.client
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
from asteri_core.process.embedded import Server
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

USER: contextvars.ContextVar[str] = contextvars.ContextVar("USER", default="nobody")


class Named(BaseHTTPMiddleware):
    """Sets a context variable and looks for it afterwards."""

    async def dispatch(self, request: Request, call_next: Any) -> Response:
        token = USER.set(request.query_params.get("user", "somebody"))
        task = asyncio.current_task()
        response: Response = await call_next(request)
        assert asyncio.current_task() is task
        response.headers["x-user"] = USER.get()
        USER.reset(token)
        return response


class Application:
    """What has been seen besides the answers."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.end = threading.Event()
        middleware = [Middleware(Named), Middleware(BaseHTTPMiddleware, dispatch=self.pass_on)]
        routes = [
            Route("/plain", self.plain),
            Route("/thread", self.in_thread),
            Route("/stream", self.stream),
            Route("/endless", self.endless),
            Route("/group", self.group),
            Route("/late", self.late),
            Route("/background", self.background),
            Route("/fail", self.fail),
            Route("/echo", self.echo, methods=["POST"]),
        ]
        self.app = Starlette(routes=routes, middleware=middleware)

    async def pass_on(self, request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        return response

    def note(self, what: str) -> None:
        self.ended.append(what)
        self.end.set()

    def has_ended(self) -> bool:
        """A generator that nobody asks any more ends when it is collected."""
        return any(gc.collect() >= 0 and self.end.wait(0.1) for _ in range(100))

    async def plain(self, request: Request) -> Response:
        return PlainTextResponse(f"hello {USER.get()}")

    def in_thread(self, request: Request) -> Response:
        return PlainTextResponse(f"hello {USER.get()} in a thread")

    async def pieces(self) -> AsyncIterator[str]:
        for number in range(3):
            yield f"{number} {USER.get()}\n"
            await anyio.sleep(0)

    async def stream(self, request: Request) -> Response:
        return StreamingResponse(self.pieces())

    async def forever(self) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 1000
                await anyio.sleep(0.001)
        finally:
            self.note("the stream")

    async def endless(self, request: Request) -> Response:
        return StreamingResponse(self.forever())

    async def group(self, request: Request) -> Response:
        found: list[int] = []
        turns = [anyio.Event() for _ in range(4)]
        turns[1].set()

        async def find(number: int) -> None:
            await turns[number].wait()
            found.append(number)
            if number < 3:
                turns[number + 1].set()

        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                for number in (3, 1, 2):
                    group.start_soon(find, number)
        return PlainTextResponse(repr(found))

    async def late(self, request: Request) -> Response:
        with anyio.move_on_after(0.005) as scope:
            await anyio.sleep(10)
        try:
            async with asyncio.timeout(0.005):
                await asyncio.sleep(10)
        except TimeoutError:
            return PlainTextResponse(f"too late: {scope.cancelled_caught}")
        raise AssertionError

    async def background(self, request: Request) -> Response:
        return PlainTextResponse("later", background=BackgroundTask(self.note, f"for {USER.get()}"))

    async def fail(self, request: Request) -> Response:
        raise ValueError("why")

    async def echo(self, request: Request) -> Response:
        return PlainTextResponse(await request.body())


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["python", "native"], ids=["py", "c"])
def served(
    request: pytest.FixtureRequest, loop: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Application, Server]]:
    monkeypatch.setenv("ASTERI_IMPL", request.param)
    application = Application()
    with Server(application.app, bind="127.0.0.1:0", worker_class="asgi", loop=loop, graceful_timeout=2) as server:
        yield application, server


def connect(server: Server) -> http.client.HTTPConnection:
    host, port = server.url.removeprefix("http://").split(":")
    return http.client.HTTPConnection(host, int(port), timeout=10)


ANSWERS = [
    ("GET", "/plain?user=ann", b"", 200, "ann", b"hello ann"),
    ("GET", "/plain", b"", 200, "somebody", b"hello somebody"),
    ("GET", "/thread?user=bob", b"", 200, "bob", b"hello bob in a thread"),
    ("GET", "/stream?user=eve", b"", 200, "eve", b"0 eve\n1 eve\n2 eve\n"),
    ("GET", "/group", b"", 200, "somebody", b"[1, 2, 3]"),
    ("GET", "/late", b"", 200, "somebody", b"too late: True"),
    ("POST", "/echo", b"y" * 100_000, 200, "somebody", b"y" * 100_000),
    ("GET", "/fail", b"", 500, None, b"Internal Server Error"),
    ("GET", "/plain?user=zoe", b"", 200, "zoe", b"hello zoe"),
]


def test_every_kind_of_answer_on_one_connection(served: tuple[Application, Server]) -> None:
    connection = connect(served[1])
    for _ in range(3):
        for method, target, body, status, user, content in ANSWERS:
            connection.request(method, target, body)
            answer = connection.getresponse()
            assert (answer.status, answer.getheader("x-user"), answer.read()) == (status, user, content)
    connection.close()


def test_many_at_once_keep_their_contexts(served: tuple[Application, Server]) -> None:
    seen: dict[str, bytes] = {}

    def ask(name: str) -> None:
        connection = connect(served[1])
        for _ in range(10):
            connection.request("GET", f"/stream?user={name}")
            seen[name] = connection.getresponse().read()
        connection.close()

    threads = [threading.Thread(target=ask, args=(f"user{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {name: b"".join(b"%d %b\n" % (turn, name.encode()) for turn in range(3)) for name in seen}
    assert len(seen) == 8


def test_pipelined_requests_are_answered_in_order(served: tuple[Application, Server]) -> None:
    host, port = served[1].url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as client:
        for number in range(200):
            client.sendall(b"GET /plain?user=n%d HTTP/1.1\r\nHost: x\r\n\r\n" % number)
        client.sendall(b"GET /plain?user=last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = b"".join(iter(lambda: client.recv(65536), b""))
    answers = data.split(b"hello ")[1:]
    assert [answer.split(b"HTTP")[0] for answer in answers] == [*(b"n%d" % number for number in range(200)), b"last"]


def test_a_background_task_runs_after_its_answer(served: tuple[Application, Server]) -> None:
    application, server = served
    connection = connect(server)
    connection.request("GET", "/background?user=ann")
    assert connection.getresponse().read() == b"later"
    assert application.has_ended()
    assert application.ended == ["for ann"]
    connection.close()


def test_a_stream_whose_client_has_left_is_ended(served: tuple[Application, Server]) -> None:
    application, server = served
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as client:
        client.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1000)
    assert application.has_ended()
    assert application.ended == ["the stream"]
    connection = connect(server)
    connection.request("GET", "/plain")
    assert connection.getresponse().status == 200
    connection.close()


def test_a_request_over_its_time_is_cancelled(monkeypatch: pytest.MonkeyPatch, loop: str) -> None:
    for word in ("python", "native"):
        monkeypatch.setenv("ASTERI_IMPL", word)
        application = Application()
        with Server(
            application.app, bind="127.0.0.1:0", worker_class="asgi", loop=loop, request_timeout=0.2, graceful_timeout=2
        ) as server:
            status = 504
            while status == 504:  # after a pause of the machine it has run over its time before its head
                connection = connect(server)
                connection.request("GET", "/endless")
                answer = connection.getresponse()
                status = answer.status
                if status == 200:
                    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                        answer.read()
                connection.close()
            assert application.has_ended()
        assert set(application.ended) == {"the stream"}
