"""The settings of WebSocket act on a real server."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

APP = '''
"""A WebSocket that gives everything back, or is not read from until somebody releases it."""

import asyncio

RELEASED = asyncio.Event()


async def app(scope, receive, send):
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    if scope["path"] == "/release":
        RELEASED.set()
    if scope["path"] == "/hold":
        await RELEASED.wait()
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
'''
MB = 1 << 20


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    from asteri_core.testing import running_server

    folder: Path = tmp_path_factory.mktemp("application")
    (folder / "app.py").write_text(APP)
    return lambda *options: running_server("app:app", "--lifespan", "off", *options, cwd=folder)


def opened(server: Any, path: str = "/", **options: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{server.port}{path}", max_size=None, ping_interval=None, **options)


def test_a_larger_message_ends_the_conversation(serve: Callable[..., Any]) -> None:
    with serve("--ws-max-size", "1000") as server, opened(server) as peer:
        peer.send(b"x" * 1000)
        assert peer.recv() == b"x" * 1000
        peer.send(b"x" * 1001)
        with pytest.raises(ConnectionClosed) as caught:
            peer.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009


@pytest.mark.parametrize(("messages", "taken"), [("2", False), ("100", True)])
def test_a_client_is_not_read_from_while_too_many_messages_wait(
    serve: Callable[..., Any], messages: str, taken: bool
) -> None:
    with serve("--ws-max-queue", messages) as server, opened(server, "/hold", compression=None) as peer:
        peer.socket.settimeout(20 if taken else 2)
        message, all_taken = bytes(MB), True
        with contextlib.suppress(TimeoutError):
            for _ in range(15):
                # Not by the library, which takes a send that times out for the end of the connection.
                peer.socket.sendall(b"\x82\xff" + MB.to_bytes(8) + bytes(4) + message)
            all_taken = False
        assert all_taken is not taken
        with opened(server, "/release"):
            pass


def test_a_silent_client_is_asked_and_given_up(serve: Callable[..., Any]) -> None:
    with serve("--ws-ping-interval", "0.3", "--ws-ping-timeout", "0.3") as server, server.connect() as peer:
        begun, data = time.monotonic(), b""
        peer.sendall(
            b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        while piece := peer.recv(65536):
            data += piece
        head, _, frames = data.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert frames == b"\x89\x00\x88\x02\x03\xf3"  # a ping, and 1011
        assert 0.5 < time.monotonic() - begun < 10


@pytest.mark.parametrize(("option", "agreed"), [("--ws-per-message-deflate", 1), ("--no-ws-per-message-deflate", 0)])
def test_compression_can_be_switched_off(serve: Callable[..., Any], option: str, agreed: int) -> None:
    with serve(option) as server, opened(server) as peer:
        assert len(peer.protocol.extensions) == agreed
        peer.send("asteri " * 1000)
        assert peer.recv() == "asteri " * 1000
