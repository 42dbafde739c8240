"""A Starlette application (ASGI) that streams both ways."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

BLOCK = memoryview(bytes(range(256)) * 256)


async def pattern(size: int) -> AsyncIterator[bytes]:
    """The bytes 0 to 255 over and over, ``size`` of them, in pieces that are new objects, as real data is."""
    for start in range(0, size, len(BLOCK)):
        yield bytes(BLOCK[: size - start])


async def index(request: Request) -> Response:
    return PlainTextResponse("Hello from Starlette\n")


async def upload(request: Request) -> Response:
    count, digest = 0, hashlib.sha256()
    async for piece in request.stream():
        count += len(piece)
        digest.update(piece)
    return JSONResponse({"bytes": count, "sha256": digest.hexdigest()})


async def download(request: Request) -> Response:
    size = int(request.query_params.get("size", "1000000"))
    return StreamingResponse(pattern(size), media_type="application/octet-stream")


async def redirected(request: Request) -> Response:
    return RedirectResponse("/", status_code=302)


async def cookies(request: Request) -> Response:
    response = PlainTextResponse("two cookies\n")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


async def error(request: Request) -> Response:
    raise RuntimeError("this route raises on purpose")


async def sleep(request: Request) -> Response:
    milliseconds = int(request.query_params.get("ms", "100"))
    await asyncio.sleep(milliseconds / 1000)
    return JSONResponse({"slept": milliseconds})


async def headers(request: Request) -> Response:
    return JSONResponse(
        {
            "host": request.headers.get("host"),
            "user_agent": request.headers.get("user-agent"),
            "x_example": request.headers.get("x-example"),
            "client": request.client.host if request.client else None,
        }
    )


app = Starlette(
    routes=[
        Route("/", index),
        Route("/upload", upload, methods=["POST"]),
        Route("/download", download),
        Route("/redirect", redirected),
        Route("/cookies", cookies),
        Route("/error", error),
        Route("/sleep", sleep),
        Route("/headers", headers),
    ]
)
