"""The application under attack, as WSGI and as ASGI: it writes down each request it sees, then does what the path says.

    /echo...       200 with method, target and body          /ignore      answers without reading the body
    /read          like echo, reading the body by itself     /respond/... responses that an application gets wrong
    /large         32 MiB in one piece                       /drip        pieces until the client has had enough
    /context       whether a context variable was left over  /hang        waits until the file ``release`` exists
    /ws            a WebSocket that gives everything back
    anything else  like /echo

What it saw goes as lines of JSON to the file that ATTACKS_RECORD names.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
import threading
import time

from .responses import RESPONSES, Wrong

RECORD = os.open(os.environ["ATTACKS_RECORD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
RELEASE = os.environ["ATTACKS_RECORD"] + ".release"
LARGE = bytes(32 << 20)
LEFT_OVER: contextvars.ContextVar[str] = contextvars.ContextVar("left_over", default="clean")


def note(**facts: object) -> None:
    """One record. A single write to a file opened for appending is never mixed with another."""
    os.write(RECORD, json.dumps(facts | {"pid": os.getpid(), "thread": threading.get_ident()}).encode() + b"\n")


def text(data: bytes) -> str:
    return data.decode("latin-1") if len(data) <= 65536 else f"{len(data)} bytes"


# -- WSGI ----------------------------------------------------------------------------------------------------------


def _plain(value: object) -> bool:
    return isinstance(value, (str, bool, int, tuple))


def wsgi(environ, start_response):
    target = environ["REQUEST_URI"].removeprefix("http://a")  # as in ASGI, which has no target in absolute form
    path = target.partition("?")[0]
    seen = f"{environ['REQUEST_METHOD']} {target}"
    if path == "/ignore":
        note(kind="request", seen=seen, body="")
        start_response("200 OK", [])
        return [b"ignored"]
    if path == "/ws":
        note(kind="request", seen=seen, body="")
        socket = environ["asteri.websocket"]
        socket.accept()
        for message in socket:
            socket.send(message)
        note(kind="closed", seen=str(socket.closed))
        return []
    body = environ["wsgi.input"].read()
    variables = {key: value for key, value in environ.items() if _plain(value)}
    note(kind="request", seen=seen, body=text(body), environ=variables)
    if path.startswith("/respond/"):
        return _respond_wsgi(RESPONSES[path.removeprefix("/respond/")], environ, start_response)
    if path == "/large":
        start_response("200 OK", [("Content-Length", str(len(LARGE)))])
        return [LARGE]
    if path == "/drip":
        start_response("200 OK", [])
        return _Drip(seen)
    if path == "/hang":
        while not os.path.exists(RELEASE):
            time.sleep(0.01)
    content = f"{seen} {text(body)}"
    if path == "/context":
        content = LEFT_OVER.get()
        LEFT_OVER.set(seen)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [content.encode("latin-1")]


class _Drip:
    """Blocks that never end, and a note of how often they were closed."""

    def __init__(self, seen: str) -> None:
        self._seen = seen

    def __iter__(self):
        while True:
            yield b"drip" * 4096

    def close(self) -> None:
        note(kind="end", seen=self._seen)


def _respond_wsgi(wrong: Wrong, environ, start_response):
    if wrong.hints is not None:
        environ["wsgi.early_hints"]([(_str(name), _str(value)) for name, value in wrong.hints])
    reason = wrong.reason.decode("latin-1")
    start_response(f"{wrong.status} {reason}", [(_str(name), _str(value)) for name, value in wrong.fields])
    return wrong.pieces if wrong.whole else iter(wrong.pieces)


def _str(data: bytes) -> str:
    return data.decode("latin-1")


# -- ASGI ----------------------------------------------------------------------------------------------------------


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["type"] == "websocket":
        await _talk(receive, send)
        return
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    path = scope["raw_path"].decode()
    seen = f"{scope['method']} {target.decode()}"
    note(kind="begin", seen=seen)
    try:
        body = b"" if path == "/ignore" else await _body(receive)
        if body is None:
            note(kind="cut", seen=seen)
            return
        headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
        note(kind="request", seen=seen, body=text(body), headers=headers, path=scope["path"], root=scope["root_path"])
        await _answer(path, seen, body, send)
    finally:
        note(kind="end", seen=seen)


async def _talk(receive, send) -> None:
    note(kind="request", seen="GET /ws", body="")
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
    note(kind="closed", seen=str((message["code"], message["reason"])))


async def _body(receive) -> bytes | None:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message["body"]
        if not message["more_body"]:
            return body


async def _answer(path: str, seen: str, body: bytes, send) -> None:
    if path.startswith("/respond/"):
        await _respond_asgi(RESPONSES[path.removeprefix("/respond/")], send)
        return
    content = f"{seen} {text(body)}".encode("latin-1")
    if path == "/ignore":
        content = b"ignored"
    elif path == "/large":
        content = LARGE
    elif path == "/context":
        content = LEFT_OVER.get().encode()
        LEFT_OVER.set(seen)
        await asyncio.sleep(0)
        assert LEFT_OVER.get() == seen
    elif path == "/hang":
        while not os.path.exists(RELEASE):
            await asyncio.sleep(0.01)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    while path == "/drip":
        await send({"type": "http.response.body", "body": b"drip" * 4096, "more_body": True})
    await send({"type": "http.response.body", "body": content})


async def _respond_asgi(wrong: Wrong, send) -> None:
    if wrong.hints is not None:
        await send({"type": "http.response.early_hint", "links": [value for _, value in wrong.hints]})
    start = {"type": "http.response.start", "status": wrong.status, "headers": wrong.fields}
    await send(start | {"trailers": wrong.trailers is not None})
    pieces = [b"".join(wrong.pieces)] if wrong.whole else wrong.pieces
    for index, piece in enumerate(pieces):
        await send({"type": "http.response.body", "body": piece, "more_body": index + 1 < len(pieces)})
    if wrong.trailers is not None:
        await send({"type": "http.response.trailers", "headers": wrong.trailers})
