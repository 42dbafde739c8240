"""An ASGI application that waits at the point that its query names, and tells how it has ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from control import tell, wait_at

BLOCK = bytes(65536)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def receive_at(word: str, receive: Receive) -> None:
    """Tell, wait in ``receive``, and tell what it says."""
    tell(word)
    message = await receive()
    tell(f"received {message['type']}")


async def respond(point: str, receive: Receive, send: Send) -> None:
    if point == "receive the body":
        await receive()
        await receive_at(point, receive)
    else:
        while (await receive()).get("more_body"):
            pass
    if point == "receive before the head":
        await receive_at(point, receive)
    if point == "sleep before the head":
        await wait_at(point)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if point == "receive before the body":
        await receive_at(point, receive)
    if point == "sleep before the body":
        await wait_at(point)
    await send({"type": "http.response.body", "body": b"the first block", "more_body": True})
    if point == "receive in the body":
        await receive_at(point, receive)
    if point == "sleep in the body":
        await wait_at(point)
    if point == "sleep after the end":
        await send({"type": "http.response.body", "body": b"the last block"})
        await wait_at(point)
        await receive_at("receive after the end", receive)
        return
    if point == "send":
        tell(point)
    while True:
        await send({"type": "http.response.body", "body": BLOCK, "more_body": True})


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    point = scope["query_string"].decode().replace("%20", " ")
    if not point:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello\n"})
        return
    try:
        await respond(point, receive, send)
        tell("ended well")
    except BaseException as error:
        tell(f"told by {type(error).__name__}")
        raise
