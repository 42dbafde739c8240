"""Writes the page of all settings, docs/settings.md, from the settings of the installed plugins.

    python -m asteri_core.settings_page             prints the page
    python -m asteri_core.settings_page --write FILE
    python -m asteri_core.settings_page --check FILE   exits with 1 when the file is not the page

The page says nothing that the declarations do not say, so it cannot differ from ``--help``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from .command import title
from .config import Declared, all_settings
from .registry import Registry
from .show import words

COMMAND = "python -m asteri_core.settings_page --write docs/settings.md"

OPENING = f"""\
# Settings

Every setting may be given on the command line, as an environment variable, or as a key of a file: `asteri.toml`, the
table `[tool.asteri]` of `pyproject.toml`, or a Python file named with `-c`. The command line comes first, then the
environment, the file, the default. `asteri --print-config` shows every value and where it came from. Repeated settings
are lists in a file and separated by commas in the environment.

*Reload* says whether HUP applies a changed value; the others need a restart. Times are in seconds.

<!-- This page is generated: {COMMAND} -->
"""

HEADER = "| Setting | Command line | Environment | Type | Default | Reload | Meaning |\n|---|---|---|---|---|---|---|"


def page(registry: Registry) -> str:
    """The page, in Markdown."""
    settings = all_settings(registry).values()
    parts = [OPENING]
    for group in registry.settings:
        rows = "\n".join(_row(setting) for setting in settings if setting.group is group)
        parts.append(f"## {title(group)}\n\n{HEADER}\n{rows}\n")
    return "\n".join(parts)


def _row(setting: Declared) -> str:
    facts = setting.facts
    flag = "--" + setting.name.replace("_", "-")
    flags = "APP" if setting.name == "app" else ", ".join(f"`{spelling}`" for spelling in (*facts.flags, flag))
    cells = (
        f"`{setting.name}`",
        flags,
        ", ".join(f"`{name}`" for name in setting.environment),
        ", ".join(facts.choices) or str(setting.kind),
        "" if setting.default in (None, "", ()) else f"`{words(setting.default)}`",
        "yes" if facts.reloadable else "no",
        facts.help,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main(arguments: Sequence[str]) -> int:
    """Run the command above and return the exit status."""
    registry = Registry.load()
    broken = registry.missing_plugins()
    if broken:
        print(f"the page would lack settings{broken}", file=sys.stderr)
        return 1
    text = page(registry)
    match arguments:
        case []:
            print(text, end="")
        case ["--write", file]:
            Path(file).write_text(text, "utf-8")
        case ["--check", file]:
            path = Path(file)
            if not path.is_file() or path.read_text("utf-8") != text:
                print(f"{file} is not what the settings say; write it with: {COMMAND}", file=sys.stderr)
                return 1
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
