"""A Flask application (WSGI)."""

import hashlib
import time
from collections.abc import Iterator

from flask import Flask, Response, jsonify, make_response, redirect, request

BLOCK = memoryview(bytes(range(256)) * 256)

app = Flask(__name__)


def pattern(size: int) -> Iterator[bytes]:
    """The bytes 0 to 255 over and over, ``size`` of them, in pieces that are new objects, as real data is."""
    for start in range(0, size, len(BLOCK)):
        yield bytes(BLOCK[: size - start])


@app.get("/")
def index() -> Response:
    return Response("Hello from Flask\n", mimetype="text/plain")


@app.post("/upload")
def upload() -> Response:
    count, digest = 0, hashlib.sha256()
    while piece := request.stream.read(65536):
        count += len(piece)
        digest.update(piece)
    return jsonify(bytes=count, sha256=digest.hexdigest())


@app.get("/download")
def download() -> Response:
    size = request.args.get("size", 1_000_000, type=int)
    response = Response(pattern(size), mimetype="application/octet-stream")
    response.content_length = size
    return response


@app.get("/redirect")
def redirected() -> Response:
    return redirect("/")


@app.get("/cookies")
def cookies() -> Response:
    response = make_response("two cookies\n")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


@app.get("/error")
def error() -> Response:
    raise RuntimeError("this route raises on purpose")


@app.get("/sleep")
def sleep() -> Response:
    milliseconds = request.args.get("ms", 100, type=int)
    time.sleep(milliseconds / 1000)
    return jsonify(slept=milliseconds)


@app.get("/headers")
def headers() -> Response:
    return jsonify(
        host=request.headers.get("Host"),
        user_agent=request.headers.get("User-Agent"),
        x_example=request.headers.get("X-Example"),
        client=request.remote_addr,
    )
