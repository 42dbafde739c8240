"""The client of these tests, with its hands shaken or not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asteri_h2.plugin import PREFACE

sys.path.insert(0, str(Path(__file__).parent))
from h2_talk import Talk


@pytest.fixture
def talk() -> Callable[..., Talk]:
    """Makes one that has shaken hands."""

    def make(**options: Any) -> Talk:
        return Talk(**options).begin()

    return make


@pytest.fixture
def bare() -> Talk:
    """One that has only sent the preface and its settings, and does not follow what is answered."""
    made = Talk()
    made.raw(PREFACE + b"\0\0\0\x04\0\0\0\0\0")
    made.raw(b"\0\0\0\x04\x01\0\0\0\0", b"\0\0\0\x04\x01\0\0\0\0")
    return made
