"""The C twin of `asteri_websocket.messages.MessageReader`, which says what everything means."""

from typing import Any, final

from asteri_http.websocket import Close

from .messages import Ping, Pong

@final
class MessageReader:
    """What a client says."""

    def __new__(cls, limit: int, unpacker: Any = None) -> MessageReader: ...
    def feed(self, data: bytes, /) -> None: ...
    def next(self) -> str | bytes | Ping | Pong | Close | None: ...
