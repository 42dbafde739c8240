"""A Litestar application (ASGI)."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.response import Redirect, Stream

BLOCK = memoryview(bytes(range(256)) * 256)


async def pattern(size: int) -> AsyncIterator[bytes]:
    """The bytes 0 to 255 over and over, ``size`` of them, in pieces that are new objects, as real data is."""
    for start in range(0, size, len(BLOCK)):
        yield bytes(BLOCK[: size - start])


@get("/", media_type=MediaType.TEXT)
async def index() -> str:
    return "Hello from Litestar\n"


@post("/upload", status_code=200, request_max_body_size=100 * 1024 * 1024)
async def upload(request: Request[Any, Any, Any]) -> dict[str, int | str]:
    count, digest = 0, hashlib.sha256()
    async for piece in request.stream():
        count += len(piece)
        digest.update(piece)
    return {"bytes": count, "sha256": digest.hexdigest()}


@get("/download")
async def download(size: int = 1_000_000) -> Stream:
    return Stream(pattern(size), media_type="application/octet-stream")


@get("/redirect", status_code=302)
async def redirected() -> Redirect:
    return Redirect("/")


@get("/cookies", media_type=MediaType.TEXT)
async def cookies() -> Response[str]:
    response = Response("two cookies\n", media_type=MediaType.TEXT)
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


@get("/error")
async def error() -> None:
    raise RuntimeError("this route raises on purpose")


@get("/sleep")
async def sleep(ms: int = 100) -> dict[str, int]:
    await asyncio.sleep(ms / 1000)
    return {"slept": ms}


@get("/headers")
async def headers(request: Request[Any, Any, Any]) -> dict[str, str | None]:
    return {
        "host": request.headers.get("host"),
        "user_agent": request.headers.get("user-agent"),
        "x_example": request.headers.get("x-example"),
        "client": request.client.host if request.client else None,
    }


app = Litestar(route_handlers=[index, upload, download, redirected, cookies, error, sleep, headers])
