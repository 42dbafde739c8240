"""The settings of the logs act on a real server. The formats, and what may go wrong, are tested with the logs."""

from __future__ import annotations

import json
import logging
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Serve = Callable[..., Any]


def test_every_request_is_a_line_of_the_access_log(serve: Serve, ask: Any, folder: Path) -> None:
    with serve("--access-logfile", "access.log") as server:
        ask(server, "GET /first HTTP/1.1")
        ask(server, "GET /second HTTP/1.1")
    lines = (folder / "access.log").read_text().splitlines()
    assert ['"GET /first HTTP/1.1" 200' in lines[0], '"GET /second HTTP/1.1" 200' in lines[1]] == [True, True]


def test_a_line_is_not_kept_back_until_the_next_request(serve: Serve, ask: Any, folder: Path) -> None:
    with serve("--access-logfile", "access.log") as server:
        ask(server, "GET /only HTTP/1.1")
        end = time.monotonic() + 5
        while '"GET /only HTTP/1.1" 200' not in (folder / "access.log").read_text():
            assert time.monotonic() < end
            select.select([], [], [], 0.01)


def test_the_access_log_has_the_format_asked_for(serve: Serve, ask: Any, folder: Path) -> None:
    with serve("--access-logfile", "access.log", "--access-logformat", "json") as server:
        ask(server, "GET /first HTTP/1.1")
    assert json.loads((folder / "access.log").read_text())["status"] == 200
    with serve("--access-logfile", "atoms.log", "--access-logformat", "%(m)s of %(U)s is %(s)s") as server:
        ask(server, "GET /first HTTP/1.1")
    assert (folder / "atoms.log").read_text() == "GET of /first is 200\n"


def test_the_error_log_is_written_to_its_file(serve: Serve, ask: Any, folder: Path) -> None:
    with serve("--error-logfile", "error.log", wait=False) as server:
        ask(server)
        server.stop()
        assert server.lines == []
    assert "worker ready" in (folder / "error.log").read_text()


def test_the_level_leaves_out_what_is_below_it(serve: Serve, ask: Any) -> None:
    for level, told in (("info", True), ("error", False)):
        with serve("--log-level", level, wait=False) as server:
            ask(server)
            server.stop()
            assert any("listening on" in line for line in server.lines) == told


def test_a_logging_configuration_replaces_the_other_settings(serve: Serve, ask: Any, folder: Path) -> None:
    (folder / "logging.json").write_text(
        json.dumps(
            {
                "version": 1,
                "formatters": {"own": {"format": "own %(name)s %(message)s"}},
                "handlers": {"file": {"class": "logging.FileHandler", "filename": "own.log", "formatter": "own"}},
                "loggers": {
                    "asteri.error": {"handlers": ["file"], "level": "INFO"},
                    "asteri.access": {"handlers": ["file"], "level": "INFO"},
                },
            }
        )
    )
    with serve("--log-config", "logging.json", wait=False) as server:
        ask(server, "GET /first HTTP/1.1")
        server.stop()
    text = (folder / "own.log").read_text()
    assert "own asteri.error worker ready: 1 (pid " in text
    assert "GET /first" in text
    assert logging.getLevelName(logging.INFO) not in text


def test_what_the_application_prints_is_captured(serve: Serve, ask: Any, folder: Path) -> None:
    for options, captured in ((("--capture-output",), True), ((), False)):
        with serve("--error-logfile", "error.log", *options, wait=False) as server:
            ask(server, "GET /print HTTP/1.1")
            server.stop()
        text = (folder / "error.log").read_text()
        assert ("printed" in text, "complained" in text) == (captured, captured)
        (folder / "error.log").unlink()


@pytest.mark.parametrize(("option", "terminal", "coloured"), [("auto", True, True), ("auto", False, False),
                                                              ("on", False, True), ("off", True, False)])  # fmt: skip
def test_colours_are_for_terminals(folder: Path, option: str, terminal: bool, coloured: bool) -> None:
    reader, writer = pty.openpty() if terminal else os.pipe()
    command = [sys.executable, "-m", "asteri", "--bind", "127.0.0.1:0", "--log-color", option, "app:wsgi"]
    environ = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"}
    process = subprocess.Popen(command, cwd=folder, stderr=writer, start_new_session=True, env=environ)
    os.close(writer)
    said = b""
    while b"worker ready" not in said:
        said += os.read(reader, 65536)
    process.terminate()
    assert process.wait(20) == 0
    os.close(reader)
    assert (b"\x1b[" in said) == coloured
