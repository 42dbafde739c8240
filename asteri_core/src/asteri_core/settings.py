"""What a setting is. A plugin declares its settings as a frozen dataclass and gets back an instance of it.

    @dataclass(frozen=True, slots=True)
    class EchoSettings:
        echo_limit: int = setting(1024, "longest line echoed, in bytes", metavar="BYTES", minimum=1)

One declaration gives the name, the type, the default, the help, the flag (``--echo-limit``), the environment name
(``ASTERI_ECHO_LIMIT``) and the key in a file (``echo_limit``). This module declares; `config` finds, checks and keeps
values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

METADATA_KEY = "asteri.setting"


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """What is known of a setting besides its field's name, type and default."""

    help: str
    flags: tuple[str, ...] = ()
    """Short or further spellings on the command line; ``--its-name`` is always there."""
    metavar: str = ""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    environment: tuple[str, ...] = ()
    """Further environment names, after ``ASTERI_ITS_NAME``."""
    reloadable: bool = True
    """Whether HUP applies a changed value."""
    check: Callable[[Any], Any] | None = None
    """Turns the raw value (str from a command line, anything from a file) into the value, or raises ValueError."""
    separator: str = ","
    """Stands between the values of a repeated setting in the environment."""
    secret: bool = False
    """Whether the value is hidden when the configuration is printed."""


def setting(default: Any, help: str, **facts: Any) -> Any:
    """A dataclass field that is a setting. ``facts`` are the other fields of `Setting`.

    The field's annotation gives the type: bool, int, float (seconds unless the help says otherwise), str, ``X |
    None``, or ``tuple[X, ...]`` for one that may be repeated.
    """
    return dataclasses.field(default=default, metadata={METADATA_KEY: Setting(help, **facts)})


def declared(group: type) -> Sequence[tuple[dataclasses.Field[Any], Setting]]:
    """The settings of a settings class, in the order they are written."""
    return [(field, field.metadata[METADATA_KEY]) for field in dataclasses.fields(group)]
