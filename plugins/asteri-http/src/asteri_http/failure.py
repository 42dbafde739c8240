"""How an application's failure is answered, the same for every interface and protocol.

Before the head of a response has been sent the client gets a plain 500; after it the response is cut, so
that the client can tell that it is not whole. What failed is the log's affair: nothing of it is shown to
the client.
"""

from __future__ import annotations

from asteri_core.api import Disconnected

from .exchange import Exchange
from .status import phrase


def plain_answer(status: int) -> bytes:
    """The content of an answer that the server gives itself: code and phrase, nothing of the request."""
    return b"%d %b\n" % (status, phrase(status))


def answer_failure(exchange: Exchange, status: int = 500) -> None:
    """Answer for an application that has failed. Never raises, and does nothing when the exchange is over."""
    if not exchange.retract():
        exchange.abort()
        return
    content = plain_answer(status)
    try:
        exchange.respond(
            status,
            [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(content))],
        )
        exchange.send(content, True)
    except Disconnected:
        exchange.abort()


def answer_refusal(exchange: Exchange, status: int) -> None:
    """Answer for the server, which does not accept a request's body. A response that has been set is cut.

    The application meets `Disconnected` from then on, whatever it tries.
    """
    if not exchange.is_waiting:
        exchange.abort()
        return
    content = b"" if exchange.method == "HEAD" else plain_answer(status)
    exchange.respond(status, [(b"content-type", b"text/plain; charset=utf-8")])
    exchange.send(content, True)
    exchange.withdraw()
