"""Each test that reads messages runs over both twins."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from talk import READERS


@pytest.fixture(params=READERS.values(), ids=READERS)
def make_reader(request):
    return request.param
