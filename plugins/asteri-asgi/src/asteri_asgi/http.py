"""One HTTP request of an ASGI application: `Cycle.receive` and `Cycle.send` upon an exchange.

What an application may send depends on the phase of its response. A phase is a row of the table at the end of this
module: the types of message it accepts, and the step that each of them takes.

    (TELLING ─debug─▶) WAITING ─start─▶ HELD ─body…─▶ OPEN ─last body─▶ COMPLETE
                                          └──last body, pathsend──────────▶ COMPLETE
                                     with trailers: last body ─▶ TRAILING ─last trailers─▶ COMPLETE
    any ─the exchange was cut─▶ CUT

Exceptions to the table: in COMPLETE every message is ignored (the specification says so), in CUT every message raises
`Disconnected`, an ``OSError`` (spec version 2.4). The head is held until the first body, so that an application that
fails between the two is still answered with 500, and so that early hints can go before it. A step does not wait: it
says whether content may flow on, and `send` waits. How the application ends is judged by `endings`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from asteri_core.api import Disconnected, Header, LocalProtocolError, RemoteProtocolError, Sendable, Want
from asteri_http.exchange import Exchange

from .endings import body_broken
from .messages import Message
from .turns import Turns, Wait
from .values import fields, hints, octets, part_of_file, takes_trailers, whole_file


class Phase:
    """How far an application has come, and what is accepted now: steps by the type of message."""

    __slots__ = ("accepts", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.accepts: dict[str, Callable[[Any, Message], bool]] = {}

    def step(self, message: Message) -> Callable[[Any, Message], bool] | None:
        """What takes a message; None where it is to be refused, of which the lookup's error is no context."""
        try:
            return self.accepts[message["type"]]
        except (KeyError, TypeError):
            return None


TELLING = Phase("before the response")
"""As WAITING, while ``http.response.debug`` is still accepted."""
WAITING = Phase("before http.response.start")
HELD = Phase("after http.response.start")
OPEN = Phase("in the body")
TRAILING = Phase("after the body, before the trailers")
COMPLETE = Phase("after the response")
CUT = Phase("after the client has left")


