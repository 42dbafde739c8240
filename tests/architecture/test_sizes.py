"""How large a file and a function may be. Over the limit it wants to be two."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES = 500
FUNCTION_LINES = 80
FOLDERS = ("asteri_core", "plugins", "src", "tests", "examples", "docs", "benchmarks")


def python_files(tree: Path) -> list[Path]:
    files = [*tree.glob("*.py"), *(path for folder in FOLDERS for path in (tree / folder).rglob("*.py"))]
    return sorted(path for path in files if "build" not in path.relative_to(tree).parts)


def oversized(tree: Path) -> list[str]:
    """Files of more than `FILE_LINES` lines, and functions of more than `FUNCTION_LINES`."""
    found = []
    for path in python_files(tree):
        text = path.read_text()
        name = path.relative_to(tree)
        if (lines := len(text.splitlines())) > FILE_LINES:
            found.append(f"{name} has {lines} lines")
        for node in ast.walk(ast.parse(text, str(path))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES:
                    found.append(f"{name}:{node.lineno} {node.name} has {length} lines")
    return found


def test_no_file_and_no_function_is_oversized() -> None:
    assert oversized(ROOT) == []


@pytest.mark.parametrize(("lines", "expected"), [(FILE_LINES, []), (FILE_LINES + 1, ["src/long.py has 501 lines"])])
def test_a_file_is_measured_at_the_limit(tmp_path: Path, lines: int, expected: list[str]) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "long.py").write_text("x = 1\n" * lines)
    assert oversized(tmp_path) == expected


@pytest.mark.parametrize(
    ("lines", "expected"), [(FUNCTION_LINES, []), (FUNCTION_LINES + 1, ["src/long.py:1 f has 81 lines"])]
)
def test_a_function_is_measured_at_the_limit(tmp_path: Path, lines: int, expected: list[str]) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "long.py").write_text("def f():\n" + "    x = 1\n" * (lines - 1))
    assert oversized(tmp_path) == expected
