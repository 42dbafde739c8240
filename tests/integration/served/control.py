"""How a served application tells the test where it is, and waits to be let on.

It is a unix socket that the test listens on.
"""

from __future__ import annotations

import asyncio
import os
import socket

PATH = os.environ["CONTROL"]


def tell(word: str) -> None:
    """Tell, and go on."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(PATH)
        sock.sendall(word.encode())


def stop_at(word: str) -> None:
    """Tell, and wait until the test lets go."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(PATH)
        sock.sendall(word.encode())
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)


async def wait_at(word: str) -> None:
    """The same as something to await."""
    reader, writer = await asyncio.open_unix_connection(PATH)
    writer.write(word.encode())
    writer.write_eof()
    await reader.read()
    writer.close()
    await writer.wait_closed()
