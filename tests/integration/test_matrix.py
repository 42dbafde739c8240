"""Every protocol on every worker model with every interface, as the registry has them, on real server processes.

A protocol brings its table, ``conversations/<protocol>.py``, and an interface its application,
``applications/<interface>.py``; what is registered without is a failure. Nothing here names one of them.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asteri_core.registry import Registry
from asteri_core.testing import RunningServer, running_server
from worker_models import Model, models, provided

HERE = Path(__file__).parent
PROTOCOLS = provided("protocol")
INTERFACES = provided("interface")


def conversations() -> list[Any]:
    """Every conversation of every protocol that has a table."""
    tables = [name for name in PROTOCOLS if (HERE / "conversations" / f"{name}.py").exists()]
    return [
        pytest.param(conversation, id=f"{name}-{conversation.__name__}")
        for name in tables
        for conversation in importlib.import_module(f"conversations.{name}").CONVERSATIONS
    ]


def combinations() -> list[Any]:
    """Every worker model with every interface that has an application."""
    applications = [name for name in INTERFACES if (HERE / "applications" / f"{name}.py").exists()]
    return [pytest.param((model, name), id=f"{model.name}-{name}") for model in models() for name in applications]


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, implementation: str) -> Iterator[RunningServer]:
    model: Model
    model, interface = request.param
    with running_server(
        f"{interface}:app", "--interface", interface, *model.options, cwd=HERE / "applications"
    ) as server:
        workers = server.workers()
        yield server
        assert server.workers() == workers, "\n".join(server.lines)
        assert server.stop() == 0


@pytest.mark.parametrize("server", combinations(), indirect=True, scope="module")
@pytest.mark.parametrize("conversation", conversations())
def test_matrix(server: RunningServer, conversation: Any) -> None:
    conversation(server.connect)


def test_every_protocol_has_conversations() -> None:
    assert PROTOCOLS
    assert [name for name in PROTOCOLS if not (HERE / "conversations" / f"{name}.py").exists()] == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_conversation_is_in_its_table(protocol: str) -> None:
    module = importlib.import_module(f"conversations.{protocol}")
    functions = {
        value
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
    }
    assert functions == set(module.CONVERSATIONS)


def test_every_interface_has_an_application() -> None:
    assert INTERFACES
    assert [name for name in INTERFACES if not (HERE / "applications" / f"{name}.py").exists()] == []


def test_nothing_is_left_out_because_a_dependency_is_missing() -> None:
    registry = Registry.load()
    wanted = {(kind, name) for kind in ("protocol", "interface", "worker") for name in provided(kind)}
    assert {key: why for key, why in registry.unavailable.items() if key in wanted} == {}
