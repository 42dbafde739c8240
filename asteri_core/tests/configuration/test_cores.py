"""How many cores ``--workers auto`` counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from asteri_core.assembly import assemble
from asteri_core.config import Config
from asteri_core.core_settings import ProcessSettings
from asteri_core.cores import usable_cores

ALLOWED = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000\n", ALLOWED),
        ("50000 100000\n", 1),
        ("100000 100000\n", 1),
        ("150000 100000\n", min(2, ALLOWED)),
        ("99900000 100000\n", ALLOWED),
        ("0 100000\n", 1),
        ("100000 0\n", ALLOWED),
        ("nonsense\n", ALLOWED),
        (None, ALLOWED),
    ],
)
def test_usable_cores_are_bounded_by_affinity_and_quota(tmp_path: Path, quota: str | None, expected: int) -> None:
    file = tmp_path / "cpu.max"
    if quota is not None:
        file.write_text(quota)
    assert usable_cores(file) == expected


def test_usable_cores_follow_the_affinity_of_the_process(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores(tmp_path / "none") == 1
    finally:
        os.sched_setaffinity(0, before)


def test_workers_auto_is_the_number_of_usable_cores(tmp_path: Path) -> None:
    config = Config.load(assemble([]), {"workers": "auto"}, {}, tmp_path)
    assert config[ProcessSettings].workers == usable_cores()
