"""A raw HTTP/1.1 client that trusts no server: it reads answers by their framing, byte for byte, and checks them.

A server is checked before it is loaded, with the requests that it will be loaded with. Errors raise `BadAnswer`.
"""

from __future__ import annotations

import io
import re
import socket
import ssl
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from .scenarios import Scenario, filled

HOST = "127.0.0.1"
PATIENCE = 20.0
"""Seconds that an answer may take."""
MOMENT = 0.05
"""Seconds after which a connection that should be kept is taken to be."""
END = 5.0
"""Seconds in which a server that should close a connection behind an answer has closed it on a busy machine."""
DIGEST_TARGET = "/digest"
"""Where the applications that read a body answer with its digest too."""
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: [^\r\n]*)?\r\n")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*?)[ \t]*\r\n")


class BadAnswer(ValueError):
    """A server has not answered as it should."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole response."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    """Names are in lower case."""
    content: bytes
    size: int
    """Bytes on the wire, the head among them."""

    def values(self, name: bytes) -> list[bytes]:
        return [value for field, value in self.fields if field == name]


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of a server that has passed the check."""

    content: bytes
    size: int
    """Bytes on the wire of one answer. All are of one size."""
    dated: bool
    """Whether answers have a Date, which RFC 9110 section 6.6.1 asks of servers with a clock."""


def request(scenario: Scenario, port: int, target: str = "/") -> bytes:
    """One request, as the load generator sends it."""
    lines = [f"{'POST' if scenario.body else 'GET'} {target} HTTP/1.1", f"Host: {HOST}:{port}"]
    if scenario.close:
        lines.append("Connection: close")
    if scenario.body:
        lines.append(f"Content-Length: {scenario.body}")
    return "\r\n".join([*lines, "", ""]).encode() + filled(scenario.body)


def read_answer(stream: BinaryIO) -> Answer:
    """The next response on a connection."""
    size = 0
    line = stream.readline(65537)
    status = _STATUS.fullmatch(line)
    if status is None:
        raise BadAnswer(f"not a status line: {line!r}" if line else "the connection ended instead of an answer")
    size += len(line)
    fields = []
    while (line := stream.readline(65537)) != b"\r\n":
        field = _FIELD.fullmatch(line)
        if field is None:
            raise BadAnswer(f"not a header field: {line!r}")
        fields.append((field[1].lower(), field[2]))
        size += len(line)
    head = Answer(int(status[1]), tuple(fields), b"", size + 2)
    content, framing = _read_content(stream, head)
    return Answer(head.status, head.fields, content, head.size + len(content) + framing)


def _read_content(stream: BinaryIO, head: Answer) -> tuple[bytes, int]:
    """The content, and how many bytes its framing took (RFC 9112 section 6.3)."""
    lengths, codings = head.values(b"content-length"), head.values(b"transfer-encoding")
    if len(lengths) + len(codings) > 1:
        raise BadAnswer(f"framed more than once: {lengths + codings}")
    if codings:
        if codings[0].lower() != b"chunked":
            raise BadAnswer(f"not a known transfer coding: {codings[0]!r}")
        return _read_chunks(stream)
    if lengths:
        if not re.fullmatch(rb"\d+", lengths[0]):
            raise BadAnswer(f"not a length: {lengths[0]!r}")
        return _read_exactly(stream, int(lengths[0])), 0
    return stream.read(), 0


def _read_chunks(stream: BinaryIO) -> tuple[bytes, int]:
    pieces, framing = [], 0
    while True:
        line = stream.readline(100)
        if not re.fullmatch(rb"[0-9a-fA-F]+\r\n", line):
            raise BadAnswer(f"not the size of a chunk: {line!r}")
        pieces.append(_read_exactly(stream, int(line, 16)))
        framing += len(line) + 2
        if (end := stream.readline(100)) != b"\r\n":
            raise BadAnswer(f"not the end of a chunk: {end!r}")
        if not pieces[-1]:
            return b"".join(pieces), framing


def _read_exactly(stream: BinaryIO, count: int) -> bytes:
    content = stream.read(count)
    if len(content) != count:
        raise BadAnswer(f"expected {count} bytes, found {len(content)}")
    return content


def connect(port: int, tls: bool = False) -> socket.socket:
    """A connection; over TLS with whoever is there, since the certificate is made for the comparison."""
    connection = socket.create_connection((HOST, port), PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not tls:
        return connection
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context.wrap_socket(connection)


def exchange(
    port: int, requests: Iterable[bytes], pipeline: int = 1, tls: bool = False, keeps: bool = True
) -> tuple[list[Answer], bool]:
    """The answers to requests on one connection, ``pipeline`` of them at once; and whether it was kept afterwards."""
    waiting, answers = list(requests), []
    with connect(port, tls) as connection, connection.makefile("rb") as stream:
        while waiting:
            batch, waiting = waiting[:pipeline], waiting[pipeline:]
            connection.sendall(b"".join(batch))
            answers += [read_answer(stream) for _ in batch]
        return answers, _is_kept(connection, stream, MOMENT if keeps else END)


def _is_kept(connection: socket.socket, stream: io.BufferedReader, seconds: float) -> bool:
    """Whether nothing more comes for so long, not even the end."""
    connection.settimeout(seconds)
    try:
        more = stream.peek(1)
    except TimeoutError:
        return True
    except ConnectionResetError:
        return False
    if more:
        raise BadAnswer(f"bytes behind the answer: {more[:80]!r}")
    return False


def check(port: int, scenario: Scenario, keeps: bool) -> Checked:
    """Raises `BadAnswer` unless a server answers a scenario's requests rightly, on connections that it keeps or not."""
    try:
        one = request(scenario, port)
        keeps = keeps and not scenario.close
        requests = [one] * ((2 if keeps else 1) * scenario.pipeline)
        answers, kept = exchange(port, requests, scenario.pipeline, scenario.transport == "tls", keeps)
        if scenario.body:
            _check_digest(port, scenario)
    except OSError as error:
        raise BadAnswer(f"no answer: {error}") from error
    for answer in answers:
        if answer.status != 200 or not scenario.answered_by(answer.content):
            raise BadAnswer(
                f"expected 200 and the application's content, found {answer.status}, {answer.content[:80]!r}"
            )
        if not scenario.json and answer.values(b"content-type") != [b"text/plain"]:
            raise BadAnswer(f"expected the application's type, found {answer.values(b'content-type')}")
    if kept != keeps:
        raise BadAnswer(f"the connection was {'kept' if kept else 'closed'}")
    if len(sizes := {answer.size for answer in answers}) > 1:
        raise BadAnswer(f"answers of different sizes: {sorted(sizes)}")
    return Checked(answers[0].content, answers[0].size, bool(answers[0].values(b"date")))


def _check_digest(port: int, scenario: Scenario) -> None:
    """The application must have got the body itself, not only as many bytes."""
    [answer], _ = exchange(port, [request(scenario, port, DIGEST_TARGET)])
    expected = b"%d %08x" % (scenario.body, zlib.crc32(filled(scenario.body)))
    if answer.content != expected:
        raise BadAnswer(f"the application got another body: expected {expected!r}, found {answer.content!r}")
