"""A Quart application (ASGI)."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

from quart import Quart, Response, jsonify, make_response, redirect, request

BLOCK = memoryview(bytes(range(256)) * 256)

app = Quart(__name__)
app.config["MAX_CONTENT_LENGTH"] = 100 * 1024 * 1024


async def pattern(size: int) -> AsyncIterator[bytes]:
    """The bytes 0 to 255 over and over, ``size`` of them, in pieces that are new objects, as real data is."""
    for start in range(0, size, len(BLOCK)):
        yield bytes(BLOCK[: size - start])


@app.get("/")
async def index() -> Response:
    return Response("Hello from Quart\n", mimetype="text/plain")


@app.post("/upload")
async def upload() -> Response:
    count, digest = 0, hashlib.sha256()
    async for piece in request.body:
        count += len(piece)
        digest.update(piece)
    return jsonify(bytes=count, sha256=digest.hexdigest())


@app.get("/download")
async def download() -> Response:
    size = request.args.get("size", 1_000_000, type=int)
    return Response(pattern(size), mimetype="application/octet-stream")


@app.get("/redirect")
async def redirected() -> Response:
    return redirect("/")


@app.get("/cookies")
async def cookies() -> Response:
    response = await make_response("two cookies\n")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


@app.get("/error")
async def error() -> Response:
    raise RuntimeError("this route raises on purpose")


@app.get("/sleep")
async def sleep() -> Response:
    milliseconds = request.args.get("ms", 100, type=int)
    await asyncio.sleep(milliseconds / 1000)
    return jsonify(slept=milliseconds)


@app.get("/headers")
async def headers() -> Response:
    return jsonify(
        host=request.headers.get("Host"),
        user_agent=request.headers.get("User-Agent"),
        x_example=request.headers.get("X-Example"),
        client=request.remote_addr,
    )
