"""The grammar of ``--bind``: where a listener listens, as text.

    host:port   [v6]:port   :port   unix:PATH   unix:@abstract   fd://N

This module reads the text; it looks up no name and opens no socket (see `process.listener`).
"""

from __future__ import annotations

import re
from typing import NamedTuple

FORMS = "host:port, [v6]:port, :port, unix:PATH, unix:@abstract, fd://N"

_TCP = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+(?:%[^\]\s]+)?)\]|(?P<host>[^\s:\[\]/]*)):(?P<port>[0-9]{1,5})")
_FD = re.compile(r"fd://([0-9]{1,9})")


class TcpBind(NamedTuple):
    """A host name or address and a port. An empty host means every IPv4 address, port 0 any free one."""

    host: str
    port: int


class UnixBind(NamedTuple):
    """A path, or an abstract name, which begins with a zero byte."""

    path: str


class FdBind(NamedTuple):
    """A socket that was opened by whoever has started this process."""

    fd: int


Bind = TcpBind | UnixBind | FdBind


def parse_bind(text: str) -> Bind:
    """What a bind text says. Raises ValueError, which names the valid forms."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if path and path != "@" and "\0" not in path:
            return UnixBind("\0" + path[1:] if path.startswith("@") else path)
    elif match := _FD.fullmatch(text):
        return FdBind(int(match[1]))
    elif (match := _TCP.fullmatch(text)) and int(match["port"]) <= 65535:
        return TcpBind(match["v6"] or match["host"] or "", int(match["port"]))
    raise ValueError(f"{text!r} is not an address to bind to; valid forms are {FORMS}")
