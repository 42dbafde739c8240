"""What the application under attack answers below ``/respond/``: responses that it gets wrong, or that are special."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Wrong:
    """One response, sent as it is."""

    status: int = 200
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=lambda: [b"content"])
    reason: bytes = b"OK"
    whole: bool = False
    """All pieces at once, so that the server knows the length before it sends the head."""
    hints: list[tuple[bytes, bytes]] | None = None
    trailers: list[tuple[bytes, bytes]] | None = None


SPLIT = b"x\r\nSet-Cookie: stolen=1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nowned"
"""What an attacker has put where the application writes a word of the client's."""

RESPONSES = {
    "204": Wrong(204, [(b"content-length", b"7")]),
    "304": Wrong(304, [(b"etag", b'"a"')]),
    "205": Wrong(205),
    "plain": Wrong(),
    "chunked": Wrong(pieces=[b"con", b"tent"]),
    "length": Wrong(fields=[(b"content-length", b"7")]),
    "short-whole": Wrong(fields=[(b"content-length", b"9")], whole=True),
    "long-whole": Wrong(fields=[(b"content-length", b"5")], whole=True),
    "short": Wrong(fields=[(b"content-length", b"9")], pieces=[b"con", b"tent"]),
    "long": Wrong(fields=[(b"content-length", b"5")], pieces=[b"con", b"tent"]),
    "long-later": Wrong(fields=[(b"content-length", b"3")], pieces=[b"con", b"tent"]),
    "two-lengths": Wrong(fields=[(b"content-length", b"7"), (b"content-length", b"8")]),
    "negative-length": Wrong(fields=[(b"content-length", b"-7")]),
    "length-and-coding": Wrong(fields=[(b"content-length", b"7"), (b"transfer-encoding", b"gzip")]),
    "split-value": Wrong(fields=[(b"location", SPLIT)]),
    "split-value-lf": Wrong(fields=[(b"x-word", b"a\nSet-Cookie: stolen=1")]),
    "split-value-cr": Wrong(fields=[(b"x-word", b"a\rSet-Cookie: stolen=1")]),
    "split-value-nul": Wrong(fields=[(b"x-word", b"a\x00b")]),
    "split-name": Wrong(fields=[(b"x-word: a\r\nset-cookie", b"stolen=1")]),
    "split-name-colon": Wrong(fields=[(b"x-word:", b"a")]),
    "split-name-space": Wrong(fields=[(b"x word", b"a")]),
    "split-name-empty": Wrong(fields=[(b"", b"a")]),
    "split-cookie": Wrong(fields=[(b"set-cookie", b"a=b; path=/\r\nSet-Cookie: stolen=1")]),
    "split-reason": Wrong(reason=b"OK\r\nSet-Cookie: stolen=1"),
    "split-reason-lf": Wrong(reason=b"OK\nX: y"),
    "split-hint": Wrong(hints=[(b"link", b"</a>; rel=preload\r\nSet-Cookie: stolen=1")]),
    "split-hint-head": Wrong(hints=[(b"link", b"</a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")]),
    "split-trailer": Wrong(trailers=[(b"x-sum", b"1\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")]),
    "trailer-length": Wrong(trailers=[(b"content-length", b"0")]),
    "trailer": Wrong(trailers=[(b"x-sum", b"1")]),
    "hint": Wrong(hints=[(b"link", b"</a>; rel=preload")]),
}