class Cycle:
    """The request and response of one exchange. ``receive`` and ``send`` are what the application is given."""

    __slots__ = (
        "_body_read", "_exchange", "_headers", "_log", "_status", "_trailers", "_turns", "_unread", "_wait",
        "phase", "told_gone",
    )  # fmt: skip

    def __init__(self, exchange: Exchange, wait: Wait, log: logging.Logger, phase: Phase = WAITING) -> None:
        self.phase = phase
        self.told_gone = False
        """Whether the application has been told ``http.disconnect`` before its response was complete."""
        self._exchange = exchange
        self._wait = wait
        self._log = log
        self._body_read = False
        self._unread = exchange.content_length
        self._status = 0
        self._headers: list[Header] = []
        self._trailers: list[Header] | None = None
        self._turns: Turns | None = None

    # -- what the application is given ---------------------------------------------------------------------------------

    async def receive(self) -> dict[str, Any]:
        """The next piece of the request's body, then ``http.disconnect`` once the client has left or has its answer."""
        exchange = self._exchange
        while not self._body_read and self.phase is not COMPLETE and self.phase is not CUT:
            if not exchange.has_body:
                self._body_read = True
                return {"type": "http.request", "body": b"", "more_body": False}
            try:
                piece = exchange.read()
            except Disconnected:
                self.phase = CUT
                break
            except RemoteProtocolError as error:
                body_broken(exchange, self._log, error)
                self.phase = CUT
                break
            if piece is None:
                await self._turn(Want.READ)
                continue
            return {"type": "http.request", "body": piece, "more_body": self._more_follows(piece)}
        while self.phase is not COMPLETE and self.phase is not CUT:
            if await self._turn(Want.GONE):
                break
        if self.phase is not COMPLETE:
            self.told_gone = True
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take one message of the response. Returns when more may be sent.

        Raises `LocalProtocolError` for a message that is not valid or out of order (nothing of it is sent), and
        `Disconnected` when the client has left.
        """
        step = self.phase.step(message)
        if step is None:
            refuse(self.phase, message, self._log)
            return
        try:
            flows = step(self, message)
        except Disconnected:
            self.phase = CUT
            raise
        except LocalProtocolError:
            if self.phase is OPEN and self._exchange.retract():
                # The head could not be sent, or the first content did not fit it: the application may start anew.
                self.phase = WAITING
            raise
        if not flows:
            await self._turn(Want.WRITE)

    # -- the steps of the table ----------------------------------------------------------------------------------------

    def _debug(self, message: Message) -> bool:
        self._log.info("the application says: %r", message.get("info"))
        self.phase = WAITING
        return True

    def _start(self, message: Message) -> bool:
        status = message.get("status")
        if not isinstance(status, int):
            raise LocalProtocolError(f"status of http.response.start is {status!r}, expected an int")
        self._headers = fields(message.get("headers", ()), "http.response.start")
        self._status = int(status)
        self._trailers = [] if message.get("trailers", False) else None
        self.phase = HELD
        return True

    def _first_body(self, message: Message) -> bool:
        body = message.get("body", b"")
        if type(body) is not bytes:
            body = octets(body)
        self._release()
        return self._content(body, message.get("more_body", False))

    def _next_body(self, message: Message) -> bool:
        body = message.get("body", b"")
        if type(body) is not bytes:
            body = octets(body)
        return self._content(body, message.get("more_body", False))

    def _first_file(self, message: Message) -> bool:
        part = part_of_file(message)
        self._release()
        return self._content(part, message.get("more_body", False))

    def _next_file(self, message: Message) -> bool:
        return self._content(part_of_file(message), message.get("more_body", False))

    def _path(self, message: Message) -> bool:
        part = whole_file(message)
        self._release()
        # Always the last of its response: it cannot be mixed with anything else.
        return self._content(part, False)

    def _early_hint(self, message: Message) -> bool:
        self._exchange.inform(103, hints(message))
        return True

    def _late_hint(self, message: Message) -> bool:
        """The head is out, so a 103 cannot come before it any more; the specification allows to drop the hint."""
        return True

    def _trailer(self, message: Message) -> bool:
        trailers = self._trailers
        if trailers is None:  # the exchange has let another response begin while it was sending
            raise LocalProtocolError("the trailers were not announced")
        trailers += fields(message.get("headers", ()), "http.response.trailers")
        if not message.get("more_trailers", False):
            self._exchange.finish(trailers if takes_trailers(self._exchange) else ())
            self.phase = COMPLETE
        return True

    # -- what the steps share ------------------------------------------------------------------------------------------

    def _release(self) -> None:
        """Hand over the head that was held."""
        self.phase = OPEN
        self._exchange.respond(self._status, self._headers)

    def _content(self, data: Sendable, more: bool) -> bool:
        if more:
            return self._exchange.send(data)
        if self._trailers is None:
            # Nobody sends more after this, so there is nothing to hold back. A response whose first piece is its last
            # shows its length to the exchange before its head leaves.
            self._exchange.send(data, True)
            self.phase = COMPLETE
            return True
        flows = self._exchange.send(data)
        self.phase = TRAILING
        return flows

    def _more_follows(self, piece: bytes) -> bool:
        """Whether more of the request's body is to come. The last piece is known by the declared length."""
        if not piece:
            self._body_read = True
        elif self._unread is not None:
            self._unread -= len(piece)
            self._body_read = self._unread <= 0
        return not self._body_read

    async def _turn(self, want: Want) -> bool:
        if self._turns is None:
            self._turns = Turns(self._exchange, self._wait)
        return await self._turns.take(want)


def refuse(phase: Phase, message: Any, log: logging.Logger) -> None:
    """Answer for a message that is not accepted in ``phase``."""
    if phase is CUT:
        raise Disconnected("the client has left")
    kind = message.get("type") if hasattr(message, "get") else message
    if phase is COMPLETE:
        log.warning("the application sent %r after its response was complete: ignored", kind)
        return
    expected = ", ".join(phase.accepts)
    raise LocalProtocolError(f"message {kind!r} {phase.name}, expected one of {expected}")


WAITING.accepts = {
    "http.response.start": Cycle._start,
    "http.response.early_hint": Cycle._early_hint,
}
TELLING.accepts = {
    **WAITING.accepts,
    "http.response.debug": Cycle._debug,
}
HELD.accepts = {
    "http.response.body": Cycle._first_body,
    "http.response.zerocopysend": Cycle._first_file,
    "http.response.pathsend": Cycle._path,
    "http.response.early_hint": Cycle._early_hint,
}
OPEN.accepts = {
    "http.response.body": Cycle._next_body,
    "http.response.zerocopysend": Cycle._next_file,
    "http.response.early_hint": Cycle._late_hint,
}
TRAILING.accepts = {
    "http.response.trailers": Cycle._trailer,
}
