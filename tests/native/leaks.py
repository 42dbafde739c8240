"""Looks for memory that C code of asteri has lost: run by ``nox -s sanitize`` under the leak sanitizer, not a test.

Each worker model serves requests of every kind in a process of its own, stops, and then asks the sanitizer what nobody
refers to any more. What the interpreter loses by itself is let be: only blocks whose allocation went through a module
of ours count. The exit status is 1 when there are any.
"""

from __future__ import annotations

import ctypes
import gc
import re
import socket
import subprocess
import sys

MODELS = {
    "sync": ("wsgi", {"worker_class": "sync"}),
    "gthread": ("wsgi", {"worker_class": "gthread", "threads": 4}),
    "asgi": ("asgi", {"worker_class": "asgi"}),
    "sync runs asgi": ("asgi", {"worker_class": "sync"}),
    "asgi runs wsgi": ("wsgi", {"worker_class": "asgi", "threads": 4}),
}
HOST = b"Host: a\r\n"
REQUESTS = (
    b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /other?query=1 HTTP/1.1\r\n" + HOST + b"Cookie: a=b\r\nX-Y: z\r\n\r\n",
    b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-A: b\r\n\r\n",
    b"POST /large HTTP/1.1\r\n" + HOST + b"Content-Length: 300000\r\n\r\n" + b"x" * 300000,
    b"GET /fail HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n",
)
ENDINGS = (
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHo",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhe",
    b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
    b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n",
)
OURS = re.compile(r"asteri_\w+/_\w+\.[\w.-]+\.so")


def wsgi(environ, start_response):
    environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/fail":
        raise LookupError("on purpose")
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Long", "y" * 200)])
    return (b"z" * 5000 for _ in range(20)) if environ["PATH_INFO"] == "/stream" else [b"answer"]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/fail":
        raise LookupError("on purpose")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-long", b"y" * 200)]})
    for _ in range(20 if scope["path"] == "/stream" else 0):
        await send({"type": "http.response.body", "body": b"z" * 5000, "more_body": True})
    await send({"type": "http.response.body", "body": b"answer"})


def talk(port: int, data: bytes, patient: bool) -> None:
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(data)
        if patient:
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(65536):
                pass


def serve(model: str) -> None:
    """Serve with one model and ask for leaks; this is the other process."""
    import logging

    import asteri

    logging.getLogger("asteri").setLevel(logging.CRITICAL)
    interface, settings = MODELS[model]
    for _ in range(3):
        with asteri.Server(globals()[interface], bind="127.0.0.1:0", access_logfile="/dev/null", **settings) as server:
            port = int(server.url.rpartition(":")[2])
            for request in REQUESTS:
                talk(port, request, True)
                talk(port, request * 3, True)
            for ending in ENDINGS:
                talk(port, ending, False)
    gc.collect()
    ctypes.CDLL(None).__lsan_do_recoverable_leak_check()


def main() -> int:
    lost = 0
    for model in MODELS:
        done = subprocess.run([sys.executable, __file__, model], capture_output=True, text=True, timeout=600)
        blocks = [block for block in done.stderr.split("\n\n") if "leak of" in block]
        if done.returncode or "LeakSanitizer" not in done.stderr:
            # The interpreter always leaves something: no report means that nobody has looked.
            print(f"{model}: exit status {done.returncode}, no report of the sanitizer\n{done.stderr[-4000:]}")
            return 2
        ours = [block for block in blocks if OURS.search(block)]
        print(f"{model}: {len(blocks)} lost blocks, {len(ours)} of them ours")
        print("\n\n".join(ours))
        lost += len(ours)
    return bool(lost)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(sys.argv[1])
    else:
        sys.exit(main())
