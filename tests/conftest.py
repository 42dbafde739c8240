"""What holds for the tests that no package can run alone: those that start real servers run over both twins.

The id ``py`` or ``c`` says which. A fixture that keeps a server for several tests asks for `implementation` itself, so
that it is not kept for the other twin's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FOLDERS = ("integration", "lifecycle", "plugins", "settings")
"""Where every test is run over both. The attacks choose their targets themselves."""
FORCED = {"py": "python", "c": "native"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    folder = metafunc.definition.path.relative_to(HERE).parts[0]
    if folder in FOLDERS:
        metafunc.fixturenames.append("implementation")
    if "implementation" in metafunc.fixturenames:
        metafunc.parametrize("implementation", FORCED, indirect=True, scope="session")


@pytest.fixture(scope="session")
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    """Has the servers of a test run on one of the twins; ``py`` or ``c``."""
    before = os.environ.get("ASTERI_IMPL")
    os.environ["ASTERI_IMPL"] = FORCED[request.param]
    yield request.param
    if before is None:
        del os.environ["ASTERI_IMPL"]
    else:
        os.environ["ASTERI_IMPL"] = before
