"""What the documents name exists: sessions, options, modules, files; and the README promises two commands."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
from pathlib import Path

import pytest
from asteri_core.command import parse
from asteri_core.registry import Registry

CODE = re.compile(r"`([^`\n]+)`|^ {4}(\S.*)$", re.MULTILINE)
FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"(?:asteri_core|plugins|examples|docs|tests|changes|benchmarks)/[\w./-]*")
DOTTED = re.compile(r"asteri(?:_\w+)?(?:\.\w+)+")
NOT_PYTHON = (".toml", ".pid", ".log", ".sock", "asteri.error", "asteri.access", "asteri.trailers",
              "asteri.request.trailers", "asteri.websocket")  # fmt: skip
"""Names of files, of the two loggers, and of what applications find in their environ or scope, look like modules."""
TRY_IT = [f"python3 -m pip install nox && python3 -m nox -s {session}" for session in ("serve", "tests")]


def code(document: Path) -> list[str]:
    """Every piece of code in a document: inline, indented and fenced, by the line."""
    text = document.read_text("utf-8")
    fenced = [line for block in FENCED.findall(text) for line in block.splitlines()]
    return fenced + [inline or indented for inline, indented in CODE.findall(FENCED.sub("", text))]


def sessions_named(line: str) -> list[str]:
    """The sessions of a nox command."""
    found = re.search(r"\bnox (?:\S+ )*?-s ((?:[a-z][a-z0-9]* ?)+)", line)
    return found[1].split() if found else []


def resolves(dotted: str) -> bool:
    """Whether a dotted name is a module, or an attribute that can be reached from one."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


@pytest.fixture(scope="module")
def options() -> set[str]:
    """Every long and short option that ``asteri --help`` shows."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        parse(Registry.load(), ["--help"])
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", output.getvalue()))


def test_every_nox_session_exists(root: Path, documents: list[Path]) -> None:
    declared = set(re.findall(r"@nox\.session(?:\(.*\))?\ndef (\w+)", (root / "noxfile.py").read_text()))
    named = {session for document in documents for line in code(document) for session in sessions_named(line)}
    assert {"serve", "tests"} <= named <= declared


def test_every_option_of_a_command_line_exists(documents: list[Path], options: set[str]) -> None:
    assert "--bind" in options
    unknown = [
        f"{document.name}: {line}"
        for document in documents
        for line in code(document)
        for command in re.findall(r"(?:^|[ =/\"])asteri[\s\",]+(-.*)", line)
        for option in re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", command)
        if option not in options
    ]
    assert unknown == []


def test_every_option_that_is_named_exists(documents: list[Path], options: set[str]) -> None:
    # The page for those who come from other servers names options of theirs as well; it has a test of its own.
    named = [(page.name, line) for page in documents if page.name != "migrating.md" for line in code(page)]
    flags = [(page, flag[0]) for page, line in named if (flag := re.match(r"--[a-z][\w-]*", line))]
    assert flags
    # The plugin that a guide writes down has settings of its own.
    written = {name for page in documents for name in re.findall(r"(\w+): \w+ = setting\(", page.read_text("utf-8"))}
    known = options | {"--" + name.replace("_", "-") for name in written}
    assert [f"{page}: {flag}" for page, flag in flags if flag not in known] == []


def test_every_path_exists(root: Path, documents: list[Path]) -> None:
    named = [(document, path) for document in documents for line in code(document) for path in PATH.findall(line)]
    assert named
    missing = [f"{document.name}: {path}" for document, path in named if not (root / path.rstrip(".")).exists()]
    assert missing == []


def test_every_dotted_name_resolves(documents: list[Path]) -> None:
    named = {name for document in documents for line in code(document) for name in DOTTED.findall(line)}
    assert sorted(name for name in named if not name.endswith(NOT_PYTHON) and not resolves(name)) == []


@pytest.mark.parametrize(("name", "expected"), [("asteri_core.api.setting", True), ("asteri_core.api.no_such", False)])
def test_a_dotted_name_is_resolved(name: str, expected: bool) -> None:
    assert resolves(name) is expected


def test_the_readme_promises_exactly_two_commands(root: Path) -> None:
    section = (root / "README.md").read_text("utf-8").partition("## Try it")[2].partition("\n## ")[0]
    assert [line.strip() for block in FENCED.findall(section) for line in block.splitlines()] == TRY_IT
