"""``environ["asteri.websocket"]``: the WebSocket of a request that asks for one.

    websocket = environ.get("asteri.websocket")
    if websocket is not None:
        websocket.accept()
        for message in websocket:
            websocket.send(message)
        return []

PEP 3333 has no word for it. An application that does not touch it answers the request as any other. Frames are the
codec's affair (`asteri_http.websocket`); how a call waits is the worker model's, so a WebSocket takes a thread of its
pool, or all of a ``sync`` worker, for as long as it is open.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence

from asteri_core.api import Disconnected, LocalProtocolError, Want
from asteri_http.exchange import Exchange
from asteri_http.websocket import INTERNAL_ERROR, NORMAL, Close, Codec, Conversation, Offer

from .body import Wait
from .head import parse_headers

KEY = "asteri.websocket"


class WebSocket:
    """One WebSocket, from the handshake to the end. Its methods may be called in one thread at a time."""

    def __init__(self, codec: Codec, exchange: Exchange, wait: Wait) -> None:
        self._codec = codec
        self._exchange = exchange
        self._wait = wait
        self._offer: Offer | None = None
        self._conversation: Conversation | None = None
        self.begun = False
        """Whether the handshake has been looked at: from then on the request is answered by this object."""
        self.closed: tuple[int, str] | None = None
        """The code and the reason of the end (RFC 6455 section 7.4), once `receive` has met it."""

    @property
    def subprotocols(self) -> Sequence[str]:
        """What the client proposes to talk, best first. Raises `Disconnected` for a handshake that is broken."""
        return self._handshake().subprotocols

    def accept(self, subprotocol: str | None = None, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Answer the handshake, with headers as ``start_response`` has them.

        Raises `LocalProtocolError` for a subprotocol that was not proposed, for a header that is the handshake's own,
        and for a second call; `Disconnected` when the client has left or its handshake is broken, which has been
        answered then.
        """
        if self._conversation is not None:
            raise LocalProtocolError("the WebSocket has been accepted already")
        fields = parse_headers(list(headers))[0]
        self._conversation = self._handshake().accept(subprotocol, fields)

    def receive(self) -> str | bytes | None:
        """The next message, a text or bytes; waits for it. None at the end, every time."""
        conversation = self._accepted()
        while True:
            message = conversation.read()
            if isinstance(message, Close):
                self.closed = (message.code, message.reason)
                return None
            if message is not None:
                return message
            self._wait(conversation, Want.READ)

    def send(self, message: str | bytes) -> None:
        """Send a text or bytes. Returns when more may be sent.

        Raises `Disconnected` when the WebSocket is closed, ``TypeError`` for what is neither.
        """
        if not isinstance(message, (str, bytes)):
            raise TypeError(f"expected str or bytes as a message, found {type(message).__name__}")
        conversation = self._accepted()
        if not conversation.send(message):
            self._wait(conversation, Want.WRITE)

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close, or do nothing when it is closed. Raises `LocalProtocolError` for a code that cannot be sent."""
        try:
            self._accepted().send(Close(code, reason))
        except Disconnected:
            return

    def __iter__(self) -> Iterator[str | bytes]:
        """The messages until the end."""
        while (message := self.receive()) is not None:
            yield message

    def _handshake(self) -> Offer:
        if self._offer is None:
            if not self.begun:
                self.begun = True
                self._offer = self._codec(self._exchange)
            if self._offer is None:
                raise Disconnected("the handshake of the WebSocket is broken, and has been answered")
        return self._offer

    def _accepted(self) -> Conversation:
        if self._conversation is None:
            raise LocalProtocolError("the WebSocket has not been accepted")
        return self._conversation

    # -- how the application ends ------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether it has been accepted: then nothing else can answer the request."""
        return self._conversation is not None

    @property
    def is_refused(self) -> bool:
        """Whether its handshake was broken: that has been answered."""
        return self.begun and self._offer is None

    def abort(self) -> None:
        """The call has been ended from outside: nobody else speaks to the client any more."""
        if self._conversation is not None:
            self._conversation.abort()

    def fail(self, log: logging.Logger, request: str, error: BaseException) -> None:
        """The application has raised: the client is told 1011, the log what it was."""
        if isinstance(error, Disconnected):
            log.debug("the client left: %s", request)
        else:
            log.error("error in the application, in a WebSocket: %s", request, exc_info=error)
        self.close(INTERNAL_ERROR)
