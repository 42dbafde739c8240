"""Finds a request head in the bytes of a peer, and reads it.

`HeadParser.feed` takes bytes as they come, and answers with the head as soon as it is whole. Errors show at
the byte that makes them, whether or not the head is complete; limits are kept by position, so that how the
bytes were cut never changes the outcome. Time is linear in the bytes: the transition table of `grammar`
looks at each once. A head that comes in one piece and is within the smallest limit takes a short cut by one
regular expression that accepts just what the table accepts.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from asteri_core.api import Header, RemoteProtocolError
from asteri_http.fields import REQUEST_SINGLE, keeps_field, options
from asteri_http.forwarded import FIELDS as FORWARDED_FIELDS
from asteri_http.framing import check_transfer_encoding, read_content_length
from asteri_http.limits import LONGEST_METHOD
from asteri_http.settings import HttpSettings
from asteri_http.target import check_host, read_target

from .grammar import DONE, ERRORS, FIELD, FIRST_ERROR, LINE, ROWS, START

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_HEAD = re.compile(
    rb"(%b) ([!-~]++) HTTP/([0-9]\.[0-9])\r\n((?:%b:[\t\x20-\x7e\x80-\xff]*+\r\n)*+)\r\n" % (_TOKEN, _TOKEN)
)
_FIELD = re.compile(rb"([^:]++):[ \t]*+([^\r]*+)\r\n")

_SPEAKING = REQUEST_SINGLE | {b"connection", b"expect", b"te", b"upgrade", *FORWARDED_FIELDS}
"""Fields that say something to the protocol."""

USUAL_NAMES = (
    b"accept accept-charset accept-encoding accept-language access-control-request-headers "
    b"access-control-request-method authorization cache-control connection content-encoding content-language "
    b"content-length content-type cookie date dnt expect forwarded host if-match if-modified-since if-none-match "
    b"if-range if-unmodified-since keep-alive origin pragma priority purpose range referer sec-ch-ua "
    b"sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user sec-gpc "
    b"sec-websocket-extensions sec-websocket-key sec-websocket-protocol sec-websocket-version te traceparent "
    b"tracestate trailer transfer-encoding upgrade upgrade-insecure-requests user-agent via x-forwarded-for "
    b"x-forwarded-host x-forwarded-port x-forwarded-proto x-real-ip x-request-id x-requested-with"
).split()
"""Names that clients usually send. Each is one object, whatever request it comes in."""
_LOWER = {spelling: name for name in USUAL_NAMES for spelling in (name, name.title())}
"""The usual names as clients spell them."""


class RequestHead(NamedTuple):
    """What a request head says. Shared by equal requests, so nobody changes it."""

    method: str
    target: bytes
    version: str
    headers: list[Header]
    authority: bytes
    raw_path: bytes
    query: bytes
    content_length: int | None
    chunked: bool
    persistent: bool
    """Whether the client lets the connection go on."""
    expects_continue: bool
    upgrade: bytes
    """The protocol the client asks to upgrade to, or empty."""
    takes_trailers: bool
    forwarded: bool
    """Whether it has fields in which a proxy may say who its client is."""


class Scanner:
    """Runs the table over a head or a trailer section, and keeps the limits."""

    __slots__ = ("_ceiling", "_fields", "_first_line", "_limits", "position", "state")

    def __init__(self, limits: HttpSettings, state: int = START) -> None:
        self.state = state
        self.position = 0
        self._limits = limits
        self._fields = -1 if state == START else 0
        self._first_line = state == START
        line = limits.limit_request_line if self._first_line else limits.limit_request_field_size
        self._ceiling = min(line + 2, limits.limit_request_head)

    def scan(self, data: bytes | bytearray, start: int = 0) -> int:
        """Look at ``data[start:]``. The index behind the end, or -1 if there is no end yet.

        Raises `RemoteProtocolError` for what breaks the grammar (400) or a limit (414, 431).
        """
        state = self.state
        rows = ROWS
        offset = self.position - start
        for index in range(start, len(data)):
            state = rows[state][data[index]]
            if state >= FIELD:
                position = index + offset
                if state >= FIRST_ERROR:
                    self._check_ceiling(position)
                    raise RemoteProtocolError(f"{ERRORS[state]}, found {bytes(data[index : index + 1])!r}")
                self._check_ceiling(position + 1)
                if state == DONE:
                    self.position = position + 1
                    self.state = state
                    return index + 1
                self._next_line(position + 1)
        self.state = state
        self.position = len(data) + offset
        self._check_ceiling(self.position)
        return -1

    def _next_line(self, position: int) -> None:
        limits = self._limits
        self._first_line = False
        self._fields += 1
        if self._fields > limits.limit_request_fields:
            raise RemoteProtocolError(f"more than {limits.limit_request_fields} fields", 431)
        self._ceiling = min(position + limits.limit_request_field_size + 2, limits.limit_request_head)

    def _check_ceiling(self, position: int) -> None:
        if position <= self._ceiling:
            return
        limits = self._limits
        if self._ceiling == limits.limit_request_head:
            raise RemoteProtocolError(f"more than {limits.limit_request_head} bytes of fields", 431)
        if self._first_line:
            raise RemoteProtocolError(f"a request line of more than {limits.limit_request_line} bytes", 414)
        raise RemoteProtocolError(f"a field of more than {limits.limit_request_field_size} bytes", 431)


class HeadParser:
    """Collects one request head after the other."""

    __slots__ = ("_last", "_last_raw", "_limits", "_partial", "_scanner", "_short")

    def __init__(self, limits: HttpSettings) -> None:
        self._limits = limits
        self._short = min(limits.limit_request_line, limits.limit_request_field_size, limits.limit_request_head)
        self._partial: bytearray | None = None
        self._scanner: Scanner | None = None
        self._last_raw = b""
        self._last: RequestHead | None = None

    @property
    def begun(self) -> bool:
        """Whether a part of a head, more than an empty line, is waiting for the rest."""
        return self._scanner is not None and self._scanner.state > LINE

    @property
    def asks_for_head(self) -> bool:
        """Whether what was collected is a HEAD request, whose answer has no content even if it is an error."""
        return self._partial is not None and self._partial.startswith((b"HEAD ", b"\r\nHEAD "))

    def feed(self, data: bytes) -> tuple[RequestHead, bytes] | None:
        """The head and the bytes behind it, or None as long as it is not whole.

        Raises `RemoteProtocolError`; the parser cannot be used after that.
        """
        if self._partial is None:
            end = data.find(b"\r\n\r\n") + 4
            if 4 <= end <= self._short:
                raw = data if end == len(data) else data[:end]
                if raw == self._last_raw:
                    # A client that repeats itself, as most keep-alive clients do.
                    return self._last, data[end:]  # type: ignore[return-value]
                found = _HEAD.fullmatch(raw)
                if found is not None and raw.count(b"\r\n") - 2 <= self._limits.limit_request_fields:
                    try:
                        head = read_head(found)
                    except RemoteProtocolError:
                        self._partial = bytearray(raw)
                        raise
                    self._last_raw, self._last = raw, head
                    return head, data[end:]
            self._partial = bytearray()
            self._scanner = Scanner(self._limits)
        return self._feed_slowly(data)

    def _feed_slowly(self, data: bytes) -> tuple[RequestHead, bytes] | None:
        partial, scanner = self._partial, self._scanner
        assert partial is not None
        assert scanner is not None
        partial += data[: self._limits.limit_request_head + 1]
        end = scanner.scan(data)
        if end < 0:
            return None
        raw = bytes(partial[: scanner.position]).removeprefix(b"\r\n")
        found = _HEAD.fullmatch(raw)
        if found is None:
            raise RemoteProtocolError("the head is not HTTP/1.1")  # the table and the expression never differ
        head = read_head(found)
        self._partial = self._scanner = None
        return head, data[end:]


def split_fields(block: bytes) -> list[Header]:
    """The fields of a checked block of lines, names as received, values without surrounding white space."""
    fields = _FIELD.findall(block)
    if b" \r\n" in block or b"\t\r\n" in block:
        return [(name, value.rstrip(b" \t")) for name, value in fields]
    return fields


def read_head(found: re.Match[bytes]) -> RequestHead:
    """What a head that keeps the grammar says. Raises `RemoteProtocolError` for what HTTP does not allow it to say."""
    raw_method, target, version_, block = found.groups()
    if version_ != b"1.1" and version_ != b"1.0":
        raise RemoteProtocolError(f"HTTP/{version_.decode()} is not supported here, expected HTTP/1.1", 505)
    if len(raw_method) > LONGEST_METHOD:
        raise RemoteProtocolError(f"a method of more than {LONGEST_METHOD} bytes", 501)
    method = raw_method.decode("ascii")
    version = version_.decode("ascii")
    raw_path, query, authority = read_target(method, target)
    headers: list[Header] = []
    known: dict[bytes, bytes] = {}
    for name, value in split_fields(block):
        lower = _LOWER.get(name)
        if lower is None:
            lower = name.lower()
            if not keeps_field(lower):
                continue
        if lower in _SPEAKING:
            if lower in known:
                value_before = known[lower]
                if lower in REQUEST_SINGLE:
                    raise RemoteProtocolError(f"a second {lower.decode()} field")
                known[lower] = value_before + b"," + value
            else:
                known[lower] = value
        headers.append((lower, value))
    authority = _read_host(version, authority, known)
    length, chunked = _read_framing(version, known)
    connection = options(known[b"connection"]) if b"connection" in known else []
    persistent = b"close" not in connection and (version == "1.1" or b"keep-alive" in connection)
    expects_continue = version == "1.1" and b"expect" in known and _read_expectation(known[b"expect"])
    upgrade = known.get(b"upgrade", b"") if version == "1.1" and b"upgrade" in connection else b""
    takes_trailers = b"te" in known and b"trailers" in options(known[b"te"])
    if method == "CONNECT":
        raise RemoteProtocolError("CONNECT asks for a proxy, which this server is not", 501)
    return RequestHead(
        method,
        target,
        version,
        headers,
        authority,
        raw_path,
        query,
        length,
        chunked,
        persistent,
        expects_continue and (chunked or bool(length)),
        upgrade,
        takes_trailers,
        not FORWARDED_FIELDS.isdisjoint(known),
    )


def _read_host(version: str, authority: bytes, known: dict[bytes, bytes]) -> bytes:
    host = known.get(b"host")
    if host is None and version == "1.1":
        # RFC 9112 section 3.2.
        raise RemoteProtocolError("an HTTP/1.1 request needs a Host field")
    return check_host(authority, host)


def _read_framing(version: str, known: dict[bytes, bytes]) -> tuple[int | None, bool]:
    length = known.get(b"content-length")
    coding = known.get(b"transfer-encoding")
    if coding is not None:
        if length is not None:
            raise RemoteProtocolError("both Content-Length and Transfer-Encoding")
        check_transfer_encoding(coding, version)
        return None, True
    return (None if length is None else read_content_length(length)), False


def _read_expectation(value: bytes) -> bool:
    if value.lower() != b"100-continue":
        raise RemoteProtocolError(f"expected 100-continue as Expect, found {value[:64]!r}", 417)
    return True
