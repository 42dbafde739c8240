"""Turns raw values into the types that settings declare.

A raw value is text from a command line or the environment, or whatever a file held. The annotation of the field
decides: bool, int, float, str, ``X | None`` or ``tuple[X, ...]``; then come the setting's choices and bounds. Errors
say what was found and what was expected; where it came from is added by `config`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from typing import Any, NamedTuple

from .settings import Setting

TRUE = ("1", "true", "yes", "on")
FALSE = ("0", "false", "no", "off")
NONE = ("", "off", "none")
SCALARS = (bool, int, float, str)


class Kind(NamedTuple):
    """The shape of a setting's value."""

    scalar: type
    optional: bool = False
    repeated: bool = False

    def __str__(self) -> str:
        name = {bool: "on/off", int: "integer", float: "number", str: "text"}[self.scalar]
        return f"{name}, may be repeated" if self.repeated else f"{name} or off" if self.optional else name


@functools.cache
def kinds(group: type) -> dict[str, Kind]:
    """The kind of each field. Raises TypeError for an annotation that no setting can have."""
    hints = typing.get_type_hints(group)
    return {
        field.name: _kind(f"{group.__name__}.{field.name}", hints[field.name]) for field in dataclasses.fields(group)
    }


def _kind(where: str, annotation: Any) -> Kind:
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in SCALARS:
        return Kind(annotation)
    if origin in (typing.Union, types.UnionType):
        inner = [part for part in parts if part is not type(None)]
        if len(inner) == 1 and len(parts) == 2 and inner[0] in SCALARS:
            return Kind(inner[0], optional=True)
    if origin is tuple and len(parts) == 2 and parts[1] is ... and parts[0] in SCALARS:
        return Kind(parts[0], repeated=True)
    raise TypeError(
        f"{where} is declared as {annotation!r}; bool, int, float, str, X | None or tuple[X, ...] was expected"
    )


def unsupported_type(group: type) -> str:
    """What is wrong with the annotations of a settings group; empty when nothing is."""
    try:
        kinds(group)
    except (TypeError, NameError) as error:
        return str(error)
    return ""


def parse(raw: Any, kind: Kind, facts: Setting) -> Any:
    """The value. Raises ValueError."""
    if not kind.repeated:
        return _single(raw, kind, facts)
    items = raw if isinstance(raw, (list, tuple)) else [raw]
    return tuple(_single(item, kind, facts) for item in items)


def _single(raw: Any, kind: Kind, facts: Setting) -> Any:
    if facts.check is not None:
        value = facts.check(raw)
    elif kind.optional and (raw is None or (isinstance(raw, str) and raw.strip().lower() in NONE)):
        value = None
    else:
        value = _scalar(raw, kind.scalar)
    if value is None:
        return None
    if facts.choices and value not in facts.choices:
        from .nearest import nearest

        near = nearest(str(value), facts.choices)
        hint = f": did you mean {near!r}" if near else ""
        raise ValueError(f"{value!r} is none of {', '.join(facts.choices)}{hint}")
    if facts.minimum is not None and value < facts.minimum:
        raise ValueError(f"{value} is less than {facts.minimum}, the least that is allowed")
    if facts.maximum is not None and value > facts.maximum:
        raise ValueError(f"{value} is more than {facts.maximum}, the most that is allowed")
    return value


def _scalar(raw: Any, scalar: type) -> Any:
    if scalar is bool:
        return _boolean(raw)
    if scalar is str:
        if not isinstance(raw, str):
            raise ValueError(f"{raw!r} is not a text")
        return raw
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
        raise ValueError(f"{raw!r} is not {_article(scalar)}")
    try:
        value = scalar(raw)
    except (ValueError, OverflowError):
        raise ValueError(f"{raw!r} is not {_article(scalar)}") from None
    if scalar is int and isinstance(raw, float) and value != raw:
        raise ValueError(f"{raw!r} is not an integer")
    if scalar is float and not math.isfinite(value):
        raise ValueError(f"{raw!r} is not a finite number")
    return value


def _article(scalar: type) -> str:
    return "an integer" if scalar is int else "a number"


def _boolean(raw: Any) -> bool:
    word = str(raw).strip().lower()
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, (str, int)) and word in TRUE:
        return True
    if isinstance(raw, (str, int)) and word in FALSE:
        return False
    raise ValueError(f"{raw!r} is not one of on, off, yes, no, true, false, 1, 0")
