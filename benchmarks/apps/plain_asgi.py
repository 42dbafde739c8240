"""ASGI applications without a framework, with as little work as the interface allows: the server's is to be seen."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

from contents import DIGEST_TARGET, FILE_VARIABLE, LARGE, SMALL, received

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

BLOCK = 64 * 1024


async def answer(send: Send, content: bytes) -> None:
    length = str(len(content)).encode()
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain"), (b"content-length", length)],
        }
    )
    await send({"type": "http.response.body", "body": content})


async def lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return


async def small(scope: Scope, receive: Receive, send: Send) -> None:
    """500 bytes."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain"), (b"content-length", b"500")],
        }
    )
    await send({"type": "http.response.body", "body": SMALL})


async def large(scope: Scope, receive: Receive, send: Send) -> None:
    """12 KB."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain"), (b"content-length", b"12288")],
        }
    )
    await send({"type": "http.response.body", "body": LARGE})


async def sink(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the whole body, and says how long it was."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    length, blocks, more = 0, [], True
    keep = scope["path"] == DIGEST_TARGET
    while more:
        event = await receive()
        block = event.get("body", b"")
        length += len(block)
        if keep:
            blocks.append(block)
        more = event.get("more_body", False)
    await answer(send, received(length, b"".join(blocks) if keep else None))


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """A WebSocket that gives everything back."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": message["bytes"]})


async def sleep(scope: Scope, receive: Receive, send: Send) -> None:
    """500 bytes after a millisecond, in which others are served."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    await asyncio.sleep(0.001)
    await small(scope, receive, send)


async def file(scope: Scope, receive: Receive, send: Send) -> None:
    """The large file, by the server's own way of sending files where it has one."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    path = os.environ[FILE_VARIABLE]
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain"), (b"content-length", str(os.path.getsize(path)).encode())],
        }
    )
    if "http.response.pathsend" in (scope.get("extensions") or {}):
        await send({"type": "http.response.pathsend", "path": path})
        return
    with open(path, "rb") as handle:
        while block := handle.read(BLOCK):
            await send({"type": "http.response.body", "body": block, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
