"""What fuzz targets share: the command line, and the loop that plays one seed after the other until the time is over.

A target says what one seed plays. Whatever that raises is a counter-example, and so is what goes on for ever: it is
printed with its seed, which plays the same again, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator

SECONDS = 10.0
"""In which a seed has been played, long as it may be."""


def run_target(play: Callable[[int], object], description: str | None) -> int:
    """Play seeds as the command line says; the exit status. The notes of an exception are printed with it."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="how long to go on")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="the first one")
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    seed = options.seed
    while time.monotonic() < end:
        try:
            with _limited():
                play(seed)
        except Exception:
            traceback.print_exc()
            print(f"seed {seed}", file=sys.stderr)
            return 1
        seed += 1
    print(f"{seed - options.seed} scripts, seeds {options.seed} to {seed - 1}: nothing wrong")
    return 0


class _Hanging(KeyboardInterrupt):
    """Out of the time that a seed has. This is what also asyncio lets through."""


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """What takes longer hangs. It is looked at twice: the machine may have slept."""
    rings = 0

    def ring(number: int, frame: object) -> None:
        nonlocal rings
        rings += 1
        if rings > 1:
            faulthandler.dump_traceback()
            raise _Hanging

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS, SECONDS)
    try:
        yield
    except _Hanging as error:
        raise AssertionError("hangs") from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
