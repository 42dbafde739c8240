"""The twin of ``tokens_wsgi``. It is stubborn: when it is cancelled it sends all the same."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

REPEATED = 200
context = contextvars.ContextVar("context", default="clean")
calls = {"begun": 0, "ended": 0}

Send = Callable[[dict[str, Any]], Awaitable[None]]


async def pause(seconds: float) -> None:
    """Sleep to the end whatever comes, so that what follows is said after the request's time."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while (left := until - loop.time()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            continue


async def answer(query: dict[str, str], send: Send) -> None:
    token = query["token"]
    found = context.get()
    context.set(token)
    if query.get("slow") == "head":
        await pause(float(query["seconds"]))
    headers = [(b"x-token", token.encode()), (b"x-context", found.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": token.encode() * REPEATED, "more_body": True})
    await pause(float(query["seconds"]) if query.get("slow") == "body" else 0.0)
    await send({"type": "http.response.body", "body": token.encode() * REPEATED})


async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan here")
    if scope["path"] == "/calls":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": f"{calls['begun']} {calls['ended']}".encode()})
        return
    query = dict(parse_qsl(scope["query_string"].decode()))
    if "slow" not in query:
        await answer(query, send)
        return
    calls["begun"] += 1
    try:
        await answer(query, send)
    finally:
        calls["ended"] += 1
