"""Every worker model of this repository, as the registry has it, with the options under which it is tried."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from asteri_core.registry import Registry

ROOT = Path(__file__).parents[2]

OURS = {path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")}
"""The distributions of the repository. What else is installed is for its own authors to test."""

VARIANTS: dict[str, dict[str, tuple[str, ...]]] = {
    "asgi": {"asgi": (), "asgi-uvloop": ("--loop", "uvloop")},
}
"""Worker models that have to be tried in more than one way."""

THREADS = ("--threads", "4")
"""For the models that have threads, and for the pool behind the bridge to a blocking interface."""


class Model(NamedTuple):
    """One way to run a worker."""

    name: str
    worker: str
    options: tuple[str, ...]


def provided(kind: str) -> list[str]:
    """The names of everything of this kind that our distributions provide, whether it is available or not."""
    plugins = [plugin for plugin in Registry.load().plugins if plugin.distribution in OURS]
    return [provision.name for plugin in plugins for provision in plugin.provides if provision.kind == kind]


def models() -> list[Model]:
    """Every worker model in every variant."""
    return [
        Model(name, worker, ("--worker-class", worker, *THREADS, *options))
        for worker in provided("worker")
        for name, options in VARIANTS.get(worker, {worker: ()}).items()
    ]


MODELS = [pytest.param(model, id=model.name) for model in models()]
