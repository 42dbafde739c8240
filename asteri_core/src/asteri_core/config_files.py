"""Reads configuration files: TOML, ``[tool.asteri]`` of a pyproject.toml, or Python when the name ends in ``.py``.

What comes out is raw: names and values as they are written, with the lifecycle functions of a Python file apart. Types
and unknown names are `config`'s affair, except for what only a Python file can get wrong.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import ConfigurationError
from .hooks import LIFECYCLE
from .nearest import nearest, suggestion

DEFAULT_FILE = "asteri.toml"
PYPROJECT = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What a file says."""

    name: str
    """As it is shown as the source of a value."""
    values: Mapping[str, Any]
    hooks: Mapping[str, Any] = field(default_factory=dict)


def find(cwd: Path, file: str | None) -> Path | None:
    """The file to read: the one named, else ./asteri.toml, else ./pyproject.toml if it has ``[tool.asteri]``."""
    if file is not None:
        return cwd / file
    if (cwd / DEFAULT_FILE).is_file():
        return cwd / DEFAULT_FILE
    pyproject = cwd / PYPROJECT
    if pyproject.is_file():
        # The TOML parser costs a good part of a start; most projects that have the file say nothing about asteri in it.
        try:
            mentioned = b"asteri" in pyproject.read_bytes()
        except OSError:
            return None
        if mentioned and _tool_table(_toml(pyproject), pyproject) is not None:
            return pyproject
    return None


def read(path: Path, name: str, settings: Iterable[str]) -> ConfigFile:
    """What the file says. ``settings`` are the names a Python file may set. Raises `ConfigurationError`."""
    if path.suffix == ".py":
        return _python(path, name, set(settings))
    table = _toml(path)
    if path.name == PYPROJECT:
        tool = _tool_table(table, path)
        if tool is None:
            raise ConfigurationError(f"{name} has no table [tool.asteri]")
        return ConfigFile(f"{name} [tool.asteri]", tool)
    return ConfigFile(name, table)


def _toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(_source(path).decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path.name} is not valid TOML: {error}") from error


def _tool_table(table: dict[str, Any], path: Path) -> dict[str, Any] | None:
    tools = table.get("tool")
    found = tools.get("asteri") if isinstance(tools, dict) else None
    if found is not None and not isinstance(found, dict):
        raise ConfigurationError(f"tool.asteri of {path.name} is {found!r}, and a table was expected")
    return found


def _source(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read the configuration file {path}: {error.strerror}") from error


def _python(path: Path, name: str, settings: set[str]) -> ConfigFile:
    namespace: dict[str, Any] = {"__name__": "__asteri_config__", "__file__": str(path)}
    try:
        exec(compile(_source(path), str(path), "exec", dont_inherit=True), namespace)
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(f"{name} failed: {type(error).__name__}: {error}") from error
    values: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for key, value in namespace.items():
        if key in settings:
            values[key] = value
        elif key in LIFECYCLE:
            found[key] = value
        elif not _ignored(key, value, settings):
            raise ConfigurationError(
                f"{name} sets {key!r}, which is no setting: {suggestion(key.lower(), settings)}; "
                "begin a name of your own with an underscore"
            )
    return ConfigFile(name, values, found)


def _ignored(key: str, value: Any, settings: set[str]) -> bool:
    """Whether a name is the file's own business: private, a constant, something imported, or a helper function."""
    if key.startswith("_") or isinstance(value, types.ModuleType):
        return True
    if isinstance(value, types.FunctionType) and value.__module__ == "__asteri_config__":
        # A mistyped hook would never be called, and nobody would know.
        near = nearest(key, LIFECYCLE, 0.8)
        if near is not None:
            raise ConfigurationError(f"there is no lifecycle hook {key!r}: did you mean {near!r}")
        return True
    return callable(value) or (key.isupper() and key.lower() not in settings)
