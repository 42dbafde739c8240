"""What the integration tests share: an importable folder (clients, worker models, tables), and a fixture."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def interface(request: pytest.FixtureRequest) -> str:
    """Each interface of `applications` in turn."""
    name: str = request.param
    return name
