"""`check_executor`: what a worker model and its executor owe the kernel, checked with a real reactor and sockets."""

from __future__ import annotations

import contextlib
import contextvars
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import Disconnected
from ..sansio.connection import Colour, Exchange, Want
from ..specs import Config, WorkerSpec
from ..worker_api import PYTHON_KERNEL, Host, Kernel
from .lines import LineConnection

Connect = Callable[[], socket.socket]
LEAK: contextvars.ContextVar[str] = contextvars.ContextVar("LEAK", default="clean")


def check_executor(spec: WorkerSpec, config: Config, timeout: float = 10.0, kernel: Kernel = PYTHON_KERNEL) -> None:
    """Raise AssertionError where the worker model of ``spec`` breaks its contracts, TimeoutError where it hangs.

    It is run with a protocol of one line per request and a handler of its own colour, in a thread, with two
    ``--threads``. ``kernel`` are the twins that it finds as `asteri_core.worker_api.Host.kernel`.
    """
    with _running(spec, config, kernel) as port:

        def connect() -> socket.socket:
            return socket.create_connection(("127.0.0.1", port), timeout)

        _check_answers(connect)
        _check_reading(connect)
        _check_failure(connect)
        _check_slow_reader(connect)
        _check_contexts(connect)
        _check_timeout(connect)


def _check_answers(connect: Connect) -> None:
    with connect() as client:
        for _ in range(3):
            assert _ask(client, b"hello\n") == b"hello\n", "requests on one connection are not answered in turn"


def _check_reading(connect: Connect) -> None:
    with connect() as client:
        client.sendall(b"read\n")
        with connect() as other:
            other.sendall(b"hello\n")
            client.sendall(b"late\n")
            assert _line(client) == b"read late\n", "a handler that waits for its peer does not go on when bytes come"
            assert _line(other) == b"hello\n", "a second peer is not answered after one that was waited for"


def _check_failure(connect: Connect) -> None:
    with connect() as client:
        client.sendall(b"fail\n")
        assert client.recv(100) == b"", "a handler that raises must end its exchange"
    with connect() as client:
        assert _ask(client, b"hello\n") == b"hello\n", "nothing is answered after a handler has raised"


def _check_slow_reader(connect: Connect) -> None:
    with connect() as client:
        client.sendall(b"flood\n")
        received = 0
        while data := client.recv(1 << 16):
            received += len(data)
            if data.endswith(b"\n"):
                break
        assert received == LineConnection.FLOOD + 1, "bytes were lost while the peer was slow"


def _check_contexts(connect: Connect) -> None:
    with connect() as client:
        assert _ask(client, b"leak\n") == b"clean\n", "a context variable has a value before it was set"
        assert _ask(client, b"leak\n") == b"clean\n", "a context variable of one request is seen by the next"


def _check_timeout(connect: Connect) -> None:
    with connect() as client:
        client.sendall(b"hang\n")
        assert _line(client).startswith(b"504 "), "a request over its time was not answered 504"
    with connect() as client:
        assert _ask(client, b"hello\n") == b"hello\n", "nothing is answered after a request was ended"


def _ask(client: socket.socket, line: bytes) -> bytes:
    client.sendall(line)
    return _line(client)


def _line(client: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        more = client.recv(100)
        if not more:
            break
        data += more
    return data


@contextlib.contextmanager
def _running(spec: WorkerSpec, config: Config, kernel: Kernel) -> Iterator[int]:
    """The worker model in a thread, with its reactor listening; the port."""
    executor: Any = None
    hanging: list[Exchange] = []

    def started(exchange: Exchange) -> None:
        if exchange.target == b"hang":
            hanging.append(exchange)
        executor.start(exchange)

    reactor = kernel.Reactor(started=started)
    model = spec.factory(Host(config, reactor, 2, None, kernel))
    executor = model.executor(BlockingLines() if spec.colour is Colour.BLOCKING else AsyncLines())
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    ended: list[BaseException] = []

    def expire() -> None:
        for exchange in hanging:
            executor.expire(exchange)
        reactor.call_at(reactor.clock() + 0.05, expire)

    def run() -> None:
        try:
            executor.startup()
            reactor.listen(listener, lambda peer, now: LineConnection(peer))
            reactor.call_at(reactor.clock() + 0.05, expire)
            model.run()
            executor.shutdown()
            model.close()
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        reactor.post(model.stop)
        thread.join(20)
        reactor.close()
        listener.close()
    assert not thread.is_alive(), "run does not return after stop"
    assert not ended, f"the worker model raised {ended[0]!r}"
    assert executor.running == 0, f"{executor.running} calls are counted that have ended"


class BlockingLines:
    """What a line asks for, as a blocking handler."""

    def startup(self) -> None:
        """Nothing to start."""

    def shutdown(self) -> None:
        """Nothing to end."""

    def __call__(self, exchange: Exchange, wait: Callable[[Exchange, Want], None]) -> None:
        steps = _steps(exchange)
        with contextlib.suppress(StopIteration, Disconnected):
            while True:
                wait(exchange, next(steps))


class AsyncLines(BlockingLines):
    """The same as an async handler."""

    async def startup(self) -> None:  # type: ignore[override]
        """Nothing to start."""

    async def shutdown(self) -> None:  # type: ignore[override]
        """Nothing to end."""

    async def __call__(  # type: ignore[override]
        self, exchange: Exchange, wait: Callable[[Exchange, Want], Any]
    ) -> None:
        steps = _steps(exchange)
        with contextlib.suppress(StopIteration, Disconnected):
            while True:
                await wait(exchange, next(steps))


def _steps(exchange: Exchange) -> Iterator[Want]:
    """What to do is written once; it yields what has to be waited for."""
    line = exchange.target
    if line == b"fail":
        raise RuntimeError("the handler was asked to fail")
    if line == b"hang":
        yield Want.GONE
    exchange.respond(200, ())
    if line == b"read":
        while (data := exchange.read()) is None:
            yield Want.READ
        exchange.send(b"read " + data, True)
    elif line == b"flood":
        for _ in range(LineConnection.FLOOD // 65536):
            if not exchange.send(bytes(65536)):
                yield Want.WRITE
        exchange.send(b"\n", True)
    elif line == b"leak":
        exchange.send(LEAK.get().encode() + b"\n", True)
        LEAK.set("leaked")
    else:
        exchange.send(line + b"\n", True)
