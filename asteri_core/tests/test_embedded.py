"""asteri.Server: in a thread, and in a running loop."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from asteri_core.errors import ConfigurationError, WorkerBootError
from asteri_core.process.embedded import Server

Environ = dict[str, Any]


def wsgi(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [threading.current_thread().name.encode()]


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"from asgi"})


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        content: bytes = response.read()
        return content


@pytest.mark.parametrize("worker_class", ["sync", "gthread", "asgi"])
@pytest.mark.parametrize("app", [wsgi, asgi], ids=["wsgi", "asgi"])
def test_a_server_in_a_thread_serves_until_its_block_ends(app: Any, worker_class: str) -> None:
    with Server(app, bind="127.0.0.1:0", worker_class=worker_class) as server:
        url = server.url
        assert get(url)
        assert get(url)
    with pytest.raises(urllib.error.URLError):
        get(url)


def test_a_server_can_be_started_again() -> None:
    server = Server(wsgi, bind="127.0.0.1:0")
    for _ in range(2):
        with server:
            assert get(server.url)


def test_no_thread_or_descriptor_is_left_behind() -> None:
    import os

    def once() -> None:
        with Server(wsgi, bind="127.0.0.1:0", worker_class="gthread") as server:
            get(server.url)

    once()
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(5):
        once()
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_an_application_that_refuses_to_start_is_told_where_the_server_is_started() -> None:
    async def refuses(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(WorkerBootError, match="no database"), Server(refuses, bind="127.0.0.1:0"):
        raise AssertionError("it has started")


@pytest.mark.parametrize("name", ["workers", "daemon", "max_requests", "error_logfile"])
def test_settings_of_processes_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Server(wsgi, **{name: 1})


def test_an_unknown_setting_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigurationError, match="keep_alive"):
        Server(wsgi, keep_alife=1)


def test_the_url_of_a_server_that_does_not_run_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="not running"):
        _ = Server(wsgi).url


@pytest.mark.parametrize("app", [wsgi, asgi], ids=["wsgi", "asgi"])
def test_a_server_in_a_running_loop_serves_until_it_is_cancelled(app: Any) -> None:
    async def main() -> bytes:
        server = Server(app, bind="127.0.0.1:0")
        task = asyncio.create_task(server.serve())
        while True:
            await asyncio.sleep(0.005)
            try:
                url = server.url
                break
            except RuntimeError:
                assert not task.done(), task.exception()
        answer = await asyncio.to_thread(get, url)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return answer

    assert asyncio.run(main())


def test_the_threads_of_a_blocking_application_do_not_touch_the_running_loop() -> None:
    """asyncio says so only in debug mode; uvloop may crash."""

    async def main() -> list[bytes]:
        asyncio.get_running_loop().slow_callback_duration = 10.0  # debug mode would log what only is slow
        server = Server(wsgi, bind="127.0.0.1:0", threads=2)
        task = asyncio.create_task(server.serve())
        while not server.running and not task.done():
            await asyncio.sleep(0)
        answers = await asyncio.gather(*(asyncio.to_thread(get, server.url) for _ in range(4)))
        task.cancel()
        await asyncio.wait({task})
        return answers

    answers = asyncio.run(main(), debug=True)
    assert [answer[:7] for answer in answers] == [b"asteri-"] * 4


def test_a_server_in_a_running_loop_can_be_stopped_from_a_thread_and_finishes_what_runs() -> None:
    entered = threading.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan")
        entered.set()
        await asyncio.sleep(0.3)
        await asgi(scope, receive, send)

    async def main() -> bytes:
        server = Server(slow, bind="127.0.0.1:0")
        task = asyncio.create_task(server.serve())
        while not server.running and not task.done():
            await asyncio.sleep(0.005)
        answer = asyncio.create_task(asyncio.to_thread(get, server.url))
        await asyncio.to_thread(entered.wait)
        await asyncio.to_thread(server.stop)
        await task
        return await answer

    assert asyncio.run(main()) == b"from asgi"


def test_stopping_finishes_a_request_that_runs() -> None:
    entered = threading.Event()

    def slow(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        entered.set()
        time.sleep(0.3)
        return wsgi(environ, start_response)

    answers: list[bytes] = []
    with Server(slow, bind="127.0.0.1:0", worker_class="gthread") as server:
        url = server.url
        thread = threading.Thread(target=lambda: answers.append(get(url)))
        thread.start()
        entered.wait()
    thread.join()
    assert answers


def test_a_server_that_is_cancelled_twice_leaves_nothing_open() -> None:
    import os

    async def main() -> None:
        server = Server(asgi, bind="127.0.0.1:0")
        task = asyncio.create_task(server.serve())
        while not server.running and not task.done():
            await asyncio.sleep(0.005)
        task.cancel()
        # asyncio.run cancels what is left at its end once more, while the application shuts down.

    asyncio.run(main())
    before = len(os.listdir("/proc/self/fd"))
    asyncio.run(main())
    assert len(os.listdir("/proc/self/fd")) == before


def test_who_comes_while_the_server_stops_is_refused_and_not_kept_waiting() -> None:
    entered, free = threading.Event(), threading.Event()

    def slow(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        entered.set()
        free.wait(10)
        return wsgi(environ, start_response)

    answers: list[bytes] = []
    server = Server(slow, bind="127.0.0.1:0", worker_class="gthread")
    server.start()
    address = ("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
    asking = threading.Thread(target=lambda url: answers.append(get(url)), args=(server.url,))
    asking.start()
    assert entered.wait(10)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    try:
        until = time.monotonic() + 10
        said = 0
        while not said and time.monotonic() < until:
            with socket.socket() as late:
                said = late.connect_ex(address)
        # Or reset, by who was in the queue of the listener in the moment of its end.
        assert said in (errno.ECONNREFUSED, errno.ECONNRESET)
    finally:
        free.set()
        stopping.join()
        asking.join()
    assert answers
