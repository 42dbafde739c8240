"""Which of two twins serves: the Python one, which defines the meaning, or the C one, which is fast.

``ASTERI_IMPL`` forces one of them everywhere, ``python`` or ``native``. Without it each part is native where its C
module has been built, and Python where it has not: on a machine without a compiler, or on another interpreter. This
module only finds C modules; it knows none by name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from .errors import ConfigurationError, PluginError

VARIABLE = "ASTERI_IMPL"
PYTHON, NATIVE = "python", "native"


def implementation(environ: Mapping[str, str] | None = None) -> str:
    """What `VARIABLE` forces, empty when nothing. Raises `ConfigurationError` for any other word."""
    word = (os.environ if environ is None else environ).get(VARIABLE, "")
    if word not in ("", PYTHON, NATIVE):
        raise ConfigurationError(f"{VARIABLE} is {word!r}, and {PYTHON} or {NATIVE} was expected")
    return word


def native_twin(module: str) -> ModuleType | None:
    """The C module of this name, or None where the Python twin is to serve.

    Raises `PluginError` when native is forced and it was not built, and when it was built but cannot be imported;
    `ConfigurationError` as `implementation`.
    """
    forced = implementation()
    if forced == PYTHON:
        return None
    if not is_built(module):
        if forced == NATIVE:
            raise PluginError(f"{VARIABLE} is {NATIVE}, but {why_missing(module)}")
        return None
    try:
        return import_module(module)
    except ImportError as error:
        raise PluginError(
            f"{module} cannot be imported: {error}; build it anew, or set {VARIABLE}={PYTHON} to serve without it"
        ) from error


def twin_in_use(modules: Sequence[str]) -> str:
    """For ``--plugin list``: which twin serves and, when it is not the native one, why. Nothing is imported."""
    if implementation() == PYTHON:
        return f"in Python, as {VARIABLE} asks"
    for module in modules:
        if not is_built(module):
            return f"in Python, because {why_missing(module)}"
    return "in C"


def is_built(module: str) -> bool:
    """Whether there is such a module. The packages above it are imported, it is not."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def why_missing(module: str) -> str:
    """In words: that there is no such C module, and what would mend it."""
    distribution = module.partition(".")[0].replace("_", "-")
    return f"{module} was not built: install a C compiler and the headers of Python, then {distribution} again"
