"""What single pages say is compared with the code that it is about."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from asteri_core.config import Config, all_settings
from asteri_core.process import arbiter, signals
from asteri_core.registry import Registry
from asteri_core.show import words
from written_packages import files

from asteri_core import errors, hooks

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCES = [ROOT / "src", ROOT / "asteri_core" / "src", *ROOT.glob("plugins/*/src")]
TOLD_BY_CLASS = [DOCS / "architecture.md", DOCS / "design.md", *sorted((DOCS / "discussion").glob("*.md"))]
ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)
CLASS = re.compile(r"`([A-Z]\w*[a-z]\w*(?:\.\w+)*)`")
REGISTRY = Registry.load()


def rows(page: Path, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head."""
    table = page.read_text("utf-8").partition(f"\n{heading}\n")[2].partition("\n#")[0]
    return [row.split(" | ") for row in ROW.findall(table)][1:]


def trees() -> Iterator[ast.Module]:
    for source in SOURCES:
        for path in source.rglob("*.py"):
            yield ast.parse(path.read_text("utf-8"), str(path))


# -- tables ----------------------------------------------------------------------------------------------------------


def test_the_table_of_hooks_is_what_the_hooks_say() -> None:
    declared = []
    for name in hooks.LIFECYCLE:
        hook = getattr(hooks, name)
        says = " ".join((inspect.getdoc(hook) or "").split()).replace("``", "`")
        declared.append([f"`{name}({', '.join(inspect.signature(hook).parameters)})`", says])
    assert rows(DOCS / "configuration.md", "## Lifecycle hooks") == declared


def test_the_table_of_signals_has_those_that_the_arbiter_handles() -> None:
    named = [f"SIG{name}" for row in rows(DOCS / "signals.md", "## To the arbiter") for name in row[0].split(", ")]
    assert sorted(named) == sorted(one.name for one in (*arbiter.SIGNALS, *arbiter.IGNORED))


def test_the_table_of_a_workers_signals_has_those_that_it_knows() -> None:
    named = {f"SIG{name}" for row in rows(DOCS / "signals.md", "## To a worker") for name in row[0].split(", ")}
    source = (ROOT / "asteri_core/src/asteri_core/process/worker.py").read_text("utf-8")
    # USR2 is faulthandler's, which the fork sees to.
    assert named == {*re.findall(r"signal\.(SIG[A-Z]+\d?)\b", source), signals.RELIEVE.name, signal.SIGUSR2.name}


def test_the_table_of_exit_statuses_has_those_of_the_errors() -> None:
    raised = {error.exit_status for error in vars(errors).values() if hasattr(error, "exit_status")}
    assert {int(row[0]) for row in rows(DOCS / "signals.md", "## Exit statuses")} == {0, *raised}


def test_the_table_of_limits_has_their_defaults() -> None:
    settings = all_settings(REGISTRY)
    said = {name.strip("`"): default for name, default, _ in rows(DOCS / "deploying.md", "## Limits and deadlines")}
    assert said == {name: f"`{words(settings[name].default)}`" for name in said}
    limits = {name for name in settings if name.startswith("limit_") or name.endswith("timeout")}
    assert limits <= said.keys()


def test_what_others_options_become_are_options_of_ours() -> None:
    page = DOCS / "migrating.md"
    text = page.read_text("utf-8")
    ours = {"--" + name.replace("_", "-") for name in all_settings(REGISTRY)}
    ours |= {"--config", "--check-config", "--print-config"}
    same = text.partition("These options")[2].partition("`WEB_CONCURRENCY`")[0]
    same += text.partition("| `asteri.Server` |")[2].partition(" are the same")[0]
    second = [cells[1] for row in ROW.findall(text) if len(cells := row.split(" | ")) == 2]
    named = re.findall(r"--[a-z][\w-]*", " ".join([same, *second]))
    assert len(named) > 40
    assert sorted(set(named) - ours) == []


def test_what_names_of_gunicorns_file_become_are_settings() -> None:
    table = rows(DOCS / "migrating.md", "## From gunicorn")[:7]
    names = [name.strip("`") for row in table for name in row[1].split(", ")]
    assert "keep_alive" in names
    assert sorted(set(names) - all_settings(REGISTRY).keys()) == []


# -- code ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["asteri.toml", "shop_config.py"])
def test_a_configuration_file_of_the_page_is_valid(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(files(DOCS / "configuration.md")[name])
    config = Config.load(REGISTRY, {}, {}, tmp_path, name)
    assert config.source("bind") == name
    assert set(REGISTRY.with_hooks(config.hooks).hooks) >= set(config.hooks)


@pytest.mark.parametrize("name", ["in_a_thread.py", "in_a_loop.py"])
def test_a_program_of_the_page_runs(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(files(DOCS / "from-python.md")[name])
    command = [sys.executable, "-W", "error", name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert "hello" in done.stdout


def test_keyword_arguments_in_programs_are_settings(documents: list[Path]) -> None:
    known = {*all_settings(REGISTRY), "config"}
    blocks = [
        block
        for page in documents
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    ]
    calls = [
        node
        for block in blocks
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("asteri.run", "asteri.Server")
    ]
    assert calls
    assert {keyword.arg for call in calls for keyword in call.keywords} - known == set()


# -- names -----------------------------------------------------------------------------------------------------------


@functools.cache
def classes() -> dict[str, set[str]]:
    """Every class of the sources, and what it and those of its name define."""
    found: dict[str, set[str]] = {}
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                members = found.setdefault(node.name, set())
                for part in ast.walk(node):
                    if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                        members.add(part.name)
                    elif isinstance(part, ast.Attribute) and ast.unparse(part.value) == "self":
                        members.add(part.attr)
                    elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                        members.add(part.id)
    return found


def unknown_classes(page: Path, known: dict[str, set[str]]) -> list[str]:
    named = [name.split(".") for name in CLASS.findall(page.read_text("utf-8"))]
    return [
        ".".join(parts)
        for parts in named
        if parts[0] not in known or (len(parts) > 1 and parts[1] not in known[parts[0]])
    ]


@pytest.mark.parametrize("page", TOLD_BY_CLASS, ids=lambda page: page.stem)
def test_every_class_and_method_that_a_page_names_exists(page: Path) -> None:
    assert unknown_classes(page, classes()) == []


def test_an_unknown_class_or_method_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`Reactor._accept`, `Reactor.no_such` and `NoSuch`, `TERM`, `Expect: 100-continue`")
    assert unknown_classes(page, classes()) == ["Reactor.no_such", "NoSuch"]


# -- log lines -------------------------------------------------------------------------------------------------------

HOLE = re.compile(r"%[.\d]*[a-z]|\{[^}]*\}")


def messages() -> Iterator[re.Pattern[str]]:
    """Everything that the sources may log or say, as patterns."""
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            else:
                continue
            if re.search(r"[a-z]{3}", HOLE.sub("", text)):
                yield re.compile(".+".join(map(re.escape, HOLE.split(text))))


@pytest.mark.parametrize("name", ["debugging.md"])
def test_every_log_line_that_is_quoted_can_be_logged(name: str) -> None:
    quoted = re.findall(r"^ {4}\[20\S+ \S+ \S+\] \[\d+\] \[[A-Z]+\] (.*)$", (DOCS / name).read_text(), re.MULTILINE)
    assert quoted
    known = list(messages())
    assert [line for line in quoted if not any(pattern.fullmatch(line) for pattern in known)] == []
