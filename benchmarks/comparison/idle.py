"""Connections that are opened, used once, and then only held."""

from __future__ import annotations

import contextlib
import resource
import select
import socket
from collections.abc import Iterator

from .client import BadAnswer, connect, read_answer

SPARE = 1000
"""File descriptors that a server or the load generator needs besides its connections."""


def allow_files(count: int) -> bool:
    """Let this process and those that it starts have so many open files. False where the system says no."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    return True


@contextlib.contextmanager
def holding(port: int, count: int, request: bytes) -> Iterator[list[socket.socket]]:
    """Connections that have each had one answer. Raises `BadAnswer` when an answer was not whole, or was not 200."""
    with contextlib.ExitStack() as stack:
        connections = []
        for number in range(count):
            try:
                connection = stack.enter_context(connect(port))
                connection.sendall(request)
                with connection.makefile("rb") as stream:
                    answer = read_answer(stream)
            except OSError as error:
                raise BadAnswer(f"connection {number + 1} of {count}: {error}") from error
            if answer.status != 200:
                raise BadAnswer(f"connection {number + 1} of {count}: {answer.status}")
            connections.append(connection)
        yield connections


def check_open(connections: list[socket.socket]) -> None:
    """Raises `BadAnswer` when the server has closed any, or has sent what nobody asked for."""
    poll = select.poll()
    for connection in connections:
        poll.register(connection, select.POLLIN | select.POLLHUP)
    if closed := len(poll.poll(0)):
        raise BadAnswer(f"the server has closed {closed} of {len(connections)} idle connections")
