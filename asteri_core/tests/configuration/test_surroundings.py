"""What `--env`, `--chdir` and `--name` do to the process, and what a reload takes back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from asteri_core.assembly import assemble
from asteri_core.config import Config
from asteri_core.errors import ConfigurationError
from asteri_core.surroundings import Surroundings


@pytest.fixture(autouse=True)
def surroundings_are_put_back(here: Path) -> Iterator[None]:
    path, environ = list(sys.path), dict(os.environ)
    yield
    sys.path[:] = path
    os.environ.clear()
    os.environ.update(environ)


def config(here: Path, **arguments: object) -> Config:
    return Config.load(assemble([]), arguments, {}, here)


def test_variables_no_longer_asked_for_get_back_what_they_were(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "before")
    surroundings = Surroundings()
    surroundings.enter(config(here, env=("KEPT=during", "FRESH=1", "BOTH=1")))
    assert (os.environ["KEPT"], os.environ["FRESH"], os.environ["BOTH"]) == ("during", "1", "1")
    assert surroundings.environ["KEPT"] == "before"
    surroundings.enter(config(here, env=("BOTH=2",)))
    assert (os.environ["KEPT"], os.environ["BOTH"]) == ("before", "2")
    assert "FRESH" not in os.environ


def test_the_directory_is_relative_to_where_the_server_was_started_however_often(here: Path) -> None:
    (here / "sub").mkdir()
    surroundings = Surroundings()
    for _ in range(2):
        surroundings.enter(config(here, chdir="sub"))
        assert Path.cwd() == here / "sub"
    assert str(here / "sub") in sys.path


def test_a_directory_that_is_entered_again_comes_first_again(here: Path) -> None:
    surroundings = Surroundings()
    for release in ("one", "two", "one"):
        (here / release).mkdir(exist_ok=True)
        (here / "current").unlink(missing_ok=True)
        (here / "current").symlink_to(release)
        surroundings.enter(config(here, chdir="current"))
        assert sys.path[0] == str(here / release)
        assert sys.path.count(str(here / release)) == 1


def test_a_directory_that_cannot_be_entered_is_named(here: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"chdir: cannot enter '.*/here/nowhere': No such file or directory"):
        Surroundings().enter(config(here, chdir="nowhere"))
