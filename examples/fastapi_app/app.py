"""A FastAPI application (ASGI)."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import FastAPI, Header, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse

BLOCK = memoryview(bytes(range(256)) * 256)

app = FastAPI(title="asteri example")


async def pattern(size: int) -> AsyncIterator[bytes]:
    """The bytes 0 to 255 over and over, ``size`` of them, in pieces that are new objects, as real data is."""
    for start in range(0, size, len(BLOCK)):
        yield bytes(BLOCK[: size - start])


@app.get("/", response_class=PlainTextResponse)
async def index() -> str:
    return "Hello from FastAPI\n"


@app.post("/upload")
async def upload(request: Request) -> dict[str, int | str]:
    count, digest = 0, hashlib.sha256()
    async for piece in request.stream():
        count += len(piece)
        digest.update(piece)
    return {"bytes": count, "sha256": digest.hexdigest()}


@app.get("/download")
async def download(size: int = 1_000_000) -> Response:
    return StreamingResponse(pattern(size), media_type="application/octet-stream")


@app.get("/redirect")
async def redirected() -> Response:
    return RedirectResponse("/", status_code=302)


@app.get("/cookies")
async def cookies() -> Response:
    response = PlainTextResponse("two cookies\n")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


@app.get("/error")
async def error() -> None:
    raise RuntimeError("this route raises on purpose")


@app.get("/sleep")
async def sleep(ms: int = 100) -> dict[str, int]:
    await asyncio.sleep(ms / 1000)
    return {"slept": ms}


@app.get("/headers")
async def headers(
    request: Request,
    host: Annotated[str | None, Header()] = None,
    user_agent: Annotated[str | None, Header()] = None,
    x_example: Annotated[str | None, Header()] = None,
) -> dict[str, str | None]:
    client = request.client.host if request.client else None
    return {"host": host, "user_agent": user_agent, "x_example": x_example, "client": client}
