"""``wsgi.errors``: what the application writes there becomes records of the error log.

A write is one record however many lines it has, so that a traceback stays in one piece; an unfinished line
waits for its end or for `flush`. Each thread has its own unfinished line, so that two requests never share
one. How a record is escaped and where it goes is the log's affair.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable


class ErrorStream:
    """A text stream into a logger, at level error. Shared by all requests."""

    encoding = "utf-8"

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._partial = threading.local()

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"wsgi.errors takes str, not {type(text).__name__}")
        whole, newline, rest = text.rpartition("\n")
        pending = getattr(self._partial, "text", "")
        if newline:
            self._partial.text = rest
            self._emit(pending + whole)
        else:
            self._partial.text = pending + rest
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        pending = getattr(self._partial, "text", "")
        if pending:
            self._partial.text = ""
            self._emit(pending)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def _emit(self, text: str) -> None:
        self._log.error("%s", text)
