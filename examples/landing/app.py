"""What ``nox -s serve`` shows: a page that tries the server from the browser. Plain ASGI, no framework.

The page uploads, downloads and follows a clock by server-sent events; each of these is a route below.
"""

import asyncio
import hashlib
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

PAGE = Path(__file__).with_name("index.html").read_bytes()
BLOCK = bytes(range(256)) * 256

Scope = dict[str, Any]


async def start(send: Any, content_type: str, status: int = 200, *headers: tuple[bytes, bytes]) -> None:
    fields = [(b"content-type", content_type.encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": fields})


async def answer(send: Any, content: bytes, content_type: str, status: int = 200) -> None:
    await start(send, content_type, status, (b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.body", "body": content})


async def index(scope: Scope, receive: Any, send: Any) -> None:
    await answer(send, PAGE, "text/html; charset=utf-8")


async def request(scope: Scope, receive: Any, send: Any) -> None:
    """What the server told the application about the request."""
    facts = {
        "method": scope["method"],
        "http_version": scope["http_version"],
        "client": scope["client"],
        "server": scope["server"],
        "headers": {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
    }
    await answer(send, json.dumps(facts, indent=2).encode(), "application/json")


async def upload(scope: Scope, receive: Any, send: Any) -> None:
    count, digest = 0, hashlib.sha256()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        count += len(message.get("body", b""))
        digest.update(message.get("body", b""))
        more = message.get("more_body", False)
    await answer(send, json.dumps({"bytes": count, "sha256": digest.hexdigest()}).encode(), "application/json")


async def download(scope: Scope, receive: Any, send: Any) -> None:
    """``?size=N`` bytes, 0 to 255 over and over, in pieces."""
    size = int(parse_qs(scope["query_string"].decode("latin-1")).get("size", ["1000000"])[0])
    await start(send, "application/octet-stream")
    for offset in range(0, size, len(BLOCK)):
        await send({"type": "http.response.body", "body": BLOCK[: size - offset], "more_body": True})
    await send({"type": "http.response.body"})


async def clock(scope: Scope, receive: Any, send: Any) -> None:
    """The time, once a second, as server-sent events, until the client leaves."""
    await start(send, "text/event-stream", 200, (b"cache-control", b"no-store"))
    gone = asyncio.ensure_future(receive_until_gone(receive))
    while not gone.done():
        event = f"data: {time.strftime('%H:%M:%S')}\n\n".encode()
        await send({"type": "http.response.body", "body": event, "more_body": True})
        await asyncio.wait([gone], timeout=1)


async def receive_until_gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def lifespan(receive: Any, send: Any) -> None:
    for step in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{step}.complete"})


ROUTES = {
    ("GET", "/"): index,
    ("GET", "/request"): request,
    ("POST", "/upload"): upload,
    ("GET", "/download"): download,
    ("GET", "/clock"): clock,
}


async def app(scope: Scope, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif (route := ROUTES.get((scope["method"], scope["path"]))) is not None:
        await route(scope, receive, send)
    else:
        await answer(send, b"nothing here\n", "text/plain", 404)
