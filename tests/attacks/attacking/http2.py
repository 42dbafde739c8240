"""A client of HTTP/2 that sends frames as they are, and reads those of the server as strictly as RFC 9113 allows.

Anything in what the server sends that is not HTTP/2 to the letter is an AssertionError: frames of streams that have
ended, fields of connections, bytes beyond a window, another length than announced. It knows no state of its own, so
there is nothing that it would not send.
"""

from __future__ import annotations

import contextlib
import re
import select
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import hpack

from .wire import GONE, Client, Closed

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 0x1, 0x1, 0x4, 0x8, 0x20
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED = range(6)
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM = range(6, 12)
MAX_FRAME, WINDOW = 1 << 14, 65535
NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
OF_CONNECTIONS = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}

Fields = list[tuple[bytes, bytes]]
GET: Fields = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")]


def fields(*more: tuple[bytes, bytes], **pseudo: bytes) -> Fields:
    """A request with ``GET``'s pseudo-header fields, some of them with another value, and fields behind them."""
    return [(name, pseudo.get(name[1:].decode(), value)) for name, value in GET] + list(more)


def without(name: bytes, *more: tuple[bytes, bytes]) -> Fields:
    return [one for one in GET if one[0] != name] + list(more)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"", length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    return size.to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def data(stream: int, content: bytes = b"", end: bool = True) -> bytes:
    return frame(DATA, END_STREAM if end else 0, stream, content)


def reset(stream: int, code: int = CANCEL) -> bytes:
    return frame(RST_STREAM, 0, stream, code.to_bytes(4))


def window(stream: int, size: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, size.to_bytes(4))


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack("!HI", *pair) for pair in pairs))


@dataclass
class Answer:
    """What has come on one stream."""

    status: int = 0
    fields: Fields = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    trailers: Fields = field(default_factory=list)
    interim: list[tuple[int, Fields]] = field(default_factory=list)
    ended: bool = False
    reset: int | None = None
    window: int = WINDOW
    no_content: bool = False
    """It answers HEAD."""
    given_up: bool = False
    """We have reset it: what was on its way is not looked at."""

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None

    def all(self, name: bytes) -> list[bytes]:
        return [value for known, value in self.fields if known == name]


