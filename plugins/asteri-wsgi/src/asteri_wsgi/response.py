"""One response of a WSGI application: ``start_response``, ``write`` and the iterable, put into an exchange.

    application calls `start`  ─▶  first block (or end)  ─▶  head and block are sent  ─▶  ...  ─▶  end

The head is kept back until the first block that is not empty, since until then `start` may replace it (with
``exc_info``). A block is sent as soon as the application gives it. Where the whole content is known at the
first block - a list, one item by ``len()``, the declared length reached - it is sent with its end in one go.
Errors are raised to the caller; the handler answers them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from inspect import iscoroutine
from typing import Any

from asteri_core.api import FileSlice, Header, LocalProtocolError, Want
from asteri_http.exchange import Exchange

from .body import Wait
from .file_wrapper import FileWrapper, slice_of
from .head import parse_headers, parse_status

NO_CONTENT = (204, 205, 304)
"""The final statuses whose responses have no content (RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5)."""

JOIN_LIMIT = 64 * 1024
"""Bytes up to which the blocks of a list are joined: copying them costs less than sending each."""


class Response:
    """The state of one response."""

    __slots__ = (
        "_exchange",
        "_has_content",
        "_headers",
        "_length",
        "_reason",
        "_status",
        "_wait",
        "_written",
        "head_sent",
        "over",
    )

    def __init__(self, exchange: Exchange, wait: Wait) -> None:
        self._exchange = exchange
        self._wait = wait
        self._status = 0
        self._reason = b""
        self._headers: list[Header] = []
        self._length: int | None = None
        self._written = 0
        self._has_content = True
        self.head_sent = False
        """The head has been given to the exchange: it cannot be replaced any more."""
        self.over = False
        """The end has been given to the exchange."""

    # -- what the application calls --------------------------------------------------------------------------------

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        """``start_response``."""
        if exc_info:
            try:
                if self.head_sent:
                    raise_again(exc_info)
            finally:
                exc_info = None  # the traceback refers to this frame
        elif self._status:
            raise AssertionError("start_response was called a second time without exc_info")
        code, reason = parse_status(status)
        # Assigned when all of it is good: an application may catch the error of a bad head, and call again.
        self._headers, self._length = parse_headers(headers)
        self._status = code
        self._reason = reason
        self._has_content = self._status not in NO_CONTENT and self._exchange.method != "HEAD"
        return self.write

    def write(self, data: bytes) -> None:
        """The ``write`` callable: sends at once, and returns when more may be given."""
        check_block(data)
        if not self.head_sent:
            self._send_head()
            self._send(data)  # the head goes out also without data
        elif data:
            self._send(data)

    def early_hints(self, headers: list[tuple[str, str]]) -> None:
        """``wsgi.early_hints``: a 103 response (RFC 8297) with these fields, usually Link, ahead of the final one."""
        if self.head_sent:
            raise AssertionError("early hints were given after the response had begun")
        self._exchange.inform(103, parse_headers(headers)[0])
        self._wait(self._exchange, Want.WRITE)

    # -- what the handler calls ------------------------------------------------------------------------------------

    def deliver(self, blocks: Any) -> None:
        """Send what the application has returned, and the end."""
        kind = type(blocks)
        if (kind is list or kind is tuple) and not self.head_sent:
            self._deliver_list(blocks)
        elif kind is FileWrapper:
            self._deliver_file(blocks)
        else:
            check_iterable(blocks)
            self._deliver_blocks(blocks)

    def _deliver_list(self, blocks: Sequence[bytes]) -> None:
        for block in blocks:
            if type(block) is not bytes:
                check_block(block)
        data = blocks[0] if len(blocks) == 1 else b""
        total = len(data) if data else sum(map(len, blocks))
        if total > JOIN_LIMIT and not data:
            self._declare(total)
            self._deliver_blocks(blocks)
            return
        if total:
            self._deliver_whole(data or b"".join(blocks))
        else:
            self._end()

    def _deliver_whole(self, data: bytes) -> None:
        """All of the content, known before the head."""
        if self._length is None:
            self._declare(len(data))
        elif self._length != len(data) and self._has_content:
            # Found out before anything was sent, so the client can be told with a 500.
            raise LocalProtocolError(f"content-length is {self._length}, but the content has {len(data)} bytes")
        self._send_head()
        self._send(data)
        self._end()

    def _deliver_blocks(self, blocks: Iterable[bytes]) -> None:
        for block in blocks:
            if type(block) is not bytes:
                check_block(block)
            if not block:
                continue
            if not self.head_sent:
                if self._length is None and length_of(blocks) == 1:
                    self._declare(len(block))
                self._send_head()
            self._send(block)
            if self.over and not self._has_content:
                break  # nothing of the rest would be sent
        self._end()

    def _deliver_file(self, wrapper: FileWrapper) -> None:
        """Send a file, no more of it than Content-Length says, by its descriptor where it has one."""
        rest = None if self._length is None else self._length - self._written
        part = slice_of(wrapper.filelike, rest)
        if part is None:
            self._deliver_blocks(wrapper if rest is None else wrapper.first(rest))
            return
        if not self.head_sent:
            self._declare(part.length)
            self._send_head()
        self._send(part)
        self._end()

    # -- towards the exchange --------------------------------------------------------------------------------------

    def _declare(self, length: int) -> None:
        """Add Content-Length where the application has not, and where it may be (RFC 9110 section 8.6)."""
        if self._length is None and self._status not in NO_CONTENT:
            self._length = length
            self._headers.append((b"content-length", b"%d" % length))

    def _send_head(self) -> None:
        if not self._status:
            raise AssertionError("the application gave content before it called start_response")
        self._exchange.respond(self._status, self._headers, self._reason)
        self.head_sent = True

    def _send(self, data: bytes | FileSlice) -> None:
        if self.over:
            if self._has_content:
                raise LocalProtocolError(f"the content is longer than its content-length, {self._length} bytes")
            return
        if not self._has_content:
            self._end()
            return
        self._written += data.length if isinstance(data, FileSlice) else len(data)
        end = self._written == self._length
        self._exchange.send(data, end)
        self.over = end
        if not end:
            # Also when there is room: an executor in the reactor's own thread sends what we have given while we wait.
            self._wait(self._exchange, Want.WRITE)

    def _end(self) -> None:
        if not self.over:
            if not self.head_sent:
                self._send_head()
            self.over = True
            self._exchange.finish()


def raise_again(exc_info: Any) -> None:
    """Raise the error of an ``exc_info`` triple, as PEP 3333 asks when it comes too late for another head."""
    try:
        raise exc_info[1].with_traceback(exc_info[2])
    finally:
        exc_info = None  # as above


def check_block(block: Any) -> None:
    """Raise for a block that is no bytes."""
    if not isinstance(block, bytes):
        hint = ", which has to be encoded" if isinstance(block, str) else ""
        raise TypeError(f"the application gave a block of {type(block).__name__}{hint}; expected bytes")


def check_iterable(blocks: Any) -> None:
    """Raise for what the application has returned when it is no iterable of bytes."""
    if isinstance(blocks, (bytes, str)) or not (hasattr(blocks, "__iter__") or hasattr(blocks, "__getitem__")):
        hint = ": an async application is served with --interface asgi" if iscoroutine(blocks) else ""
        raise TypeError(f"the application returned {type(blocks).__name__}, expected an iterable of bytes{hint}")


def length_of(blocks: Any) -> int | None:
    """``len()`` of an iterable, None where it has none."""
    try:
        return len(blocks)
    except TypeError:
        return None
