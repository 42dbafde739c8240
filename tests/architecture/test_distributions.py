"""What every distribution has, and that all of them are one version."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
DISTRIBUTIONS = [ROOT, ROOT / "asteri_core", ROOT / "ext", *PLUGINS]


def project(distribution: Path) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((distribution / "pyproject.toml").read_text())["project"]
    return table


def siblings_required(table: dict[str, Any]) -> list[tuple[str, str]]:
    """The requirements on distributions of this repository: name and version specifier."""
    requirements = list(chain(table.get("dependencies", []), *table.get("optional-dependencies", {}).values()))
    matches = (re.match(r"(asteri(?:-\w+)?)(?:\[[\w,]+\])?\s*(.*)", requirement) for requirement in requirements)
    return [(match[1], match[2]) for match in matches if match]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=lambda path: project(path)["name"])
class TestDistribution:
    def test_its_version_is_the_version_of_all(self, distribution: Path) -> None:
        assert project(distribution)["version"] == project(ROOT)["version"]

    def test_it_pins_its_siblings_to_that_version(self, distribution: Path) -> None:
        table = project(distribution)
        # An extra that names another extra of its own distribution needs no version.
        pins = {pin for name, pin in siblings_required(table) if name != table["name"]}
        assert pins <= {f"=={table['version']}"}

    def test_it_has_a_readme_a_licence_and_types(self, distribution: Path) -> None:
        package = project(distribution)["name"].replace("-", "_")
        wanted = ["README.md", "LICENSE", f"src/{package}/__init__.py", f"src/{package}/py.typed"]
        assert [name for name in wanted if not (distribution / name).is_file()] == []

    def test_its_licence_is_that_of_the_repository(self, distribution: Path) -> None:
        assert (distribution / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()

    def test_its_tests_are_its_own(self, distribution: Path) -> None:
        assert list((distribution / "tests").rglob("test_*.py"))

    def test_it_asks_for_python_3_11(self, distribution: Path) -> None:
        assert project(distribution)["requires-python"] == ">=3.11"


def test_the_facade_depends_on_every_distribution() -> None:
    names = {project(distribution)["name"] for distribution in DISTRIBUTIONS} - {"asteri"}
    assert {name for name, _ in siblings_required(project(ROOT))} - {"asteri"} == names


def test_a_wrong_pin_is_seen() -> None:
    table = {
        "dependencies": ["asteri-core==0.0.9", "click"],
        "optional-dependencies": {"x": ["asteri-workers[uvloop]"]},
    }
    assert siblings_required(table) == [("asteri-core", "==0.0.9"), ("asteri-workers", "")]
