"""The application that every server of a comparison runs, by WSGI and by ASGI: the same fields, the same 500 bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

BODY = b"asteri " * 71 + b"end"
"""500 bytes."""


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "500")])
    return [BODY]


async def asgi(scope: dict[str, Any], receive: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain"), (b"content-length", b"500")],
        }
    )
    await send({"type": "http.response.body", "body": BODY})
