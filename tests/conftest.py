"""What holds for the tests that no package can run alone: those that start real servers run over both twins.

The id ``py`` or ``c`` says which. A fixture that keeps a server for several tests asks for `implementation` itself, so
that it is not kept for the other twin's.
"""

from __future__ import annotations

from collections.abc import Generator
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """The environment is that of one test, its fixtures included, and of no other in the same process."""
    # pytest asks this of the tests of every folder; a package's fixture of the same name is its own affair.
    chosen = getattr(item, "callspec", None) if item.path.is_relative_to(HERE) else None
    name = chosen.params.get("implementation") if chosen is not None else None
    with pytest.MonkeyPatch.context() as patch:
        if name is not None:
            patch.setenv("ASTERI_IMPL", FORCED[name])
        return (yield)


@pytest.fixture(scope="session")
def implementation(request: pytest.FixtureRequest) -> str:
    """On which of the twins the servers of a test run: ``py`` or ``c``."""
    name: str = request.param
    return name
