"""What a module may touch, read off its source: each rule is a function from a tree of sources to what breaks it.

import-linter follows chains of imports; these rules look at the single line, so they also see an import that only type
checkers run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
IMPURE_HEADERS = {"time.h", "pthread.h", "threads.h", "poll.h", "unistd.h", "netdb.h", "signal.h"}
IMPURE = {"socket", "ssl", "asyncio", "threading", "time", "selectors", "select"}
PURE_PACKAGES = ("asteri_http", "asteri_http1", "asteri_h2", "asteri_uwsgi", "asteri_websocket")
DOORS = {
    "asteri_http": {"asteri_core.api"},
    "asteri_http1": {"asteri_core.api"},
    "asteri_h2": {"asteri_core.api"},
    "asteri_uwsgi": {"asteri_core.api"},
    "asteri_websocket": {"asteri_core.api"},
    "asteri_wsgi": {"asteri_core.api"},
    "asteri_asgi": {"asteri_core.api"},
    "asteri_workers": {"asteri_core.api", "asteri_core.worker_api"},
}
PLUGGY_MODULES = {"asteri_core.hooks", "asteri_core.assembly"}
"""The only modules that import pluggy; everybody else meets it as `hookimpl` and as a frozen registry."""
HOOKIMPL_MODULES = {"asteri_core.hooks", "asteri_core.api", "asteri"}


class Module(NamedTuple):
    name: str
    is_package: bool
    tree: ast.Module

    def imported(self) -> Iterator[str]:
        """Every ``package.module``, and ``package.module.name``, that it imports; relative ones made absolute."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                parts = [node.module] if node.module else []
                if node.level:
                    above = self.name.split(".")
                    up = node.level - self.is_package
                    parts = above[: len(above) - up] + parts
                yield (base := ".".join(parts))
                yield from (f"{base}.{alias.name}" for alias in node.names)


def modules(tree: Path) -> Iterator[Module]:
    """Every module below the ``src`` folders of a checkout."""
    sources = [tree / "src", tree / "asteri_core" / "src", tree / "ext" / "src", *sorted(tree.glob("plugins/*/src"))]
    for source in sources:
        for path in sorted(source.rglob("*.py")):
            parts = path.relative_to(source).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            yield Module(name, is_package, ast.parse(path.read_text(), str(path)))


def impure_imports(tree: Path) -> list[str]:
    """Protocols and the sans-IO part of the kernel import no socket, thread, loop or clock.

    One thing is let through: a plugin.py, which binds and is no part of the protocol, may take `time` to hand the wall
    clock over (the Date field needs one).
    """
    return [
        f"{module.name} imports {target}"
        for module in modules(tree)
        if module.name.split(".")[0] in PURE_PACKAGES or module.name.startswith("asteri_core.sansio")
        for target in module.imported()
        if target.split(".")[0] in IMPURE - ({"time"} if module.name.endswith(".plugin") else set())
    ]


def side_doors(tree: Path) -> list[str]:
    """A plugin imports the kernel through its door only."""
    return [
        f"{module.name} imports {target}"
        for module in modules(tree)
        if (doors := DOORS.get(module.name.split(".")[0])) is not None
        for target in module.imported()
        if target.split(".")[0] == "asteri_core"
        and target != "asteri_core"
        and not any(target == door or target.startswith(f"{door}.") for door in doors)
    ]


def pluggy_outside_plugin_modules(tree: Path) -> list[str]:
    """Only plugin.py of a package knows pluggy's marker, and only two modules of the kernel import pluggy."""
    return [
        f"{module.name} imports {target}"
        for module in modules(tree)
        for target in module.imported()
        if (target.split(".")[0] == "pluggy" and module.name not in PLUGGY_MODULES)
        or (
            target.endswith(".hookimpl") and module.name not in HOOKIMPL_MODULES and not module.name.endswith(".plugin")
        )
    ]


def hook_calls_outside_the_assembly(tree: Path) -> list[str]:
    """Only the assembly of plugins touches pluggy's hooks, at boot: ``manager.hook.name()`` costs a microsecond."""
    return [
        f"{module.name}:{node.lineno} calls a hook"
        for module in modules(tree)
        if module.name != "asteri_core.assembly"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Attribute)
        and node.func.value.attr == "hook"
    ]


def impure_includes(tree: Path) -> list[str]:
    """The C side of a protocol or an interface keeps to the same: no socket, no thread, no clock."""
    return [
        f"{path.relative_to(tree)} includes {header}"
        for path in sorted(tree.glob("plugins/*/*/**/*.[ch]"))
        for header in re.findall(r"^\s*#\s*include\s*<([^>]+)>", path.read_text(), re.MULTILINE)
        if header in IMPURE_HEADERS or header.startswith(("sys/", "netinet/", "arpa/"))
    ]


RULES = [
    impure_imports,
    side_doors,
    pluggy_outside_plugin_modules,
    hook_calls_outside_the_assembly,
    impure_includes,
]

VIOLATIONS: list[tuple[Callable[[Path], list[str]], str, str, str]] = [
    (impure_imports, "asteri_http1/parser.py", "def f():\n    import time", "asteri_http1.parser imports time"),
    (impure_imports, "asteri_http1/plugin.py", "import socket", "asteri_http1.plugin imports socket"),
    (impure_imports, "asteri_core/sansio/tls.py", "from ssl import SSLContext", "asteri_core.sansio.tls imports ssl"),
    (side_doors, "asteri_wsgi/call.py", "from asteri_core.process import worker", "imports asteri_core.process"),
    (side_doors, "asteri_wsgi/call.py", "from asteri_core import registry", "imports asteri_core.registry"),
    (side_doors, "asteri_asgi/call.py", "from asteri_core.worker_api import Host", "imports asteri_core.worker_api"),
    (side_doors, "asteri_wsgi/__init__.py", "from asteri_core.config import load", "asteri_wsgi imports"),
    (pluggy_outside_plugin_modules, "asteri_wsgi/call.py", "import pluggy", "asteri_wsgi.call imports pluggy"),
    (
        pluggy_outside_plugin_modules,
        "asteri_http1/parser.py",
        "from asteri_core.api import hookimpl",
        "asteri_http1.parser imports asteri_core.api.hookimpl",
    ),
    (hook_calls_outside_the_assembly, "asteri_core/reactor.py", "manager.hook.pre_request()", "asteri_core.reactor:1"),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_repository_keeps_the_rule(rule: Callable[[Path], list[str]]) -> None:
    assert rule(ROOT) == []


@pytest.mark.parametrize("header", ["sys/socket.h", "time.h", "pthread.h"])
def test_an_impure_include_is_seen(tmp_path: Path, header: str) -> None:
    path = tmp_path / "plugins" / "asteri-x" / "csrc" / "parser.c"
    path.parent.mkdir(parents=True)
    path.write_text(f"#include <string.h>\n#include <{header}>\n")
    assert impure_includes(tmp_path) == [f"plugins/asteri-x/csrc/parser.c includes {header}"]


@pytest.mark.parametrize(("rule", "module", "line", "expected"), VIOLATIONS)
def test_a_violation_is_seen(
    tmp_path: Path, rule: Callable[[Path], list[str]], module: str, line: str, expected: str
) -> None:
    path = tmp_path / "src" / module
    path.parent.mkdir(parents=True)
    path.write_text(f"{line}\n")
    assert expected in "\n".join(rule(tmp_path))


def test_the_sources_are_found() -> None:
    assert {module.name for module in modules(ROOT)} >= {"asteri", "asteri_core.sansio.router", *DOORS}
