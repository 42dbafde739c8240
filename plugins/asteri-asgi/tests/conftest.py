"""An exchange in memory, and a driver that runs the real handler, of either twin, upon it in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from asteri_asgi.plugin import bind_asgi2, bind_asgi3
from asteri_asgi.settings import AsgiSettings
from asteri_core.api import (
    ApplicationContext,
    FileSlice,
    Header,
    Peer,
    Sendable,
    Want,
)
from asteri_http.exchange import Exchange, Phase
from asteri_http.settings import HttpSettings

IMPLEMENTATIONS = {"py": "python", "c": "native"}


class MemoryExchange(Exchange):
    """Keeps what the handler sends, and gives it what the test feeds. Everything else is what every exchange has."""

    def __init__(self, **facts: Any) -> None:
        self.method = "GET"
        self.target = b"/"
        self.version = "1.1"
        self.headers: list[Header] = [(b"host", b"example.org")]
        self.authority = b"example.org"
        self.raw_path = b"/"
        self.query = b""
        self.content_length: int | None = None
        peer = facts.pop("peer", Peer(("192.0.2.1", 51234), ("192.0.2.9", 8000)))
        self._begin(peer, facts.pop("has_body", False), False)
        for name, value in facts.items():
            setattr(self, name, value)
        # What the test sees, and how it fills the way to the peer:
        self.interim: list[tuple[int, list[Header]]] = []
        self.pieces: list[bytes] = []
        self.sent_trailers: list[Header] = []
        self.full = False

    @property
    def content(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def complete_response(self) -> bool:
        return self._phase is Phase.COMPLETE

    @property
    def aborted(self) -> bool:
        return self._phase is Phase.CUT

    def take(self) -> None:
        """The peer takes what has been sent."""
        self.full = False
        self.resume()

    def _transmit(self, data: Sendable, end: bool, trailers: Sequence[Header]) -> bool:
        if isinstance(data, FileSlice):
            data = os.pread(data.file.fileno(), data.length, data.offset)
        self.pieces.append(bytes(data))
        self.sent_trailers += trailers
        if end:
            with contextlib.suppress(RuntimeError):  # a test that steps by hand has no loop
                asyncio.get_running_loop().call_soon(self.close)
        return not self.full

    def _inform(self, status: int, fields: Sequence[Header]) -> None:
        self.interim.append((status, list(fields)))

    def _cut(self) -> None:
        self.close()

    def _writable(self) -> bool:
        return not self.full

    def _taken(self) -> None:
        """Nothing is held back while the test feeds."""

    def _awaited(self) -> None:
        """No client waits for 100 (Continue)."""


async def wait(exchange: Any, want: Want) -> None:
    """As the executor of an async worker does it."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    if not exchange.watch(want, lambda: future.done() or future.set_result(None)):
        await future


class Bench:
    """Binds applications as the kernel does and runs them."""

    def __init__(self, log: logging.Logger, implementation: str) -> None:
        self.log = log
        self._implementation = implementation

    def handler(self, app: Any, *, asgi2: bool = False, root_path: str = "", **settings: Any) -> Any:
        config = {HttpSettings: HttpSettings(root_path=root_path), AsgiSettings: AsgiSettings(**settings)}
        context = ApplicationContext(multithread=False, multiprocess=False, log=self.log)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ASTERI_IMPL", self._implementation)
            return (bind_asgi2 if asgi2 else bind_asgi3)(app, config, context)  # type: ignore[arg-type]

    def run(self, app: Any, exchange: Any = None, **settings: Any) -> Any:
        """One request, without lifespan. The exchange afterwards."""
        if exchange is None:
            exchange = MemoryExchange()
        handler = self.handler(app, **settings)
        asyncio.run(handler(exchange, wait))
        return exchange


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    log = logging.getLogger("asteri.test")
    log.setLevel(logging.DEBUG)
    yield log
    log.setLevel(logging.NOTSET)


@pytest.fixture(params=IMPLEMENTATIONS)
def implementation(request: pytest.FixtureRequest) -> str:
    """The twin that serves, as ``ASTERI_IMPL`` names it."""
    return IMPLEMENTATIONS[request.param]


@pytest.fixture
def bench(log: logging.Logger, implementation: str) -> Bench:
    return Bench(log, implementation)


@pytest.fixture
def benches(log: logging.Logger) -> dict[str, Bench]:
    """One for each twin, for tests that compare them."""
    return {name: Bench(log, implementation) for name, implementation in IMPLEMENTATIONS.items()}


@pytest.fixture
def make_exchange() -> type[MemoryExchange]:
    return MemoryExchange


@pytest.fixture
def wait_for() -> Any:
    return wait
