"""One WebSocket of an ASGI application: `Dialogue.receive` and `Dialogue.send` (ASGI specification, "WebSocket").

As in `http`, a phase is a row of the table at the end of this module: the types of message it accepts, and the step
that each of them takes.

    CONNECTING ─accept─▶ OPEN ─close─▶ CLOSED                    the application refuses:
        ├─close (403)──────────────────────▲                     extension websocket.http.response
        └─response.start─▶ DENYING ─body…─▶ DENIED ─last body─▶ CLOSED
    any ─the client has left─▶ CUT

In CLOSED every message is refused, in CUT every message raises `Disconnected`, an ``OSError`` (spec version 2.4). How
the application ends:

    the application ends …           before it has accepted     in the conversation     after it has closed
    … by returning                   500, logged                closed with 1000        nothing
    … by raising                     500, logged                closed with 1011        logged
    … because the client has left    cut                        nothing                 nothing
    … by being cancelled             cut, passed on             closed with 1011, passed on

Frames are the codec's affair (`asteri_http.websocket`).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from asteri_core.api import ApplicationContext, Config, Disconnected, Header, LocalProtocolError, Want
from asteri_http.exchange import Exchange
from asteri_http.failure import answer_failure
from asteri_http.settings import HttpSettings
from asteri_http.websocket import ABNORMAL, NORMAL, TOKEN, Close, Codec, Conversation, Offer
from asteri_http.websocket import Message as Said

from .endings import describe, is_disconnect, left, returned
from .http import Phase, refuse
from .messages import Application, Message, Scope
from .scope import scope_maker
from .turns import Wait
from .values import fields, octets

SPEC_VERSION = "2.5"
"""The newest version of the WebSocket message format, of 2024-06-05."""
SCHEMES = {"http": "ws", "https": "wss"}

CONNECTING = Phase("before websocket.accept")
OPEN = Phase("in the conversation")
DENYING = Phase("after websocket.http.response.start")
DENIED = Phase("in the body of the refusal")
CLOSED = Phase("after websocket.close")
CUT = Phase("after the client has left")


class Dialogue:
    """The WebSocket of one exchange. ``receive`` and ``send`` are what the application is given."""

    __slots__ = (
        "_connected", "_conversation", "_exchange", "_headers", "_log", "_offer", "_status", "_wait", "phase",
    )  # fmt: skip

    def __init__(self, exchange: Exchange, offer: Offer, wait: Wait, log: logging.Logger) -> None:
        self.phase = CONNECTING
        self._exchange = exchange
        self._offer = offer
        self._wait = wait
        self._log = log
        self._conversation: Conversation | None = None
        self._connected = False
        """Whether the application has been told ``websocket.connect``."""
        self._status = 0
        self._headers: list[Header] = []

    # -- what the application is given ---------------------------------------------------------------------------------

    async def receive(self) -> dict[str, Any]:
        """``websocket.connect``, then what the client says, then ``websocket.disconnect``, which may be asked again."""
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        while self._conversation is None:
            if self.phase is not CLOSED and self.phase is not CUT:
                await self._wait(self._exchange, Want.GONE)
                # Answering has ended the wait as well.
                if self._conversation is not None or self.phase is CLOSED:
                    continue
                self.phase = CUT
            else:
                return {"type": "websocket.disconnect", "code": ABNORMAL, "reason": ""}
        conversation = self._conversation
        while True:
            said = conversation.read()
            if type(said) is str:
                return {"type": "websocket.receive", "text": said}
            if type(said) is bytes:
                return {"type": "websocket.receive", "bytes": said}
            if type(said) is Close:
                if self.phase is OPEN:
                    self.phase = CUT
                return {"type": "websocket.disconnect", "code": said.code, "reason": said.reason}
            await self._wait(conversation, Want.READ)

    async def send(self, message: Message) -> None:
        """Take one message. Returns when more may be sent.

        Raises `LocalProtocolError` for a message that is not valid or out of order (nothing of it is sent), and
        `Disconnected` when the client has left.
        """
        step = self.phase.step(message)
        if step is None:
            if self.phase is CUT:
                raise Disconnected("the client has left")
            refuse(self.phase, message, self._log)
            return
        try:
            flows = step(self, message)
        except Disconnected:
            self.phase = CUT
            raise
        if not flows:
            await self._wait(self._conversation or self._exchange, Want.WRITE)

    # -- the steps of the table ----------------------------------------------------------------------------------------

    def _accept(self, message: Message) -> bool:
        headers = fields(message.get("headers", ()), "websocket.accept")
        subprotocol = message.get("subprotocol")
        if subprotocol is not None and not isinstance(subprotocol, str):
            raise LocalProtocolError(f"subprotocol of websocket.accept is {subprotocol!r}, expected a str or None")
        self._conversation = self._offer.accept(subprotocol, headers)
        self.phase = OPEN
        return True

    def _reject(self, message: Message) -> bool:
        self.phase = CLOSED
        answer_failure(self._exchange, 403)
        return True

    def _say(self, message: Message) -> bool:
        data, text = message.get("bytes"), message.get("text")
        said: Said
        if data is not None and text is None:
            said = data if type(data) is bytes else octets(data)
        elif isinstance(text, str) and data is None:
            said = text
        else:
            raise LocalProtocolError("websocket.send has one of bytes and text, the other one is None or not there")
        return self._open.send(said)

    def _close(self, message: Message) -> bool:
        code, reason = message.get("code", NORMAL), message.get("reason") or ""
        if not isinstance(code, int) or not isinstance(reason, str):
            raise LocalProtocolError(f"expected an int as code and a str as reason, found {code!r}, {reason!r}")
        self._open.send(Close(code, reason))
        self.phase = CLOSED
        return True

    def _deny(self, message: Message) -> bool:
        status = message.get("status")
        if not isinstance(status, int):
            raise LocalProtocolError(f"status of websocket.http.response.start is {status!r}, expected an int")
        self._status = int(status)
        self._headers = fields(message.get("headers", ()), "websocket.http.response.start")
        self.phase = DENYING
        return True

    def _first_body(self, message: Message) -> bool:
        body = octets(message.get("body", b""))
        self._exchange.respond(self._status, self._headers)
        self.phase = DENIED
        return self._content(body, message.get("more_body", False))

    def _next_body(self, message: Message) -> bool:
        return self._content(octets(message.get("body", b"")), message.get("more_body", False))

    def _content(self, data: bytes, more: bool) -> bool:
        flows = self._exchange.send(data, not more)
        if not more:
            self.phase = CLOSED
        return flows or not more

    @property
    def _open(self) -> Conversation:
        assert self._conversation is not None
        return self._conversation

    # -- how the application ends --------------------------------------------------------------------------------------

    def returned(self) -> None:
        if self.phase is OPEN:
            self._end(Close(NORMAL))
        elif self._conversation is None and self.phase is not CLOSED:
            returned(self._exchange, self._log, self.phase.name, self.phase is CUT)

    def raised(self, error: BaseException) -> None:
        exchange, log = self._exchange, self._log
        if is_disconnect(error) and self.phase is CUT:
            left(exchange, log)
            return
        log.error("the application failed in a WebSocket: %s", describe(exchange), exc_info=error)
        self.cancelled(answer=True)

    def cancelled(self, answer: bool = False) -> None:
        if self._conversation is not None:
            self._conversation.abort()
        elif self.phase is not CLOSED:
            if answer:
                answer_failure(self._exchange)
            else:
                self._exchange.abort()

    def _end(self, close: Close) -> None:
        try:
            self._open.send(close)
        except Disconnected:
            self.phase = CUT


CONNECTING.accepts = {
    "websocket.accept": Dialogue._accept,
    "websocket.close": Dialogue._reject,
    "websocket.http.response.start": Dialogue._deny,
}
OPEN.accepts = {
    "websocket.send": Dialogue._say,
    "websocket.close": Dialogue._close,
}
DENYING.accepts = {
    "websocket.http.response.body": Dialogue._first_body,
}
DENIED.accepts = {
    "websocket.http.response.body": Dialogue._next_body,
}

Runner = Callable[[Exchange, Wait], Awaitable[None]]


def websocket_runner(
    app: Application, config: Config, context: ApplicationContext, state: dict[str, Any], version: str
) -> Runner | None:
    """What runs the application for an exchange that asks for WebSocket; None where no codec is installed.

    ``state`` is the namespace of the lifespan.
    """
    codec: Codec | None = context.codecs.get(TOKEN)
    if codec is None:
        return None
    make_scope = scope_maker(config[HttpSettings].root_path, state, version)
    log = context.log

    async def run(exchange: Exchange, wait: Wait) -> None:
        offer = codec(exchange)
        if offer is None:
            return
        dialogue = Dialogue(exchange, offer, wait, log)
        try:
            await app(websocket_scope(make_scope(exchange), offer), dialogue.receive, dialogue.send)
        except (Exception, SystemExit) as error:
            dialogue.raised(error)
        except BaseException:
            dialogue.cancelled()
            raise
        else:
            dialogue.returned()

    return run


def websocket_scope(scope: Scope, offer: Offer) -> Scope:
    """The scope of an HTTP request made that of a WebSocket connection ("WebSocket Connection Scope")."""
    extensions: dict[str, Any] = {"websocket.http.response": {}}
    if "tls" in scope["extensions"]:
        extensions["tls"] = scope["extensions"]["tls"]
    del scope["method"]
    scope["type"] = "websocket"
    scope["asgi"]["spec_version"] = SPEC_VERSION
    scope["scheme"] = SCHEMES.get(scope["scheme"], scope["scheme"])
    scope["subprotocols"] = list(offer.subprotocols)
    scope["extensions"] = extensions
    return scope
