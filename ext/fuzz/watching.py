"""What a script is watched for besides what it does: the log of errors, and open descriptors."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator

log = logging.getLogger("asteri.error")
log.propagate = False


class Mischief(Exception):
    """What a callback raises by intent."""


class Interrupt(BaseException):
    """What a callback raises as a signal handler does: it is no connection's affair, and costs nobody anything."""


@contextlib.contextmanager
def logged_to(wrong: Callable[[str], None]) -> Iterator[None]:
    """Errors in the log are wrong, but for those of mischief."""
    handler = Logged(wrong)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class Logged(logging.Handler):
    """Keeps what is logged of errors that nobody intended."""

    def __init__(self, wrong: Callable[[str], None]) -> None:
        super().__init__()
        self.wrong = wrong

    def emit(self, record: logging.LogRecord) -> None:
        if not (record.exc_info and isinstance(record.exc_info[1], Mischief)):
            self.wrong(logging.Formatter().format(record))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
