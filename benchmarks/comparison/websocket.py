"""The load generator for WebSocket: each connection sends a message, waits until it has come back, and sends it again.

Whole messages are made before, and what comes is compared byte for byte with what came first, which was understood and
checked; so it needs little time of its own. It runs in a process of its own, on its core.

    python websocket.py PORT CONNECTIONS SIZE DEFLATE SECONDS        prints a line of JSON: a `Load`
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
import zlib
from dataclasses import asdict

if __package__:
    from .client import PATIENCE, BadAnswer, Checked, connect
    from .loads import Load
    from .scenarios import Scenario, filled
else:
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from comparison.client import PATIENCE, BadAnswer, Checked, connect
    from comparison.loads import Load
    from comparison.scenarios import Scenario, filled

KEY = b"\x37\xfa\x21\x3d"
BINARY, PACKED = 0x82, 0x40
EXTENSION = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
"""Each message by itself, so that equal ones are equal on the wire."""


def message(size: int, deflate: bool) -> bytes:
    """A frame of a client (RFC 6455 section 5.2)."""
    data, first = filled(size), BINARY
    if deflate:
        packer = zlib.compressobj(wbits=-12)
        data, first = (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4], BINARY | PACKED
    count = len(data)
    head = bytes((first, 0x80 | count)) if count < 126 else struct.pack("!BBH", first, 0x80 | 126, count)
    return head + KEY + bytes(byte ^ KEY[at % 4] for at, byte in enumerate(data))


def opened(port: int, deflate: bool) -> socket.socket:
    """A connection after its handshake. Raises `BadAnswer`."""
    peer = connect(port)
    key = base64.b64encode(os.urandom(16)).decode()
    peer.sendall(
        f"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        f"Sec-WebSocket-Version: 13\r\n{EXTENSION if deflate else ''}\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = peer.recv(1)
        if not piece:
            raise BadAnswer(f"the connection ended instead of a handshake: {head!r}")
        head += piece
    if not head.startswith(b"HTTP/1.1 101 ") or deflate is not (b"permessage-deflate" in head):
        raise BadAnswer(f"not the handshake that was asked for: {head!r}")
    return peer


def answer(peer: socket.socket, size: int) -> bytes:
    """The next frame, as it is, when it is the message of that size. Raises `BadAnswer`."""
    data, whole = b"", 2
    while len(data) < whole:
        piece = peer.recv(1 << 17)
        if not piece:
            raise BadAnswer("the connection ended instead of a message")
        data += piece
        if len(data) >= 4:
            whole = 2 + data[1] if data[1] < 126 else 4 + int.from_bytes(data[2:4])
    content = data[2 if data[1] < 126 else 4 :]
    if data[0] & PACKED:
        content = zlib.decompressobj(wbits=-15).decompress(content + b"\0\0\xff\xff")
    if len(data) != whole or content != filled(size):
        raise BadAnswer(f"expected the message of {size} bytes back, found {data[:80]!r}")
    return data


def check(port: int, scenario: Scenario) -> Checked:
    """Raises `BadAnswer` unless a server gives messages back."""
    try:
        with opened(port, scenario.deflate) as peer:
            peer.sendall(message(scenario.body, scenario.deflate))
            first = answer(peer, scenario.body)
            peer.sendall(message(scenario.body, scenario.deflate))
            if answer(peer, scenario.body) != first:
                raise BadAnswer("equal messages are not equal on the wire")
    except OSError as error:
        raise BadAnswer(f"no answer: {error}") from error
    return Checked(filled(scenario.body), len(first), dated=True)


def load(port: int, scenario: Scenario, seconds: int, core: int) -> Load:
    """Load a server for whole seconds. Raises `BadAnswer` when an answer was bad."""
    arguments = (port, scenario.connections, scenario.body, int(scenario.deflate), seconds)
    result = subprocess.run(
        [sys.executable, __file__, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 60,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    if result.returncode:
        raise BadAnswer(result.stderr.strip().splitlines()[-1])
    return Load(**json.loads(result.stdout))


def run(port: int, connections: int, size: int, deflate: bool, seconds: float) -> Load:
    sent = message(size, deflate)
    peers = {peer.fileno(): peer for peer in (opened(port, deflate) for _ in range(connections))}
    with contextlib.ExitStack() as stack, select.epoll() as ready:
        for number, peer in peers.items():
            stack.enter_context(peer)
            ready.register(number, select.EPOLLIN)
        first = next(iter(peers.values()))
        first.sendall(sent)
        expected = answer(first, size)
        since, waiting, times = dict.fromkeys(peers, 0.0), dict.fromkeys(peers, b""), []
        begun = time.perf_counter()
        end = begun + seconds
        for number, peer in peers.items():
            since[number] = time.perf_counter()
            peer.sendall(sent)
        while (now := time.perf_counter()) < end or not times:
            found = ready.poll(end - now if now < end else PATIENCE)
            if not found and now >= end:
                raise BadAnswer("no message came back")
            for number, _ in found:
                piece = peers[number].recv(1 << 17)
                if not piece:
                    raise BadAnswer("the connection has ended")
                data = waiting[number] + piece
                if len(data) < len(expected):
                    waiting[number] = data
                    continue
                if data != expected:
                    raise BadAnswer(f"another message came back: {data[:80]!r}")
                waiting[number] = b""
                now = time.perf_counter()
                times.append(now - since[number])
                since[number] = now
                peers[number].sendall(sent)
        took = time.perf_counter() - begun
    times.sort()
    p50, p99 = (times[int(len(times) * part)] * 1e6 for part in (0.5, 0.99))
    return Load(len(times), len(times) * len(expected), took, p50, p99)


if __name__ == "__main__":
    port, connections, size, deflate, seconds = map(int, sys.argv[1:])
    print(json.dumps(asdict(run(port, connections, size, bool(deflate), seconds))))
