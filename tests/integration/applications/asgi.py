"""The application of the matrix, over ASGI 3. Its twins beside it have the same routes."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

BLOCK = bytes(range(256)) * 256
PAGE = Path(__file__).with_name("page.html")
"""What a browser is shown."""

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Fields = Iterable[tuple[bytes, bytes]]

TEXT = (b"content-type", b"text/plain")


async def pieces(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise RuntimeError(f"instead of the body: {message}")
        yield message["body"]
        if not message["more_body"]:
            return


async def head(send: Send, *fields: tuple[bytes, bytes], status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [TEXT, *fields]})


async def body(send: Send, content: bytes, more: bool = False) -> None:
    await send({"type": "http.response.body", "body": content, "more_body": more})


async def plain(send: Send, content: bytes, status: int = 200, fields: Fields = ()) -> None:
    await head(send, (b"content-length", b"%d" % len(content)), *fields, status=status)
    await body(send, content)


async def html(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
    await body(send, PAGE.read_bytes())


async def stream(scope: Scope, send: Send) -> None:
    match scope["path"]:
        case "/download":
            size = int(parse_qs(scope["query_string"].decode())["size"][0])
            await head(send, (b"content-length", b"%d" % size))
            for offset in range(0, size, len(BLOCK)):
                await body(send, BLOCK[: size - offset], more=True)
        case "/stream":
            await head(send)
            for number in range(5):
                await body(send, b"piece %d\n" % number, more=True)
        case "/cut":
            await head(send)
            await body(send, b"the beginning\n", more=True)
            raise RuntimeError("this route raises on purpose")
        case "/endless":
            await head(send)
            while True:
                await body(send, BLOCK, more=True)
    await body(send, b"")


async def lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def say(send: Send, message: str | bytes) -> None:
    await send({"type": "websocket.send", "text" if isinstance(message, str) else "bytes": message})


async def messages(receive: Receive) -> AsyncIterator[str | bytes]:
    while (message := await receive())["type"] == "websocket.receive":
        text: str | bytes | None = message.get("text")
        yield message["bytes"] if text is None else text


async def websocket(scope: Scope, receive: Receive, send: Send) -> None:
    assert (await receive())["type"] == "websocket.connect"
    match scope["path"]:
        case "/ws/echo":
            await send({"type": "websocket.accept", "headers": [(b"x-route", b"echo")]})
            async for message in messages(receive):
                await say(send, message)
        case "/ws/second":
            await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][1]})
        case "/ws/close":
            await send({"type": "websocket.accept"})
            await say(send, "last")
            await send({"type": "websocket.close", "code": 4321, "reason": "enough"})
        case "/ws/error":
            await send({"type": "websocket.accept"})
            raise RuntimeError("this route raises on purpose")
        case "/ws/push":
            await send({"type": "websocket.accept"})
            for _ in range(int(parse_qs(scope["query_string"].decode())["count"][0])):
                await say(send, BLOCK)
        case "/ws/early-error":
            raise RuntimeError("this route raises on purpose")
        case _:
            denial = "websocket.http.response"
            await send({"type": f"{denial}.start", "status": 403, "headers": [TEXT, (b"content-length", b"8")]})
            await send({"type": f"{denial}.body", "body": b"refused\n"})


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    if scope["type"] == "websocket":
        await websocket(scope, receive, send)
        return
    match scope["path"]:
        case "/hello":
            await plain(send, b"hello\n")
        case "/echo":
            await plain(send, b"".join([piece async for piece in pieces(receive)]))
        case "/trailers":
            b"".join([piece async for piece in pieces(receive)])
            trailers = scope["extensions"]["asteri.request.trailers"]["trailers"]
            await plain(send, b"".join(b"%b: %b\n" % trailer for trailer in trailers))
        case "/digest":
            found = hashlib.sha256()
            async for piece in pieces(receive):
                found.update(piece)
            await plain(send, found.hexdigest().encode())
        case "/whoami":
            host = dict(scope["headers"])[b"host"].decode()
            await plain(send, "{} {} {} {}".format(*scope["client"], scope["scheme"], host).encode())
        case "/page":
            await html(send)
        case "/report":
            print("reported:", b"".join([piece async for piece in pieces(receive)]).decode(), file=sys.stderr)
            await plain(send, b"thanks\n")
        case "/refuse":
            await plain(send, b"refused\n", 403)
        case "/cookies":
            await plain(send, b"cookies\n", fields=[(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")])
        case "/hints":
            await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]})
            await plain(send, b"hinted\n")
        case "/error":
            raise RuntimeError("this route raises on purpose")
        case "/empty":
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await body(send, b"")
        case "/download" | "/stream" | "/cut" | "/endless":
            await stream(scope, send)
        case _:
            await plain(send, b"not found\n", 404)
