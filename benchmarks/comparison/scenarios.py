"""What is asked of the servers: a table with a row for each load, which names the application and its interface."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

Interface = Literal["wsgi", "asgi"]
Role = Literal["main", "threads", "log"]
"""Which contenders take part: those with one thread, those with four, or asteri with and without an access log."""
Transport = Literal["http", "tls", "h2", "websocket"]
"""What is spoken: HTTP/1.1 in cleartext and over TLS, HTTP/2 over TLS, WebSocket."""
Feature = Literal["keep-alive", "pipelining", "workers"]
"""What not every contender can do."""

APPS = Path(__file__).parents[1] / "apps"
PATTERN = b"asteri "
KB = 1024
MB = 1024 * KB
IDLE = 10_000


def filled(size: int) -> bytes:
    """So many bytes of the text that the applications, the large file and the limit are made of."""
    return (PATTERN * (size // len(PATTERN) + 1))[:size]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One load on one application."""

    name: str
    title: str
    interface: Interface
    application: str
    """``module:attribute`` in the folder ``apps``."""
    size: int = 500
    """Bytes of content that answer a GET; a POST is answered with the number of bytes it brought."""
    json: bool = False
    """Whether the answer is the frameworks' JSON. Its spaces are up to the framework."""
    connections: int = 40
    close: bool = False
    """Whether each request asks for its connection to be closed."""
    pipeline: int = 1
    """Requests that are sent at once."""
    body: int = 0
    """Bytes that each request brings, as a POST; 0 is a GET."""
    workers: int = 1
    idle: int = 0
    """Connections that are held open besides, after one request each."""
    role: Role = "main"
    transport: Transport = "http"
    deflate: bool = False
    """Whether messages of WebSocket are compressed."""
    quick: bool = False
    """Whether the load comes from the quick client, with which no server has to wait for requests."""

    @property
    def needs(self) -> frozenset[Feature]:
        """What a contender must be able to do to take part."""
        needs: set[Feature] = set()
        if self.idle or self.pipeline > 1:
            needs.add("keep-alive")
        if self.pipeline > 1:
            needs.add("pipelining")
        if self.workers > 1:
            needs.add("workers")
        return frozenset(needs)

    @property
    def fixed(self) -> bool:
        """Whether a server without Python can take part: it is a GET, and one answer fits all."""
        return self.application in FIXED and self.role == "main" and not self.body and self.transport == "http"

    def answered_by(self, content: bytes) -> bool:
        """Whether this is the right content of an answer."""
        if self.json:
            return bool(json.loads(content) == json.loads((APPS / "message.json").read_bytes()))
        return content == (b"%d" % self.body if self.body else filled(self.size))


FIXED = ("plain_wsgi:small", "plain_wsgi:large", "plain_asgi:small", "plain_asgi:large")


def _plain() -> Iterator[Scenario]:
    """Both interfaces, two sizes, three numbers of connections."""
    for interface, (word, text, size), connections in product(
        ("wsgi", "asgi"), (("small", "500 B", 500), ("large", "12 KB", 12 * KB)), (1, 40, 1000)
    ):
        yield Scenario(
            name=f"{interface}-{text.replace(' ', '').lower()}-{connections}",
            title=f"{interface.upper()}, {text}, {connections} connection{'s' if connections > 1 else ''}",
            interface="wsgi" if interface == "wsgi" else "asgi",
            application=f"plain_{interface}:{word}",
            size=size,
            connections=connections,
        )


def _quick(interface: Interface) -> Iterator[Scenario]:
    for word, text, size in (("small", "500 B", 500), ("large", "12 KB", 12 * KB)):
        yield Scenario(
            name=f"{interface}-{text.replace(' ', '').lower()}-quick",
            title=f"{interface.upper()}, {text}, 40 connections of the quick client",
            interface=interface,
            application=f"plain_{interface}:{word}",
            size=size,
            quick=True,
        )


