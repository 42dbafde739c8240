"""The settings of WebSocket. Their names are those of uvicorn."""

from __future__ import annotations

from dataclasses import dataclass

from asteri_core.api import setting


@dataclass(frozen=True, slots=True)
class WebSocketSettings:
    """WebSocket."""

    ws_max_size: int = setting(
        16 * 1024 * 1024,
        "largest WebSocket message, unpacked; a larger one ends the connection with 1009. It bounds memory, also of "
        "the messages that wait to be read",
        metavar="BYTES",
        minimum=1,
        maximum=1 << 40,
    )
    ws_max_queue: int = setting(
        32,
        "WebSocket messages that wait for the application; with more the client is not read from",
        metavar="MESSAGES",
        minimum=1,
    )
    ws_ping_interval: float = setting(
        20.0,
        "seconds between two pings to a WebSocket client; 0 sends none, and an idle client that has vanished is not "
        "noticed",
        metavar="SECONDS",
        minimum=0.0,
    )
    ws_ping_timeout: float = setting(
        20.0,
        "seconds a WebSocket client may stay silent after a ping, before it is given up with 1011; 0 waits for ever",
        metavar="SECONDS",
        minimum=0.0,
    )
    ws_per_message_deflate: bool = setting(
        True,
        "compress WebSocket messages where the client offers it (RFC 7692). Secrets beside what an attacker chooses "
        "can be guessed from the size of what is sent",
    )
