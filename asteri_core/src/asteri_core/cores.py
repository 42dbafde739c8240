"""How many processor cores this process may use: what ``--workers auto`` means.

Two things bound it: the set of cores the scheduler may choose from, and the quota of the control group, which is how
containers are limited. Machine-wide counts are of no use inside either.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Control group version 2: ``QUOTA PERIOD`` in microseconds, or ``max PERIOD``."""


def usable_cores(quota_file: Path = CGROUP_QUOTA) -> int:
    """The number of cores that this process can keep busy, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = quota_file.read_text("ascii").split()
    except (OSError, ValueError):
        return cores
    if not (quota.isdigit() and period.isdigit() and int(period)):
        return cores
    return max(1, min(cores, math.ceil(int(quota) / int(period))))
