"""What fuzz targets share: the command line, and the loop that plays one seed after the other until the time is over.

A target says what one seed plays. Whatever that raises is a counter-example: it is printed with its seed, which plays
the same again, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections.abc import Callable


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
            play(seed)
        except Exception:
            traceback.print_exc()
            print(f"seed {seed}", file=sys.stderr)
            return 1
        seed += 1
    print(f"{seed - options.seed} scripts, seeds {options.seed} to {seed - 1}: nothing wrong")
    return 0
