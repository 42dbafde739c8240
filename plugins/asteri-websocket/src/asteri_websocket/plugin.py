"""What this distribution registers: the settings of WebSocket and the codec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asteri_core.api import CodecSpec, Config, hookimpl, native_twin
from asteri_http.exchange import Exchange
from asteri_http.websocket import TOKEN, Codec, Offer

from .settings import WebSocketSettings

asteri_api = 1
NATIVE = "asteri_websocket._native"


def bind(config: Config) -> Codec:
    """Messages are read by the C twin where it has been built."""
    settings = config[WebSocketSettings]
    twin: Any = native_twin(NATIVE)

    def codec(exchange: Exchange) -> Offer | None:
        from .handshake import read_offer
        from .messages import MessageReader

        return read_offer(exchange, settings, MessageReader if twin is None else twin.MessageReader)

    return codec


@hookimpl
def asteri_settings() -> Sequence[type]:
    return [WebSocketSettings]


@hookimpl
def asteri_codecs() -> Sequence[CodecSpec]:
    return [
        CodecSpec(
            name=TOKEN.decode(),
            provides="WebSocket (RFC 6455), by Upgrade or by extended CONNECT, with compression",
            bind=bind,
            native=NATIVE,
        )
    ]
