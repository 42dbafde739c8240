"""What this distribution registers: the kernel's hot parts in C."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from asteri_core.api import KernelSpec, hookimpl

asteri_api = 1


def load() -> Any:
    """The module with the parts. The C modules are imported here and not by who only lists the plugins."""
    return import_module("asteri_native.kernel")


@hookimpl
def asteri_kernels() -> Sequence[KernelSpec]:
    return [
        KernelSpec(
            name="native",
            provides="the reactor, the executors and the ledger",
            load=load,
            native=tuple(f"asteri_native._{name}" for name in ("reactor", "executors", "ledger", "tasks")),
        )
    ]
