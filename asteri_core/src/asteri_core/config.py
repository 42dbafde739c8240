"""The value of every setting, checked and typed, and where it came from.

The command line comes before the environment (``ASTERI_*``), that before the file, and that before the default.
`Config` satisfies `asteri_core.specs.Config`. It is never changed: HUP loads a new one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar, cast

from . import config_files
from .errors import ConfigurationError
from .nearest import nearest, suggestion
from .registry import Registry
from .settings import Setting, declared
from .values import Kind, kinds, parse

T = TypeVar("T")

PREFIX = "ASTERI_"
COMMAND_LINE = "command line"
DEFAULT = "default"


class Declared(NamedTuple):
    """A setting and all that is known of it before it has a value."""

    name: str
    group: type
    kind: Kind
    facts: Setting
    default: Any

    @property
    def environment(self) -> tuple[str, ...]:
        """The environment names, the first one that is set counts."""
        return (PREFIX + self.name.upper(), *self.facts.environment)


class Entry(NamedTuple):
    """A setting with its value."""

    setting: Declared
    value: Any
    source: str


def all_settings(registry: Registry) -> dict[str, Declared]:
    """Every setting by its name, in the order of the groups."""
    return {
        field.name: Declared(field.name, group, kinds(group)[field.name], facts, field.default)
        for group in registry.settings
        for field, facts in declared(group)
    }


class Config:
    """The checked values of every setting: ``config[ServerSettings].backlog``."""

    __slots__ = ("_entries", "_groups", "file", "held_back", "hooks")

    def __init__(
        self, entries: Mapping[str, Entry], file: Path | None, hooks: Mapping[str, Any], held_back: tuple[str, ...]
    ) -> None:
        self._entries = entries
        self._groups: dict[type, Any] = {}
        for group in dict.fromkeys(entry.setting.group for entry in entries.values()):
            names = [field.name for field in dataclasses.fields(group)]
            self._groups[group] = group(**{name: entries[name].value for name in names})
        self.file = file
        """The configuration file that was read."""
        self.hooks = hooks
        """The lifecycle functions of a Python configuration file, for `Registry.with_hooks`."""
        self.held_back = held_back
        """Settings whose changed values were not taken over by a reload, because they need a restart."""

    @classmethod
    def load(
        cls,
        registry: Registry,
        arguments: Mapping[str, Any],
        environ: Mapping[str, str],
        cwd: str | Path,
        file: str | None = None,
        previous: Config | None = None,
        no_file: bool = False,
    ) -> Config:
        """Find, read and check every value. Raises `ConfigurationError`.

        ``arguments`` are the settings given on the command line. With ``previous``, the values of settings that cannot
        be reloaded are taken from there. With ``no_file`` none is looked for.
        """
        settings = all_settings(registry)
        for name in arguments:
            if name not in settings:
                raise ConfigurationError(f"there is no setting {name!r}: {suggestion(name, settings)}")
        _check_environment(settings, environ)
        path = None if no_file else config_files.find(Path(cwd), file)
        found = config_files.ConfigFile("", {})
        if path is not None:
            found = config_files.read(path, file or path.name, settings)
        values = _named(found, settings, registry)
        entries = {name: _entry(one, arguments, environ, values, found.name) for name, one in settings.items()}
        held_back = []
        if previous is not None:
            for name, entry in entries.items():
                old = previous.entry(name)
                if not entry.setting.facts.reloadable and entry.value != old.value:
                    entries[name] = old
                    held_back.append(name)
        return cls(entries, path, MappingProxyType(dict(found.hooks)), tuple(held_back))

    def __getitem__(self, group: type[T]) -> T:
        return cast(T, self._groups[group])

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def entry(self, name: str) -> Entry:
        """The setting of this name. Raises KeyError."""
        return self._entries[name]

    def source(self, name: str) -> str:
        """Where the value came from: ``command line``, ``environment ASTERI_X``, the file's name, or ``default``."""
        return self._entries[name].source


def _named(file: config_files.ConfigFile, settings: Mapping[str, Declared], registry: Registry) -> dict[str, Any]:
    """The file's values by setting name; hyphens stand for underscores, as on the command line."""
    values: dict[str, Any] = {}
    for key, value in file.values.items():
        name = key.replace("-", "_")
        if name not in settings:
            hint = suggestion(name, settings) + registry.missing_plugins()
            raise ConfigurationError(f"{file.name} sets {key!r}, which is no setting: {hint}")
        if name in values:
            raise ConfigurationError(f"{file.name} sets {name!r} twice")
        values[name] = value
    return values


def _check_environment(settings: Mapping[str, Declared], environ: Mapping[str, str]) -> None:
    """Refuse an ``ASTERI_`` name that looks like a mistyped setting.

    Others are let be: the environment is shared, and Kubernetes, for one, makes up names such as ASTERI_SERVICE_HOST
    and ASTERI_PORT for a service that is called asteri.
    """
    for name in environ:
        if not name.startswith(PREFIX):
            continue
        key = name[len(PREFIX) :].lower()
        if key not in settings:
            near = nearest(key, settings, 0.85)
            if near is not None:
                raise ConfigurationError(
                    f"the environment variable {name} names no setting: did you mean {PREFIX}{near.upper()}"
                )


def _entry(
    setting: Declared,
    arguments: Mapping[str, Any],
    environ: Mapping[str, str],
    values: Mapping[str, Any],
    file: str,
) -> Entry:
    name = setting.name
    if name in arguments:
        return _parsed(setting, arguments[name], COMMAND_LINE, "--" + name.replace("_", "-"))
    for variable in setting.environment:
        text = environ.get(variable)
        # An empty variable is how compose files leave one unset; only for a text is empty a value.
        if text is not None and (text != "" or (variable.startswith(PREFIX) and setting.kind == Kind(str))):
            raw: Any = text
            if setting.kind.repeated:
                raw = [item.strip() for item in text.split(setting.facts.separator) if item.strip()]
            return _parsed(setting, raw, f"environment {variable}", variable)
    if name in values:
        return _parsed(setting, values[name], file, f"{name} in {file}")
    return Entry(setting, setting.default, DEFAULT)


def _parsed(setting: Declared, raw: Any, source: str, where: str) -> Entry:
    try:
        return Entry(setting, parse(raw, setting.kind, setting.facts), source)
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}") from error
