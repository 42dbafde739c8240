"""The servers under attack. Each lives as long as it can be shared, because starting one costs more than most cases."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("attacking.case", "attacking.wire", "attacking.target")

from attacking.target import Attacked, attacked, targets  # noqa: E402  the folder is on the path only now

WANTED_FILES = 4096


@pytest.fixture(scope="session", autouse=True)
def many_files() -> None:
    """A thousand connections need a thousand descriptors, in the clients and, inherited, in the servers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < WANTED_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(WANTED_FILES, hard), hard))


@pytest.fixture(scope="session", params=targets("sync", "asgi", protocols=("h1", "h1s")), ids=str)
def attack_by_any_transport(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Attacked]:
    """A server with the default settings, whose clients may speak TLS."""
    with attacked(request.param, tmp_path_factory.mktemp(str(request.param))) as attack:
        yield attack


@pytest.fixture(scope="session", params=targets("sync", "asgi"), ids=str)
def attack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """A server with the default settings."""
    folder = tmp_path_factory.mktemp(str(request.param))
    with attacked(request.param, folder) as attack:
        yield attack
