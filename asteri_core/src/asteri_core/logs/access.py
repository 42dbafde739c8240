"""The access log: one line for each exchange that is over, collected and written in whole lines.

    write(exchange, ...)  ─▶  lines  ─▶  flush(now), at the latest at deadline()  ─▶  sink

The lines of a moment go out in one write; after a quiet time the first line goes out at once. A sink that takes
nothing (a full disk, a pipe whose reader is behind) never holds up a request: lines are kept up to `KEPT`, beyond that
they are dropped and counted, and the count goes to the error log. Only the thread that drives the reactor calls this.
It has no clock.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Protocol

from ..sansio.connection import Exchange, Header
from .formats import compile_format

WRITE_THROUGH = 64 * 1024
"""Bytes at which lines are written without waiting for `AccessLog.flush`."""
KEPT = 1024 * 1024
"""Bytes of lines kept for a sink that takes nothing: some thousand requests, so that memory stays bounded."""
INTERVAL = 0.25
"""Seconds between two flushes: long enough to save system calls, short enough for somebody who watches the log."""
PATIENCE = 1.0
"""Seconds that `AccessLog.close` waits for a slow sink in all."""


class Sink(Protocol):
    """Where lines go: a `file.LogFile`, or a `LoggerSink`."""

    atomic: int
    cut: bool

    def write(self, data: bytes) -> int: ...

    def wait(self, seconds: float) -> bool: ...


class AccessLog:
    """Collects and writes the lines of one worker."""

    __slots__ = ("_blocked", "_error_log", "_flushed", "_line", "_lines", "_lost", "_sink", "_size", "format")

    def __init__(self, format: str, sink: Sink, error_log: logging.Logger) -> None:
        """Raises `ConfigurationError` for a format that is not valid."""
        self.format = format
        self._line = compile_format(format)
        self._sink = sink
        self._error_log = error_log
        self._lines: list[bytes] = []
        self._size = 0
        self._flushed = 0.0
        self._blocked = False
        self._lost = 0

    def write(self, exchange: Exchange, duration: float, wall: float) -> None:
        """Log an exchange that is over: it took ``duration`` seconds and ended at ``wall`` seconds since the epoch."""
        line = self._line(exchange, duration, wall)
        if self._sink.atomic and len(line) > self._sink.atomic:
            line = self._shortened(exchange, duration, wall)
        self.take(line)

    def take(self, lines: bytes) -> None:
        """Log whole lines, none of them longer than what a pipe takes in one piece."""
        if self._size + len(lines) > KEPT:
            self._lose(lines.count(b"\n"))
            return
        self._lines.append(lines)
        self._size += len(lines)
        if self._size >= WRITE_THROUGH and not self._blocked:
            self._drain()

    def deadline(self) -> float | None:
        """When `flush` should be called, on its own clock; None when there is nothing to write."""
        return self._flushed + INTERVAL if self._lines else None

    def flush(self, now: float) -> None:
        """Write what was collected. ``now`` is in seconds of any monotonic clock."""
        self._flushed = now
        if self._lines:
            self._drain()

    def close(self) -> None:
        """Write what was collected, with a little patience; what remains is counted in the error log."""
        for _ in range(10):
            self._drain()
            if not self._lines:
                break
            self._sink.wait(PATIENCE / 10)
        if self._lines:
            self._lost += b"".join(self._lines).count(b"\n")
            self._lines, self._size = [], 0
        self._confess()

    def _shortened(self, exchange: Exchange, duration: float, wall: float) -> bytes:
        """The line with its longest values cut, so that a pipe takes it in one piece.

        A longer one could be torn apart by other workers' lines, and a client who chooses its length would choose what
        the line after the tear begins with.
        """
        line = b""
        for limit in (512, 128, 32, 8):
            shortened: Any = _Shortened(exchange, limit)
            line = self._line(shortened, duration, wall)
            if len(line) <= self._sink.atomic:
                break
        return line

    def _drain(self) -> None:
        data = b"".join(self._lines)
        position = 0
        try:
            if self._sink.cut:
                self._sink.write(b"\n")
            while position < len(data):
                position += self._sink.write(data[position : self._pack_end(data, position)])
        except OSError as error:
            # A line that was cut is ended there and written again whole when the sink takes data again.
            rest = data[data.rfind(b"\n", 0, position) + 1 :]
            self._lines, self._size = [rest], len(rest)
            if not self._blocked and not isinstance(error, BlockingIOError):
                self._error_log.error("access log cannot be written: %s; lines are kept up to %d bytes", error, KEPT)
            self._blocked = True
        else:
            self._lines, self._size = [], 0
            self._blocked = False
            if self._lost:
                self._confess()

    def _pack_end(self, data: bytes, start: int) -> int:
        """Where to end a write: at the end, or at the last line's end within what a pipe takes in one piece."""
        atomic = self._sink.atomic
        if not atomic or len(data) - start <= atomic:
            return len(data)
        end = data.rfind(b"\n", start, start + atomic) + 1
        return end or data.find(b"\n", start) + 1

    def _lose(self, count: int) -> None:
        if not self._lost:
            self._error_log.error("access log takes no lines: they are dropped until it does")
        self._lost += count

    def _confess(self) -> None:
        if self._lost:
            self._error_log.error("%d lines of the access log were lost", self._lost)
            self._lost = 0


class _Shortened:
    """An exchange whose values end after ``limit`` bytes, with dots."""

    def __init__(self, exchange: Exchange, limit: int) -> None:
        self._exchange = exchange
        self._limit = limit
        self.target = self._cut(exchange.target)
        self.method = exchange.method[:limit]
        self.version = exchange.version[:limit]
        self.headers = self._cut_all(exchange.headers)
        self.response_headers = self._cut_all(exchange.response_headers)

    def _cut(self, value: bytes) -> bytes:
        return value if len(value) <= self._limit else value[: self._limit] + b"..."

    def _cut_all(self, headers: Iterable[Header]) -> list[Header]:
        return [(name, self._cut(value)) for name, value in headers]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)


class LoggerSink:
    """Hands lines to a logger, for an access log that ``--log-config`` describes."""

    atomic = 0
    cut = False

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def write(self, data: bytes) -> int:
        for line in data.decode("utf-8", "replace").splitlines():
            self._logger.info("%s", line)
        return len(data)

    def wait(self, seconds: float) -> bool:
        return True
