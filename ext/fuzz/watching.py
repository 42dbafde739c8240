"""What a script is watched for besides what it does: its time, the log of errors, and open descriptors."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import signal
from collections.abc import Callable, Iterator

SECONDS = 10.0
"""In which a script has to be over, long as it may be."""
log = logging.getLogger("asteri.error")
log.propagate = False


class Mischief(Exception):
    """What a callback raises by intent."""


class Interrupt(BaseException):
    """What a callback raises as a signal handler does: it is no connection's affair, and costs nobody anything."""


class Hanging(BaseException):
    """Out of the time that a script has."""


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


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """What takes longer than a script may hangs. It is looked at twice: the machine may have slept."""
    rings = 0

    def ring(number: int, frame: object) -> None:
        nonlocal rings
        rings += 1
        if rings == 2:
            faulthandler.dump_traceback()
            raise Hanging

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS, SECONDS)
    try:
        yield
    except Hanging as error:
        raise AssertionError("hangs") from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
