"""How a call that has a WebSocket ends; the codec is a double. Conversations are held in tests/integration."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from asteri_core.api import ApplicationContext, Disconnected
from asteri_core.testing.exchange import MemoryExchange
from asteri_http.websocket import TOKEN
from asteri_wsgi import _native, handler

HANDLERS = {"py": handler.WSGIHandler, "c": _native.WSGIHandler}
LOG = logging.getLogger("tests.asteri_wsgi")


class Ended(BaseException):
    """What ends a call from outside, as a request's time-out does."""


class Conversation:
    """Keeps what was asked of it."""

    def __init__(self) -> None:
        self.aborted = 0

    def abort(self) -> None:
        self.aborted += 1


class Offer:
    """A handshake that is in order."""

    subprotocols = ()

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def accept(self, subprotocol: Any, headers: Any) -> Conversation:
        return self._conversation


def answer_broken(exchange: Any) -> None:
    """A codec that has met a handshake that is not in order."""
    exchange.respond(400, [])
    exchange.send(b"", True)


@pytest.fixture(params=HANDLERS.values(), ids=HANDLERS)
def run(request: pytest.FixtureRequest) -> Any:
    """Run an application for a request that asks for WebSocket."""

    def run(application: Any, codec: Any) -> MemoryExchange:
        exchange = MemoryExchange()
        exchange.protocol = TOKEN
        context = ApplicationContext(False, False, LOG, {TOKEN: codec})
        request.param(application, "", context)(exchange, lambda exchange, want: None)
        return exchange

    return run


def test_a_call_that_is_ended_from_outside_closes_its_websocket(run: Any) -> None:
    conversation = Conversation()

    def application(environ: Any, start_response: Any) -> Any:
        environ["asteri.websocket"].accept()
        raise Ended

    with pytest.raises(Ended):
        run(application, lambda exchange: Offer(conversation))
    assert conversation.aborted == 1


def test_a_call_that_is_ended_before_it_has_accepted_is_left_to_who_ends_it(run: Any) -> None:
    def application(environ: Any, start_response: Any) -> Any:
        raise Ended

    with pytest.raises(Ended):
        run(application, lambda exchange: Offer(Conversation()))


def test_nothing_is_answered_behind_the_refusal_of_a_broken_handshake(
    run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def application(environ: Any, start_response: Any) -> Any:
        with pytest.raises(Disconnected):
            environ["asteri.websocket"].accept()
        start_response("200 OK", [])
        return [b"unheard"]

    exchange = run(application, answer_broken)
    assert (exchange.status, exchange.content) == (400, b"")
    assert not caplog.records
