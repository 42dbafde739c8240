"""The error log: how a record becomes a line, and how the line is written.

    [2025-01-31 13:55:36 +0100] [4711] [ERROR] message, with everything unprintable escaped
      Traceback (most recent call last):
        ...

A record starts in the first column with a bracket; every further line of it is a traceback's and is indented. So
whatever text of a client gets into a message or an exception, it cannot look like a record of its own. A record that
cannot be written is counted, and the count is written with the next one that can; logging never raises into the server.
"""

from __future__ import annotations

import copy
import logging
from typing import Literal

from .escape import printable
from .file import LogFile

LINE = "[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s"
TIME = "%Y-%m-%d %H:%M:%S %z"
INDENT = "  "
PATIENCE = 0.1
"""Seconds a line waits for a pipe whose reader is behind. It holds up the worker, so it is short."""

_COLOURS = {
    logging.DEBUG: "\x1b[2m",
    logging.INFO: "\x1b[32m",
    logging.WARNING: "\x1b[33m",
    logging.ERROR: "\x1b[31m",
    logging.CRITICAL: "\x1b[1;31m",
}
_PLAIN = "\x1b[0m"


class LineFormatter(logging.Formatter):
    """Formats records safely. Its parameters are the standard formatter's: a logging configuration can name it."""

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
        *,
        colour: bool = False,
    ) -> None:
        super().__init__(fmt or LINE, datefmt or TIME, style)
        self.colour = colour

    def format(self, record: logging.LogRecord) -> str:
        # A copy, because other handlers may format the same record without colours.
        record = copy.copy(record)
        record.message = printable(_message(record))
        if self.usesTime():
            record.asctime = self.formatTime(record, self.datefmt)
        if self.colour:
            record.levelname = f"{_COLOURS.get(record.levelno, '')}{record.levelname}{_PLAIN}"
        lines = [self.formatMessage(record)]
        if record.exc_info:
            lines += _indented(self.formatException(record.exc_info))
        elif record.exc_text:
            lines += _indented(record.exc_text)
        if record.stack_info:
            lines += _indented(record.stack_info)
        return "\n".join(lines)


def _message(record: logging.LogRecord) -> str:
    """The message; arguments that do not fit its format are a defect elsewhere, but no reason to lose the record."""
    try:
        return record.getMessage()
    except Exception as error:
        return f"{record.msg!r} % {record.args!r} ({type(error).__name__} while formatting)"


def _indented(text: str) -> list[str]:
    # Only "\n" separates; "\r", U+2028 and the like are escaped by `printable`.
    return [INDENT + printable(line) for line in text.split("\n")]


class ErrorHandler(logging.Handler):
    """Writes each record with one write, so that the processes that share the log do not mix their lines."""

    def __init__(self, file: LogFile) -> None:
        super().__init__()
        self._file = file
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            data = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
            if self._lost:
                data = self._confession(record) + data
            if self._file.cut:
                data = b"\n" + data
        except Exception:
            self.handleError(record)
            return
        try:
            self._write(data)
        except OSError:
            self._lost += 1
        else:
            self._lost = 0

    def _confession(self, record: logging.LogRecord) -> bytes:
        about = logging.LogRecord(
            record.name, logging.WARNING, "", 0, "%d records before this one could not be written", (self._lost,), None
        )
        return (self.format(about) + "\n").encode("utf-8", "backslashreplace")

    def _write(self, data: bytes) -> None:
        while data:
            try:
                count = self._file.write(data)
            except BlockingIOError:
                if not self._file.wait(PATIENCE):
                    raise
                count = 0
            data = data[count:]
