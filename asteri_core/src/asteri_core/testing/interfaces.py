"""`check_interface`: what a handler owes its executor, as a check."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from ..errors import Disconnected
from ..sansio.connection import Colour, Want
from ..specs import ApplicationContext, Config, InterfaceSpec
from .exchange import MemoryExchange

Applications = dict[str, Any]


def check_interface(spec: InterfaceSpec, config: Config, applications: Applications) -> None:
    """Raise AssertionError where handlers of ``spec`` break their contract.

    ``applications`` has four applications of the interface: ``"answer"`` answers 200, ``"raise"`` raises before it
    has answered anything, ``"cut"`` raises after it has sent a part of its content, and ``"stream"`` sends many
    pieces.
    """
    for name, application in applications.items():
        assert spec.recognises(application), f"the interface does not recognise its application {name!r}"
    answered = _run(spec, config, applications["answer"], MemoryExchange())
    assert answered.complete, "the answer is not complete"
    assert answered.status == 200, f"the answer is {answered.status}, not 200"
    raised = _run(spec, config, applications["raise"], MemoryExchange())
    assert raised.complete, "an application that raises has no answer"
    assert raised.status == 500, f"an application that raises is answered {raised.status}, not 500"
    cut = _run(spec, config, applications["cut"], MemoryExchange())
    assert cut.aborted, "an application that raises in its content must be cut, so that the client can tell"
    assert not cut.complete, "an application that raises in its content looks complete"
    for name, application in applications.items():
        gone = MemoryExchange()
        gone.leave()
        _run(spec, config, application, gone, f"the handler of {name!r} raises when the peer has left")
    slow = MemoryExchange()
    slow.blocked = True
    _run(spec, config, applications["stream"], slow)
    assert slow.over, "a peer that is slow has no answer"


def _run(
    spec: InterfaceSpec,
    config: Config,
    application: Any,
    exchange: MemoryExchange,
    complaint: str = "the handler raises",
) -> MemoryExchange:
    log = logging.getLogger("asteri.testing")
    handler = spec.bind(application, config, ApplicationContext(multithread=False, multiprocess=False, log=log))
    exchange.body = None
    run: Callable[[Any, MemoryExchange], None] = _blocking if spec.colour is Colour.BLOCKING else _async
    try:
        run(handler, exchange)
    except Disconnected as error:
        raise AssertionError(f"{complaint}: {error!r}") from error
    return exchange


def _blocking(handler: Any, exchange: MemoryExchange) -> None:
    def wait(exchange: MemoryExchange, want: Want) -> None:
        exchange.unblock()

    handler.startup()
    handler(exchange, wait)
    handler.shutdown()


def _async(handler: Any, exchange: MemoryExchange) -> None:
    async def wait(exchange: MemoryExchange, want: Want) -> None:
        ready = asyncio.Event()
        if not exchange.watch(want, ready.set):
            if want is Want.WRITE:
                exchange.unblock()
            await ready.wait()

    async def run() -> None:
        await handler.startup()
        await handler(exchange, wait)
        await handler.shutdown()

    asyncio.run(run())
