"""Finds plugins: the entry points of the group ``asteri``, and what to say when one cannot be imported.

Nothing is imported here until `Candidate.load` is called, and nothing is checked: that is the `registry`.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

GROUP = "asteri"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plugin that might be loaded."""

    name: str
    load: Callable[[], Any]
    dist: Distribution | None = None

    @property
    def distribution(self) -> str:
        """The name of what pip installed; reading it costs a file, so it is read when it is asked for."""
        return self.dist.name if self.dist is not None else ""

    @property
    def version(self) -> str:
        return self.dist.version if self.dist is not None else ""


def installed() -> list[Candidate]:
    """Every plugin that is installed, by name, so that the order does not depend on ``sys.path``."""
    from importlib.metadata import entry_points

    found = [_candidate(entry_point) for entry_point in entry_points(group=GROUP)]
    return sorted(found, key=lambda candidate: candidate.name)


def _candidate(entry_point: EntryPoint) -> Candidate:
    return Candidate(entry_point.name, entry_point.load, entry_point.dist)


def missing_modules(requires: Sequence[str]) -> list[str]:
    """Those of the modules that cannot be found. They are not imported (but the packages above a submodule are)."""
    return [module for module in requires if not _findable(module)]


def _findable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def install_extra(extra: str, modules: Sequence[str]) -> str:
    """The command that installs what is missing."""
    return f"pip install 'asteri[{extra}]'" if extra else "pip install " + " ".join(modules)


def import_failure(error: Exception, dist: Distribution | None) -> str:
    """Why a plugin could not be imported, with the command that mends it when that is known."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        remedy = _remedy(error.name, dist)
        return f"needs the module {error.name}, which is not installed" + (f": {remedy}" if remedy else "")
    return f"its import failed: {type(error).__name__}: {error}"


def _remedy(module: str, dist: Distribution | None) -> str:
    """The pip command for a missing module, as the requirements of the plugin's distribution tell."""
    wanted = _normalised(module.partition(".")[0])
    for requirement in (dist.requires if dist is not None else None) or ():
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        if name is None or _normalised(name[0]) != wanted:
            continue
        extra = re.search(r"""extra\s*==\s*["']([^"']+)["']""", requirement)
        assert dist is not None
        return f"pip install '{dist.name}[{extra[1]}]'" if extra else f"pip install {name[0]}"
    return ""


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
