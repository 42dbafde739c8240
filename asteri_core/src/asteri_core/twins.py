"""Which of two twins serves: the Python one, which defines the meaning, or the C one, which is fast.

``ASTERI_IMPL`` forces one of them everywhere, ``python`` or ``native``. Without it each part is native where its C
module has been built, and Python where it has not: on a machine without a compiler, or on another interpreter. This
module only finds C modules; it knows none by name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
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

    Raises `PluginError` when native is forced and the module cannot be imported, `ConfigurationError` as
    `implementation`.
    """
    forced = implementation()
    if forced == PYTHON:
        return None
    try:
        return import_module(module)
    except ImportError as error:
        if forced == NATIVE:
            raise PluginError(f"{VARIABLE} is {NATIVE}, but {why_missing(module, error)}") from error
        return None


def twin_in_use(module: str) -> str:
    """For ``--plugin list``: which twin serves and, when it is not the native one, why."""
    if implementation() == PYTHON:
        return f"in Python, as {VARIABLE} asks"
    try:
        import_module(module)
    except ImportError as error:
        return f"in Python, because {why_missing(module, error)}"
    return "in C"


def why_missing(module: str, error: ImportError) -> str:
    """In words: why there is no such C module, and what would mend it."""
    distribution = module.partition(".")[0].replace("_", "-")
    if isinstance(error, ModuleNotFoundError):
        module = error.name or module
        return f"{module} was not built: install a C compiler and the headers of Python, then {distribution} again"
    return f"{module} cannot be imported: {error}"
