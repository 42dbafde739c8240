"""WebSocket between a codec and the interfaces: the offer of a client, and the conversation once it is accepted.

    exchange ─▶ `Codec` ─▶ `Offer` ──accept──▶ `Conversation`
                   └─ None: the handshake was broken, and has been answered

A codec understands frames (RFC 6455), an interface calls applications, and neither knows the other. Both are written
down as `typing.Protocol`. Nothing here reads or sends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from asteri_core.api import Header, Want

from .exchange import Exchange

TOKEN = b"websocket"
"""What the client asks to talk: `Exchange.protocol`, and the name of the codec."""

NORMAL, GOING_AWAY, NO_STATUS, ABNORMAL, INTERNAL_ERROR = 1000, 1001, 1005, 1006, 1011
"""Close codes (RFC 6455 section 7.4.1). 1005 and 1006 say that there was none, and are never sent."""


class Close(NamedTuple):
    """The end of a conversation, told by either side."""

    code: int = NORMAL
    reason: str = ""


Message = str | bytes | Close
"""A text, a binary message, or the end."""


class Conversation(Protocol):
    """An open WebSocket. Its operations never block; how to wait is the executor's affair, as with an exchange."""

    def read(self) -> Message | None:
        """The next message; None if that would block. At the end a `Close`, every time."""

    def send(self, data: Message, end: bool = False) -> bool:
        """Send a message, and close normally behind it if ``end``. False asks to wait for `Want.WRITE`.

        Raises `Disconnected` when the conversation is over, `LocalProtocolError` for a `Close` that cannot be sent.
        """

    def abort(self) -> None:
        """End it because of a failure of ours (1011). Nothing happens when it is over already."""

    def watch(self, want: Want, callback: Callable[[], None]) -> bool:
        """True if ``want`` holds already. Else ``callback`` is called once when it may hold; see `Exchange.watch`."""


class Offer(Protocol):
    """A client's handshake, found to be in order."""

    @property
    def subprotocols(self) -> Sequence[str]:
        """What the client proposes to talk, best first."""

    def accept(self, subprotocol: str | None = None, headers: Sequence[Header] = ()) -> Conversation:
        """Answer the handshake. The exchange is over.

        Raises `LocalProtocolError` for a subprotocol that was not proposed, or a field that is the handshake's own;
        `Disconnected` when the client has left.
        """


Codec = Callable[[Exchange], Offer | None]
"""Reads the handshake of an exchange whose ``protocol`` is `TOKEN`."""
