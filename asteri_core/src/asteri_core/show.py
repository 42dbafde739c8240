"""How the configuration and the plugins are printed: as text for people, as TOML or JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from .config import Config, Entry
from .registry import PluginInfo

HIDDEN = "(hidden)"


def config_as(form: str, config: Config) -> str:
    """Every setting with its value and its source, as ``text``, ``toml`` or ``json``."""
    return {"text": _text, "toml": _toml, "json": _json}[form](config)


def _shown(entry: Entry) -> Any:
    """The value, or a word in its place when it is secret and somebody has set it."""
    if entry.setting.facts.secret and entry.value != entry.setting.default:
        return HIDDEN
    return entry.value


def _text(config: Config) -> str:
    rows = [(entry.setting.name, words(_shown(entry)), entry.source) for entry in config]
    name_width = max(len(name) for name, _, _ in rows)
    value_width = min(40, max(len(value) for _, value, _ in rows))
    return "\n".join(f"{name:<{name_width}}  {value:<{value_width}}  {source}" for name, value, source in rows)


def words(value: Any) -> str:
    """A value the way people write it."""
    if value is None or value == () or value is False:
        return "off" if value is False else "-"
    if value is True:
        return "on"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return repr(value) if value == "" else f"{value:g}" if isinstance(value, float) else str(value)


def _toml(config: Config) -> str:
    """A file that gives the same configuration again. What has no value, and what is secret, is a comment."""
    lines = []
    for entry in config:
        name, value = entry.setting.name, _shown(entry)
        line = f"# {name} =" if value is None or value is HIDDEN else f"{name} = {_toml_value(value)}"
        lines.append(f"{line}  # {entry.source}")
    return "\n".join(lines)


def _toml_value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # A JSON string is a basic TOML string, but for DEL, which TOML wants escaped.
        return json.dumps(value).replace("\x7f", "\\u007f")
    return repr(value)


def _json(config: Config) -> str:
    table = {entry.setting.name: {"value": _shown(entry), "source": entry.source} for entry in config}
    return json.dumps(table, indent=2)


def plugins_as_text(plugins: Iterable[PluginInfo]) -> str:
    """A heading per plugin, and a line per thing that it provides."""
    lines = []
    for plugin in plugins:
        state = "available" if plugin.available else f"unavailable: {plugin.why}"
        lines.append(f"{plugin.name} {plugin.version} ({plugin.distribution or 'no distribution'}) {state}")
        lines.extend(f"    {provision}" for provision in plugin.provides)
    return "\n".join(lines) if lines else "no plugin is installed"


def plugins_as_json(plugins: Iterable[PluginInfo]) -> str:
    """The same as a list of objects; ``why`` is empty for what is available."""
    table = [
        {
            "name": plugin.name,
            "version": plugin.version,
            "distribution": plugin.distribution,
            "available": plugin.available,
            "why": plugin.why,
            "provides": [
                {"kind": one.kind, "name": one.name, "says": one.says, "available": not one.why, "why": one.why}
                for one in plugin.provides
            ],
        }
        for plugin in plugins
    ]
    return json.dumps(table, indent=2)
