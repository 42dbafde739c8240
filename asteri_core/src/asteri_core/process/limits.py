"""When a worker has lived long enough: ``--max-requests``, ``--max-lifetime`` and ``--max-memory``.

It only tells; the arbiter replaces the worker in its own time.
"""

from __future__ import annotations

import os
import random

from ..core_settings import ProcessSettings


class Limits:
    """The limits of one worker's life, with its share of jitter drawn. ``now`` is the time of its birth."""

    def __init__(self, settings: ProcessSettings, now: float) -> None:
        self.requests = settings.max_requests
        """Requests after which it is long enough; 0 for any number. They are counted by the ledger."""
        if self.requests:
            self.requests += random.randint(0, settings.max_requests_jitter)
        self._end = 0.0
        if settings.max_lifetime:
            self._end = now + settings.max_lifetime + random.uniform(0, settings.max_lifetime_jitter)
        self._memory = settings.max_memory

    def reached(self, now: float) -> bool:
        """Whether the lifetime or the memory is used up."""
        return bool(self._end and now >= self._end) or bool(self._memory and resident_memory() > self._memory)


def resident_memory() -> int:
    """Bytes of this process in memory (RSS)."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
