"""The error log: how records look, that no text can forge one, and what happens when they cannot be written."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asteri_core.logs import LineFormatter, Logs
from asteri_core.logs.error import ErrorHandler
from asteri_core.logs.file import LogFile

HEAD = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[%d\] \[%s\] "


def record(message: str, *arguments: Any, exc_info: Any = None) -> logging.LogRecord:
    return logging.LogRecord("asteri.error", logging.ERROR, "file", 1, message, arguments, exc_info)


def test_line_has_time_process_and_level(tmp_path: Path, logs_for: Callable[..., Logs]) -> None:
    path = tmp_path / "error.log"
    logs_for(error_logfile=str(path)).error.info("worker %d is ready", 3)
    assert re.fullmatch(HEAD % (os.getpid(), "INFO") + "worker 3 is ready\n", path.read_text())


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "warning", "error", "critical"]),
        ("info", ["info", "warning", "error", "critical"]),
        ("warning", ["warning", "error", "critical"]),
        ("error", ["error", "critical"]),
        ("critical", ["critical"]),
    ],
)
def test_level_leaves_out_what_is_below(
    level: str, expected: list[str], tmp_path: Path, logs_for: Callable[..., Logs]
) -> None:
    path = tmp_path / "error.log"
    log = logs_for(error_logfile=str(path), log_level=level).error
    for name in ("debug", "info", "warning", "error", "critical"):
        getattr(log, name)(name)
    assert [line.split()[-1] for line in path.read_text().splitlines()] == expected


@pytest.mark.parametrize(
    ("data", "escaped"),
    [
        ("a\n[2025-01-31 12:00:00 +0000] [1] [INFO] forged", r"a\x0a[2025-01-31 12:00:00 +0000] [1] [INFO] forged"),
        ("a\r\nb\tc", r"a\x0d\x0ab\x09c"),
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("\0\x7f\x9b", r"\x00\x7f\x9b"),
        ("\u2028\u2029\u202e", r"\u2028\u2029\u202e"),
        ("\udc80", r"\udc80"),
        ("\U000e0001", r"\U000e0001"),
        ("%(message)s %s %d %%", "%(message)s %s %d %%"),
        ("naïve 日本 \\ \"'", "naïve 日本 \\ \"'"),
    ],
)
def test_data_in_a_message_is_escaped(data: str, escaped: str) -> None:
    formatter = LineFormatter("%(message)s")
    assert formatter.format(record("found %s", data)) == f"found {escaped}"
    assert formatter.format(record(data)) == escaped  # without arguments, a % in it means nothing


def test_traceback_stays_readable_and_cannot_pass_for_a_record(tmp_path: Path, logs_for: Callable[..., Logs]) -> None:
    path = tmp_path / "error.log"
    log = logs_for(error_logfile=str(path)).error
    try:
        raise ValueError("bad\n[2025-01-31 12:00:00 +0000] [1] [INFO] forged\r\x1b[2J")
    except ValueError:
        log.exception("application failed")
    lines = path.read_text().splitlines()
    assert re.fullmatch(HEAD % (os.getpid(), "ERROR") + "application failed", lines[0])
    assert lines[1] == "  Traceback (most recent call last):"
    assert lines[2].startswith('    File "')
    assert lines[-2:] == ["  ValueError: bad", r"  [2025-01-31 12:00:00 +0000] [1] [INFO] forged\x0d\x1b[2J"]
    assert all(line.startswith("  ") for line in lines[1:])


def test_traceback_that_was_formatted_elsewhere_and_a_stack_are_indented() -> None:
    entry = record("failed")
    entry.exc_text = "Traceback\nEnd"
    entry.stack_info = "Stack\nEnd"
    assert LineFormatter("%(message)s").format(entry) == "failed\n  Traceback\n  End\n  Stack\n  End"


def test_record_whose_arguments_do_not_fit_is_not_lost() -> None:
    line = LineFormatter("%(message)s").format(record("found %d", "x\n"))
    assert line == r"'found %d' % ('x\n',) (TypeError while formatting)"


def test_colours_do_not_leak_to_other_handlers_of_the_record() -> None:
    entry = record("failed")
    assert "\x1b[31mERROR\x1b[0m" in LineFormatter(colour=True).format(entry)
    assert "\x1b" not in LineFormatter().format(entry)


COLOURED = """
import sys
from asteri_core.core_settings import LogSettings
from asteri_core.logs import setup
setup(LogSettings(log_color=sys.argv[1], error_logfile=sys.argv[2])).error.error("failed \\x1b[2J")
"""


@pytest.mark.parametrize(
    ("choice", "environment", "terminal", "coloured"),
    [
        ("auto", {}, True, True),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {}, False, False),
        ("on", {"NO_COLOR": "1"}, False, True),
        ("off", {}, True, False),
    ],
)
def test_colours_are_for_terminals(
    choice: str, environment: dict[str, str], terminal: bool, coloured: bool, run_coloured: Callable[..., bytes]
) -> None:
    output = run_coloured(COLOURED, choice, environment, terminal)
    assert (b"\x1b[31mERROR\x1b[0m" in output) == coloured
    assert output.count(b"\x1b") == (2 if coloured else 0)  # what the message had is escaped
    assert rb"failed \x1b[2J" in output


@pytest.fixture
def run_coloured(script: Any) -> Callable[..., bytes]:
    def run(code: str, choice: str, environment: dict[str, str], terminal: bool) -> bytes:
        reader, writer = os.openpty() if terminal else os.pipe()
        try:
            clean = {"NO_COLOR": "", "TERM": "xterm", **environment}
            command = [sys.executable, "-c", code, choice, "-"]
            pid = os.posix_spawn(
                sys.executable, command, {**os.environ, **clean}, file_actions=[(os.POSIX_SPAWN_DUP2, writer, 2)]
            )
            assert os.waitpid(pid, 0)[1] == 0
            return os.read(reader, 65536)
        finally:
            os.close(reader)
            os.close(writer)

    return run


def test_records_that_a_full_disk_refuses_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    path.symlink_to("/dev/full")
    file = LogFile(str(path), 2)
    handler = ErrorHandler(file)
    handler.setFormatter(LineFormatter("[%(levelname)s] %(message)s"))
    handler.emit(record("one"))
    handler.emit(record("two"))
    path.unlink()
    file.reopen()
    handler.emit(record("three"))
    handler.emit(record("four"))
    file.close()
    assert path.read_text().splitlines() == [
        "[WARNING] 2 records before this one could not be written",
        "[ERROR] three",
        "[ERROR] four",
    ]


def test_pipe_that_nobody_reads_does_not_stop_the_server(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    file = LogFile(str(path), 2)
    while True:
        try:
            file.write(b"x" * 4095 + b"\n")
        except BlockingIOError:
            break
    handler = ErrorHandler(file)
    handler.setFormatter(LineFormatter("%(message)s"))
    handler.emit(record("lost"))
    assert set(os.read(reader, 1 << 20)) == {0x78, 0x0A}  # the filling, all at once
    handler.emit(record("written"))
    assert os.read(reader, 65536) == b"1 records before this one could not be written\nwritten\n"
    os.close(reader)
    handler.emit(record("nobody reads this"))
    file.close()
