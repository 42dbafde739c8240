"""What h2spec talks to: an application of each colour that takes what it gets and has an answer of some length."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

CONTENT = b"asteri\n" * 10


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [CONTENT]


async def asgi(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] != "http":
        raise NotImplementedError("this application is for HTTP only")
    while (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": CONTENT})
