"""Answers with the token it is asked for, in two parts with pauses between, and tells what context it has found."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

REPEATED = 200
context = contextvars.ContextVar("context", default="clean")
calls = {"begun": 0, "ended": 0}
lock = threading.Lock()


def count(what: str) -> None:
    with lock:
        calls[what] += 1


def parts(token: bytes, seconds: float, ends: bool) -> Iterator[bytes]:
    try:
        yield token * REPEATED
        time.sleep(seconds)
        yield token * REPEATED
    finally:
        if ends:
            count("ended")


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    query = dict(parse_qsl(environ["QUERY_STRING"]))
    if environ["PATH_INFO"] == "/calls":
        start_response("200 OK", [])
        return [f"{calls['begun']} {calls['ended']}".encode()]
    token = query["token"]
    found, slow = context.get(), "slow" in query
    context.set(token)
    if slow:
        count("begun")
    if query.get("slow") == "head":
        try:
            time.sleep(float(query["seconds"]))
        finally:
            count("ended")
    start_response("200 OK", [("X-Token", token), ("X-Context", found)])
    in_body = query.get("slow") == "body"
    return parts(token.encode(), float(query["seconds"]) if in_body else 0.0, in_body)
