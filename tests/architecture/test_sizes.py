"""How large a file and a function may be. Over the limit it wants to be two."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES = 500
C_FILE_LINES = 800
FUNCTION_LINES = 80
FOLDERS = ("asteri_core", "ext", "plugins", "src", "tests", "examples", "docs", "benchmarks")


def python_files(tree: Path) -> list[Path]:
    files = [*tree.glob("*.py"), *(path for folder in FOLDERS for path in (tree / folder).rglob("*.py"))]
    return sorted(path for path in files if "build" not in path.relative_to(tree).parts)


def oversized_c(tree: Path) -> list[str]:
    """C files of more than `C_FILE_LINES`, and functions, from the brace in the first column to its end, of more than
    `FUNCTION_LINES`."""
    found = []
    for path in sorted(path for folder in FOLDERS for path in (tree / folder).rglob("*.[ch]")):
        lines = path.read_text().splitlines()
        name = path.relative_to(tree)
        if len(lines) > C_FILE_LINES:
            found.append(f"{name} has {len(lines)} lines")
        begin = 0
        for number, line in enumerate(lines, 1):
            if line == "{":
                begin = number
            elif line == "}" and begin:
                if number - begin + 1 > FUNCTION_LINES:
                    found.append(f"{name}:{begin} has a function of {number - begin + 1} lines")
                begin = 0
    return found


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


def test_no_file_and_no_function_of_c_is_oversized() -> None:
    assert oversized_c(ROOT) == []


def test_c_is_measured_at_the_limit(tmp_path: Path) -> None:
    (tmp_path / "ext").mkdir()
    body = "    x++;\n" * (FUNCTION_LINES - 2)
    (tmp_path / "ext" / "fits.c").write_text(f"int\nf(void)\n{{\n{body}}}\n")
    (tmp_path / "ext" / "long.c").write_text(f"int\nf(void)\n{{\n{body}    x++;\n}}\n" + "\n" * C_FILE_LINES)
    assert oversized_c(tmp_path) == [
        f"ext/long.c has {C_FILE_LINES + FUNCTION_LINES + 3} lines",
        "ext/long.c:3 has a function of 81 lines",
    ]


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
