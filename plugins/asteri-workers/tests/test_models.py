"""Every worker model keeps its contracts, on both event loops where it has one."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from asteri_core.config import Config
from asteri_core.registry import Registry
from asteri_core.testing import check_executor
from asteri_workers.settings import WorkersSettings

REGISTRY = Registry.load()


def config(**settings: Any) -> Config:
    return Config.load(REGISTRY, settings, {}, ".", no_file=True)


@pytest.fixture(params=["asteri_core.kernel", "asteri_native.kernel"], ids=["py", "c"])
def kernel(request: pytest.FixtureRequest) -> Any:
    return import_module(request.param)


@pytest.mark.parametrize("name", ["sync", "gthread", "asgi"])
def test_the_worker_model_keeps_the_contract(name: str, kernel: Any) -> None:
    check_executor(REGISTRY.worker(name), config(), kernel=kernel)


def test_the_asgi_model_keeps_the_contract_on_uvloop(kernel: Any) -> None:
    check_executor(REGISTRY.worker("asgi"), config(loop="uvloop"), kernel=kernel)


def test_an_unknown_loop_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(Exception, match=r"auto.*asyncio.*uvloop"):
        config(loop="trio")


def test_the_loop_is_asyncio_unless_asked_for() -> None:
    assert config()[WorkersSettings].loop == "auto"
