"""The documents of the repository, and what is read off them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

ROOT = Path(__file__).parents[2]
PATTERNS = ("*.md", "docs/**/*.md", "changes/*.md", "examples/**/*.md", "asteri_core/*.md", "plugins/*/*.md")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def documents() -> list[Path]:
    """Every document that is shipped or shown."""
    return sorted(path for pattern in PATTERNS for path in ROOT.glob(pattern))