def _both(interface: Interface) -> Iterator[Scenario]:
    """What is asked of both interfaces alike."""
    name, title, plain = interface, interface.upper(), f"plain_{interface}"
    small, sink = f"{plain}:small", f"{plain}:sink"
    yield Scenario(
        name=f"{name}-close",
        title=f"{title}, 500 B, a connection for each request",
        interface=interface,
        application=small,
        close=True,
    )
    yield Scenario(
        name=f"{name}-pipelined",
        title=f"{title}, 500 B, 16 requests at once",
        interface=interface,
        application=small,
        pipeline=16,
    )
    yield Scenario(
        name=f"{name}-post-1kb", title=f"{title}, POST of 1 KB", interface=interface, application=sink, body=KB
    )
    yield Scenario(
        name=f"{name}-post-1mb",
        title=f"{title}, POST of 1 MB, 8 connections",
        interface=interface,
        application=sink,
        body=MB,
        connections=8,
    )
    yield Scenario(
        name=f"{name}-file",
        title=f"{title}, a file of 100 MB, 4 connections",
        interface=interface,
        application=f"{plain}:file",
        size=100 * MB,
        connections=4,
    )
    yield Scenario(
        name=f"{name}-idle",
        title=f"{title}, 500 B, 40 connections, and {IDLE} idle ones",
        interface=interface,
        application=small,
        idle=IDLE,
    )
    yield Scenario(
        name=f"{name}-2-workers",
        title=f"{title}, 500 B, 40 connections, 2 workers",
        interface=interface,
        application=small,
        workers=2,
    )
    yield Scenario(
        name=f"{name}-access-log",
        title=f"{title}, 500 B, with an access log to a file and without",
        interface=interface,
        application=small,
        role="log",
    )


def _framework(name: str, interface: Interface) -> Scenario:
    return Scenario(
        name=f"{interface}-{name.lower()}",
        title=f"{name}, JSON",
        interface=interface,
        application=f"{name.lower()}_json:app",
        json=True,
    )


def _encrypted(interface: Interface) -> Iterator[Scenario]:
    small = f"plain_{interface}:small"
    title = interface.upper()
    yield Scenario(name=f"{interface}-tls", title=f"{title}, 500 B over TLS 1.3", interface=interface,
                   application=small, transport="tls")  # fmt: skip
    yield Scenario(name=f"{interface}-h2", title=f"{title}, 500 B by HTTP/2 over TLS, 10 streams each",
                   interface=interface, application=small, transport="h2", pipeline=10)  # fmt: skip


def _websocket() -> Iterator[Scenario]:
    for (text, size), deflate in product((("125 B", 125), ("16 KB", 16 * KB)), (False, True)):
        how = ", compressed" if deflate else ""
        yield Scenario(
            name=f"websocket-{text.replace(' ', '').lower()}{'-deflate' if deflate else ''}",
            title=f"WebSocket, {text} there and back{how}",
            interface="asgi",
            application="plain_asgi:echo",
            transport="websocket",
            body=size,
            deflate=deflate,
        )


SCENARIOS = (
    *_plain(),
    *_quick("wsgi"),
    *_quick("asgi"),
    *_both("wsgi"),
    *_both("asgi"),
    *_encrypted("wsgi"),
    *_encrypted("asgi"),
    *_websocket(),
    _framework("Flask", "wsgi"),
    _framework("Django", "wsgi"),
    _framework("FastAPI", "asgi"),
    _framework("Starlette", "asgi"),
    Scenario(name="wsgi-threads", title="WSGI, 500 B, 4 threads", interface="wsgi", application="plain_wsgi:small",
             role="threads"),
    Scenario(name="wsgi-threads-1ms", title="WSGI, 500 B after a sleep of 1 ms, 4 threads", interface="wsgi",
             application="plain_wsgi:sleep", role="threads"),
    Scenario(name="asgi-1ms", title="ASGI, 500 B after an await of 1 ms", interface="asgi",
             application="plain_asgi:sleep"),
)  # fmt: skip