class Http2Client:
    """One connection.

    ``reads`` False gives no window back for what comes; ``begins`` False leaves it to others to send the opening.
    """

    def __init__(self, client: Client, *pairs: tuple[int, int], reads: bool = True, begins: bool = True) -> None:
        self.client = client
        self.reads = reads
        self.encoder = hpack.Encoder()
        self.answers: dict[int, Answer] = {}
        self.goaways: list[int] = []
        """Their codes."""
        self.pings: list[bytes] = []
        self.acknowledged = 0
        """SETTINGS of ours."""
        self.closed = False
        self._decoder = hpack.Decoder()
        self._data = b""
        self._outgoing = bytearray()
        """What has not left yet."""
        self._window = WINDOW
        self._given: dict[int, int] = {}
        """Bytes that we may send on a stream."""
        self._given_at_first = WINDOW
        self._first_window = dict(pairs).get(4, WINDOW)
        self._begun = False
        self.opening = PREFACE + settings(*pairs)
        if begins:
            self.send(self.opening)

    def __enter__(self) -> Http2Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.socket.close()

    # -- sending -----------------------------------------------------------------------------------------------------

    def head(self, stream: int, block: Fields, end: bool = True) -> bytes:
        self.answer(stream).no_content = (b":method", b"HEAD") in block
        flags = END_HEADERS | (END_STREAM if end else 0)
        encoded = self.encoder.encode(block, huffman=False)
        pieces = [encoded[at : at + MAX_FRAME] for at in range(0, len(encoded), MAX_FRAME)] or [b""]
        kinds = [HEADERS] + [CONTINUATION] * (len(pieces) - 1)
        first = flags if len(pieces) == 1 else flags & ~END_HEADERS
        marks = [first] + [0] * (len(pieces) - 2) + [END_HEADERS]
        return b"".join(frame(*parts[:2], stream, parts[2]) for parts in zip(kinds, marks, pieces, strict=False))

    def send(self, sent: bytes) -> None:
        """Send everything, reading what comes meanwhile, unless the server has had enough before.

        What we say to that waits until all of this has left: it must not come between the bytes of a frame.
        """
        sock = self.client.socket
        self._outgoing += sent
        while self._outgoing and not self.closed:
            readable, writable, _ = select.select([sock], [sock], [], 10)
            assert readable or writable, "the server neither reads nor writes"
            if readable or (isinstance(sock, ssl.SSLSocket) and sock.pending()):
                self._receive()
            elif writable:
                try:
                    del self._outgoing[: sock.send(self._outgoing[: 1 << 14])]
                except GONE:
                    self._outgoing.clear()

    def greeted(self) -> None:
        """Until both sides have taken each other's SETTINGS: no answer to those will come in between a header block."""
        self.read_until(lambda: self.acknowledged > 0)

    def widen(self, size: int) -> None:
        """Let the connection send so many bytes more."""
        self._window += size
        self.send(window(0, size))

    def request(self, stream: int, block: Fields, body: bytes | None = None) -> Answer:
        """A request of its own, and its whole answer."""
        self.send(self.head(stream, block, body is None) + (data(stream, body) if body is not None else b""))
        return self.wait(stream)

    def upload(self, stream: int, block: Fields, body: bytes) -> None:
        """A request with a large body, a piece at a time, as the window of its stream allows."""
        self.send(self.head(stream, block, False))
        self.content(stream, body, True)

    def content(self, stream: int, body: bytes, end: bool = False) -> None:
        """Content, a piece at a time, as the window of its stream allows, until the server has ended the stream."""
        answer = self.answer(stream)
        while not answer.over:
            self.read_until(lambda: answer.over or self._given.get(stream, self._given_at_first) > 0)
            room = min(self._given.setdefault(stream, self._given_at_first), MAX_FRAME)
            piece, body = body[:room], body[room:]
            self._given[stream] -= len(piece)
            self.send(data(stream, piece, end and not body))
            if not body:
                return

    def give_up(self, stream: int) -> None:
        self.answer(stream).given_up = True
        self.send(reset(stream))

    # -- what has come -----------------------------------------------------------------------------------------------

    def answer(self, stream: int) -> Answer:
        return self.answers.setdefault(stream, Answer(window=self._first_window))

    def wait(self, stream: int) -> Answer:
        """Until the stream is over. Raises `Closed`."""
        self.read_until(lambda: self.answer(stream).over)
        return self.answers[stream]

    def read_until(self, done: Callable[[], bool]) -> None:
        while not done():
            if self.closed:
                raise Closed(f"the server has ended the connection: {self.goaways} {self.answers}")
            self._receive()

    def read_for(self, seconds: float) -> None:
        """What comes within so many seconds."""
        until = time.monotonic() + seconds
        while not self.closed and (left := until - time.monotonic()) > 0:
            if select.select([self.client.socket], [], [], left)[0]:
                self._receive()

    def read_some(self, every: float) -> None:
        """What is there, and then nothing for so many seconds."""
        self._receive()
        select.select([], [], [], every)

    def end(self) -> list[int]:
        """Read to the end of the connection; the codes of the GOAWAY frames."""
        with contextlib.suppress(Closed):
            self.read_until(lambda: False)
        return self.goaways

    def _receive(self) -> None:
        try:
            received = self.client.socket.recv(65536)
        except ConnectionResetError:
            received = b""
        if not received:
            self.closed = True
            return
        self._data += received
        replies = b""
        at = 0
        while len(self._data) - at >= 9:
            length = int.from_bytes(self._data[at : at + 3])
            if len(self._data) - at < 9 + length:
                break
            assert length <= MAX_FRAME, "a frame that is larger than we allow"
            kind, flags, stream = self._data[at + 3], self._data[at + 4], int.from_bytes(self._data[at + 5 : at + 9])
            replies += self._handle(kind, flags, stream, self._data[at + 9 : at + 9 + length])
            at += 9 + length
        self._data = self._data[at:]
        if self._outgoing:
            self._outgoing += replies
        elif replies:
            with contextlib.suppress(*GONE):
                self.client.socket.sendall(replies)

    def _handle(self, kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        """What we say to a frame."""
        assert self._begun or kind == SETTINGS, "the first frame has to be SETTINGS"
        self._begun = True
        if kind in (DATA, HEADERS, RST_STREAM):
            assert stream % 2, f"frame {kind} on stream {stream}"
            answer = self.answer(stream)
            if answer.given_up and kind != HEADERS:
                return window(0, len(payload)) if kind == DATA and payload else b""
            assert kind == RST_STREAM or not answer.over, f"frame {kind} on stream {stream}, which is over: {answer}"
        if kind == DATA:
            return self._content(answer, stream, payload, flags)
        if kind == HEADERS:
            self._head(answer, payload, flags)
        elif kind == RST_STREAM:
            answer.reset = int.from_bytes(payload)
        elif kind == SETTINGS:
            self.acknowledged += flags & ACK
            self._widen_all(payload)
            return b"" if flags & ACK else frame(SETTINGS, ACK, 0)
        elif kind == PING:
            assert flags & ACK, "nobody was to ask us"
            self.pings.append(payload)
        elif kind == GOAWAY:
            self.goaways.append(int.from_bytes(payload[4:8]))
        else:
            assert kind == WINDOW_UPDATE, f"an unexpected frame {kind}"
            self._given[stream] = self._given.get(stream, self._given_at_first) + int.from_bytes(payload)
        return b""

    def _widen_all(self, payload: bytes) -> None:
        """What SETTINGS say of the windows of streams (RFC 9113 section 6.9.2)."""
        for at in range(0, len(payload), 6):
            if payload[at : at + 2] == b"\0\4":
                size = int.from_bytes(payload[at + 2 : at + 6])
                more, self._given_at_first = size - self._given_at_first, size
                self._given = {stream: given + more * (stream > 0) for stream, given in self._given.items()}

    def _content(self, answer: Answer, stream: int, payload: bytes, flags: int) -> bytes:
        assert answer.status >= 200, "content before a head"
        assert not flags & PADDED
        answer.body += payload
        answer.window -= len(payload)
        self._window -= len(payload)
        assert self._window >= 0, "more than the window of the connection"
        assert answer.window >= 0 or not self.reads, "more than the window of the stream"
        self._ends(answer, flags)
        if not self.reads or not payload:
            return b""
        answer.window += len(payload)
        self._window += len(payload)
        return window(0, len(payload)) + (b"" if answer.over else window(stream, len(payload)))

    def _head(self, answer: Answer, payload: bytes, flags: int) -> None:
        assert flags & END_HEADERS, "a head that is larger than a frame"
        block = [(bytes(name), bytes(value)) for name, value in self._decoder.decode(payload, raw=True)]
        if answer.status >= 200:
            assert flags & END_STREAM, "trailers that do not end the stream"
            answer.trailers = block
        else:
            assert block[0][0] == b":status", block
            status = int(block.pop(0)[1])
            if status < 200:
                assert not flags & END_STREAM
                answer.interim.append((status, block))
            else:
                answer.status, answer.fields = status, block
        for name, value in block:
            assert NAME.fullmatch(name), f"the name {name!r}"
            assert VALUE.fullmatch(value), f"the value {value!r} of {name!r}"
            assert name not in OF_CONNECTIONS, name
        self._ends(answer, flags)

    def _ends(self, answer: Answer, flags: int) -> None:
        if not flags & END_STREAM:
            return
        answer.ended = True
        lengths = answer.all(b"content-length")
        assert len(lengths) <= 1, lengths
        if answer.no_content or answer.status in (204, 304):
            assert answer.body == b""
        elif lengths:
            assert int(lengths[0]) == len(answer.body), "another length than announced"
