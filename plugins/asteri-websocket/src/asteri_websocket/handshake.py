"""The handshake: whether a client's is in order, what it proposes, and the answer (RFC 6455 section 4, RFC 8441).

Over HTTP/1.1 it is a GET with Upgrade and a key, over HTTP/2 an extended CONNECT without; the rest is the same. What is
wrong is answered here, so every interface answers it alike.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence

from asteri_core.api import Disconnected, Header, LocalProtocolError
from asteri_http.exchange import Exchange
from asteri_http.failure import plain_answer

from .connection import WebSocketConnection
from .deflate import Agreement, Packer, Parameter, Unpacker, agree
from .messages import Reader
from .settings import WebSocketSettings

VERSION = b"13"
SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What is added to a client's key (section 1.3)."""
OWN_FIELDS = frozenset(
    b"upgrade sec-websocket-accept sec-websocket-extensions sec-websocket-protocol sec-websocket-version".split()
)
"""Fields of the answer that are not the application's."""
MOST_EXTENSIONS = 16
"""Offers that are looked at."""
MakeReader = Callable[[int, Unpacker | None], Reader]
"""Either twin of `asteri_websocket.messages.MessageReader`."""
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class Refusal(Exception):
    """The handshake is not in order; ``status`` answers it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Offer:
    """See `asteri_http.websocket.Offer`."""

    __slots__ = ("_agreement", "_exchange", "_key", "_make_reader", "_settings", "subprotocols")

    def __init__(
        self,
        exchange: Exchange,
        settings: WebSocketSettings,
        make_reader: MakeReader,
        subprotocols: Sequence[str],
        agreement: Agreement | None,
        key: bytes,
    ) -> None:
        """``key`` is the client's, empty where there is none."""
        self._exchange = exchange
        self._settings = settings
        self._make_reader = make_reader
        self._agreement = agreement
        self._key = key
        self.subprotocols = subprotocols

    def accept(self, subprotocol: str | None = None, headers: Sequence[Header] = ()) -> WebSocketConnection:
        fields = [(name.lower(), value) for name, value in headers]
        for name, _ in fields:
            if name in OWN_FIELDS:
                raise LocalProtocolError(f"{name!r} is set by the server")
        if subprotocol is not None:
            if subprotocol not in self.subprotocols:
                raise LocalProtocolError(
                    f"the subprotocol {subprotocol!r} was not proposed, expected one of {', '.join(self.subprotocols)}"
                )
            fields.append((b"sec-websocket-protocol", subprotocol.encode("ascii")))
        agreement = self._agreement
        if agreement is not None:
            fields.append((b"sec-websocket-extensions", agreement.answer()))
        if self._key:
            fields.append((b"sec-websocket-accept", accept_value(self._key)))
        unpacker = Unpacker(agreement) if agreement is not None else None
        packer = Packer(agreement) if agreement is not None else None
        reader = self._make_reader(self._settings.ws_max_size, unpacker)
        return self._exchange.upgrade(WebSocketConnection(self._settings, reader, packer), fields)


def accept_value(key: bytes) -> bytes:
    """Sec-WebSocket-Accept for a client's key (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + SALT).digest())


def read_offer(exchange: Exchange, settings: WebSocketSettings, make_reader: MakeReader) -> Offer | None:
    """The offer of an exchange that asks for WebSocket. None: it was broken, and has been answered."""
    try:
        return _read(exchange, settings, make_reader)
    except Refusal as refusal:
        _refuse(exchange, refusal.status)
        return None


def _read(exchange: Exchange, settings: WebSocketSettings, make_reader: MakeReader) -> Offer:
    found: dict[bytes, list[bytes]] = {}
    for name, value in exchange.headers:
        if name.startswith(b"sec-websocket-"):
            found.setdefault(name, []).append(value)
    key = b""
    if exchange.version == "1.1":
        if exchange.method != "GET" or exchange.has_body:
            raise Refusal(400)
        key = _key(found.get(b"sec-websocket-key", []))
    if found.get(b"sec-websocket-version") != [VERSION]:
        raise Refusal(426 if exchange.version == "1.1" else 400)
    subprotocols = _subprotocols(found.get(b"sec-websocket-protocol", []))
    agreement = None
    if settings.ws_per_message_deflate:
        agreement = agree(_extensions(b",".join(found.get(b"sec-websocket-extensions", []))))
    return Offer(exchange, settings, make_reader, subprotocols, agreement, key)


def _key(values: list[bytes]) -> bytes:
    """The one key, which is the base64 of 16 bytes (section 4.1)."""
    if len(values) != 1:
        raise Refusal(400)
    try:
        decoded = base64.b64decode(values[0], validate=True)
    except binascii.Error:
        raise Refusal(400) from None
    if len(decoded) != 16:
        raise Refusal(400)
    return values[0]


def _subprotocols(values: list[bytes]) -> list[str]:
    """Those that are proposed, each once, all tokens (section 4.1)."""
    proposed = [part.strip(b" \t") for value in values for part in value.split(b",")]
    if len(set(proposed)) != len(proposed) or not all(_TOKEN.fullmatch(one) for one in proposed):
        raise Refusal(400)
    return [one.decode("ascii") for one in proposed]


def _extensions(value: bytes) -> list[tuple[bytes, list[Parameter]]]:
    """What is offered, best first (section 9.1). Raises `Refusal` for what is no list of extensions."""
    offers: list[tuple[bytes, list[Parameter]]] = []
    for offer in value.split(b",")[:MOST_EXTENSIONS] if value.strip(b" \t,") else []:
        name, *parts = (part.strip(b" \t") for part in offer.split(b";"))
        if _TOKEN.fullmatch(name) is None:
            raise Refusal(400)
        offers.append((name, [_parameter(part) for part in parts]))
    return offers


def _parameter(text: bytes) -> Parameter:
    name, equals, value = (part.strip(b" \t") for part in text.partition(b"="))
    if value[:1] == value[-1:] == b'"' and len(value) > 1:
        value = value[1:-1]
    if _TOKEN.fullmatch(name) is None or (equals and _TOKEN.fullmatch(value) is None):
        raise Refusal(400)
    return name, value if equals else None


def _refuse(exchange: Exchange, status: int) -> None:
    fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"sec-websocket-version", VERSION)]
    if status == 426:
        fields += [(b"upgrade", b"websocket"), (b"connection", b"upgrade")]  # RFC 9110 section 15.5.22
    try:
        exchange.respond(status, fields)
        exchange.send(plain_answer(status), True)
    except Disconnected:
        exchange.abort()
