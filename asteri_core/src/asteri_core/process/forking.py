"""The fork of a worker, and what its process does before and after the worker's main function.

The child closes what is the arbiter's, forgets its signals, gives up root, claims its slot and calls the worker. It
leaves by `os._exit`, because the frames below it belong to the arbiter.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from . import privileges
from .context import WorkerContext

log = logging.getLogger("asteri.error")

WorkerMain = Callable[[WorkerContext], int]


@dataclass(frozen=True, slots=True)
class Birth:
    """What the child needs besides the context. ``user`` and ``group`` are who it becomes."""

    main: WorkerMain
    leave: Callable[[], None]
    """Closes and forgets, in the child, what belongs to the arbiter."""
    user: int | None
    group: int | None


def be_worker(birth: Birth, context: WorkerContext) -> NoReturn:
    """The life of the child, to its exit."""
    status = 1
    try:
        birth.leave()
        privileges.drop(birth.user, birth.group)
        context.slot.claim(os.getpid(), time.monotonic(), context.generation)
        status = birth.main(context)
    except SystemExit as error:
        # The application, or one of its libraries, has ended the process.
        status = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except BaseException:
        log.exception("the worker failed")
    finally:
        _exit(status)


def _exit(status: int) -> NoReturn:
    """End the process as the interpreter does: the application's exit functions run, what was printed is written."""
    try:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except BaseException:
        log.exception("an exit function failed")
    finally:
        os._exit(status & 0xFF)
