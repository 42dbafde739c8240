"""Setting the logs up: files, standard streams, rotation, captured output, logging configurations."""

from __future__ import annotations

import json
import logging
import logging.config
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asteri_core.api import ConfigurationError
from asteri_core.logs import Logs

PREAMBLE = """
import os, sys
from types import SimpleNamespace
from asteri_core.core_settings import LogSettings
from asteri_core.logs import setup
exchange = SimpleNamespace(target=b"/logged")
"""


def test_no_access_log_unless_asked_for(tmp_path: Path, logs_for: Callable[..., Logs]) -> None:
    assert logs_for(error_logfile=str(tmp_path / "error.log")).access is None


@pytest.mark.parametrize("setting", ["error_logfile", "access_logfile"])
@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing/file.log", "No such file or directory"), (".", "Is a directory"), ("fifo", "No such device or address")],
)
def test_file_that_cannot_be_opened_is_a_configuration_error(
    setting: str, name: str, reason: str, tmp_path: Path, logs_for: Callable[..., Logs]
) -> None:
    os.mkfifo(tmp_path / "fifo")  # without a reader
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(ConfigurationError, match=f"cannot open the log '.*': {reason}"):
        logs_for(**{"error_logfile": str(tmp_path / "error.log"), setting: str(tmp_path / name)})
    assert len(os.listdir("/dev/fd")) == before


def test_invalid_format_leaves_nothing_open(tmp_path: Path, logs_for: Callable[..., Logs]) -> None:
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(ConfigurationError, match="neither common"):
        logs_for(error_logfile=str(tmp_path / "e"), access_logfile=str(tmp_path / "a"), access_logformat="combind")
    assert len(os.listdir("/dev/fd")) == before


def test_files_are_appended_to_closed_on_exec_and_follow_the_umask(
    tmp_path: Path, logs_for: Callable[..., Logs]
) -> None:
    error, access = tmp_path / "error.log", tmp_path / "access.log"
    error.write_text("kept\n")
    mask = os.umask(0o027)
    try:
        logs = logs_for(error_logfile=str(error), access_logfile=str(access))
    finally:
        os.umask(mask)
    logs.error.error("new")
    assert error.read_text().startswith("kept\n[")
    assert stat.S_IMODE(access.stat().st_mode) == 0o640
    assert not os.get_inheritable(logs.error_fd())


def test_logs_follow_a_rename_with_the_same_descriptor(
    tmp_path: Path, logs_for: Callable[..., Logs], finished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    logs = logs_for(error_logfile="error.log", access_logfile="access.log", access_logformat="%(U)s")
    assert logs.access is not None
    monkeypatch.chdir("/")  # the paths mean what they meant at the start
    fd = logs.error_fd()

    def log(path: bytes) -> None:
        assert logs.access is not None
        logs.error.error(path.decode())
        logs.access.write(finished(target=path), 0.0, 0.0)
        logs.access.flush(0.0)

    log(b"/before")
    for name in ("error", "access"):
        (tmp_path / f"{name}.log").rename(tmp_path / f"{name}.log.1")
    log(b"/renamed")
    logs.reopen()
    log(b"/after")
    assert logs.error_fd() == fd
    assert (tmp_path / "access.log.1").read_text() == "/before\n/renamed\n"
    assert (tmp_path / "access.log").read_text() == "/after\n"
    assert [line.split()[-1] for line in (tmp_path / "error.log.1").read_text().splitlines()] == ["/before", "/renamed"]
    assert [line.split()[-1] for line in (tmp_path / "error.log").read_text().splitlines()] == ["/after"]


def test_log_that_cannot_be_reopened_stays_as_it_was(tmp_path: Path, logs_for: Callable[..., Logs]) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    logs = logs_for(error_logfile=str(folder / "error.log"))
    folder.rename(tmp_path / "moved")
    logs.reopen()
    assert "No such file or directory; the old file stays in use" in (tmp_path / "moved" / "error.log").read_text()


def test_chown_gives_the_files_to_whom_the_workers_run_as(tmp_path: Path, logs_for: Callable[..., Logs]) -> None:
    error, access = tmp_path / "error.log", tmp_path / "access.log"
    logs = logs_for(error_logfile=str(error), access_logfile=str(access))
    # Only root can give a file away; to oneself anybody can.
    uid, gid = (4711, 4712) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    logs.chown(uid, gid)
    error.rename(tmp_path / "error.log.1")
    logs.reopen()
    assert {(path.stat().st_uid, path.stat().st_gid) for path in (error, access)} == {(uid, gid)}


def test_chown_leaves_devices_alone(logs_for: Callable[..., Logs]) -> None:
    before = os.stat("/dev/null")
    logs = logs_for(error_logfile="/dev/null")
    logs.chown(before.st_uid + 1, before.st_gid + 1)
    logs.reopen()
    assert (os.stat("/dev/null").st_uid, os.stat("/dev/null").st_gid) == (before.st_uid, before.st_gid)


def test_setting_up_again_replaces_what_was(tmp_path: Path, logs_for: Callable[..., Logs]) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    logs_for(error_logfile=str(first)).error.error("one")
    descriptors = len(os.listdir("/dev/fd"))
    logs_for(error_logfile=str(second)).error.error("two")
    assert [path.read_text().split()[-1] for path in (first, second)] == ["one", "two"]
    assert len(second.read_text().splitlines()) == 1
    assert len(os.listdir("/dev/fd")) == descriptors


def test_closing_puts_the_loggers_back_and_may_be_repeated(tmp_path: Path, logs_for: Callable[..., Logs]) -> None:
    parent = logging.getLogger("asteri")
    before = list(parent.handlers), parent.propagate
    logs = logs_for(error_logfile=str(tmp_path / "error.log"))
    assert (list(parent.handlers), parent.propagate) != before
    logs.close()
    logs.close()
    assert (list(parent.handlers), parent.propagate) == before


def test_dash_is_stderr_for_errors_and_stdout_for_requests(script: Any) -> None:
    result = script(
        PREAMBLE
        + """
logs = setup(LogSettings(access_logfile="-", access_logformat="%(U)s"))
logs.error.error("failed")
logs.access.write(exchange, 0.0, 0.0)
logs.close()
print("still open")
"""
    )
    assert result.stdout == "/logged\nstill open\n"
    assert result.stderr.endswith("[ERROR] failed\n")


@pytest.mark.parametrize(
    ("stream", "name", "setting"), [(1, "stdout", "access_logfile"), (2, "stderr", "error_logfile")]
)
def test_closed_standard_stream_is_a_configuration_error(stream: int, name: str, setting: str, script: Any) -> None:
    result = script(
        PREAMBLE
        + f"""
os.close({stream})
try:
    setup(LogSettings(**{{"error_logfile": "/dev/null", "{setting}": "-"}}))
except Exception as error:
    os.write({3 - stream}, f"{{type(error).__name__}}: {{error}}".encode())
os._exit(0)
"""
    )
    assert (result.stdout + result.stderr) == f"ConfigurationError: cannot open the log {name}: Bad file descriptor"


def test_log_never_takes_the_number_of_a_closed_standard_stream(tmp_path: Path, script: Any) -> None:
    result = script(
        PREAMBLE
        + """
os.close(0)
logs = setup(LogSettings(error_logfile=sys.argv[1], access_logfile="-"))
print(logs.error_fd())
""",
        tmp_path / "error.log",
    )
    assert int(result.stdout) > 2


CAPTURE = (
    PREAMBLE
    + """
print("before")
logs = setup(LogSettings(error_logfile=sys.argv[1], access_logfile="-", access_logformat="%(U)s", capture_output=True))
logs.error.error("record")
print("printed")
sys.stderr.write("complained\\n")
os.system("echo child")
os.rename(sys.argv[1], sys.argv[1] + ".1")
logs.reopen()
print("after")
logs.access.write(exchange, 0.0, 0.0)
logs = setup(LogSettings(error_logfile=sys.argv[2], access_logfile="-", access_logformat="%(U)s",
                         capture_output=True), logs)
print("again")
logs.access.write(exchange, 0.0, 0.0)
logs.close()
print("released")
"""
)


def test_captured_output_ends_in_the_error_log_and_the_access_log_does_not(tmp_path: Path, script: Any) -> None:
    path, second = tmp_path / "error.log", tmp_path / "second.log"
    result = script(CAPTURE, path, second)
    assert result.stderr == ""
    assert result.stdout == "before\n/logged\n/logged\nreleased\n"
    lines = (tmp_path / "error.log.1").read_text().splitlines()
    assert lines[0].endswith("record")
    assert lines[1:] == ["printed", "complained", "child"]
    assert path.read_text() == "after\n"
    assert second.read_text() == "again\n"


def test_captured_output_without_a_file_ends_on_stderr(script: Any) -> None:
    result = script(PREAMBLE + "setup(LogSettings(capture_output=True)); print('printed')")
    assert (result.stdout, result.stderr) == ("", "printed\n")


# -- logging configurations ------------------------------------------------------------------------------------------

INI = """
[loggers]
keys = root, access
[handlers]
keys = file, access
[formatters]
keys = line
[logger_root]
level = WARNING
handlers = file
[logger_access]
qualname = asteri.access
level = INFO
propagate = 0
handlers = access
[handler_file]
class = FileHandler
formatter = line
args = ("FOLDER/error.log",)
[handler_access]
class = FileHandler
args = ("FOLDER/access.log",)
[formatter_line]
class = asteri_core.logs.LineFormatter
format = configured: %(message)s
"""
DICTIONARY: dict[str, Any] = {
    "formatters": {"line": {"class": "asteri_core.logs.LineFormatter", "format": "configured: %(message)s"}},
    "handlers": {
        "file": {"class": "logging.FileHandler", "filename": "FOLDER/error.log", "formatter": "line"},
        "access": {"class": "logging.FileHandler", "filename": "FOLDER/access.log"},
    },
    "root": {"level": "WARNING", "handlers": ["file"]},
    "loggers": {"asteri.access": {"level": "INFO", "handlers": ["access"], "propagate": False}},
}
TOML = """
[formatters.line]
class = "asteri_core.logs.LineFormatter"
format = "configured: %(message)s"
[handlers.file]
class = "logging.FileHandler"
filename = "FOLDER/error.log"
formatter = "line"
[handlers.access]
class = "logging.FileHandler"
filename = "FOLDER/access.log"
[root]
level = "WARNING"
handlers = ["file"]
[loggers."asteri.access"]
level = "INFO"
handlers = ["access"]
propagate = false
"""
CONFIGURED = (
    PREAMBLE
    + """
logs = setup(LogSettings(log_config=sys.argv[1], access_logformat="%(U)s"))
def log(text):
    logs.error.error(text)
    logs.access.write(exchange, 0.0, 0.0)
    logs.access.flush(0.0)
log("one\\n")
for name in ("error.log", "access.log"):
    os.rename(f"{sys.argv[2]}/{name}", f"{sys.argv[2]}/{name}.1")
logs.reopen()
log("two")
logs.close()
"""
)


@pytest.mark.parametrize(
    ("name", "content"), [("log.ini", INI), ("log.json", json.dumps(DICTIONARY)), ("log.toml", TOML)]
)
def test_logging_configuration_takes_both_logs_over_and_is_reopened(
    name: str, content: str, tmp_path: Path, script: Any
) -> None:
    (tmp_path / name).write_text(content.replace("FOLDER", str(tmp_path)))
    result = script(CONFIGURED, tmp_path / name, tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "error.log.1").read_text() == "configured: one\\x0a\n"
    assert (tmp_path / "error.log").read_text() == "configured: two\n"
    assert (tmp_path / "access.log.1").read_text() == (tmp_path / "access.log").read_text() == "/logged\n"


def test_configuration_that_says_nothing_of_our_loggers_leaves_them(tmp_path: Path, script: Any) -> None:
    path = tmp_path / "log.toml"
    path.write_text('[loggers.other]\nlevel = "INFO"\n')
    code = PREAMBLE + "setup(LogSettings(log_config=sys.argv[1])).error.error('failed')"
    assert script(code, path).stderr.endswith("[ERROR] failed\n")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("log.json", "{", "is not valid: Expecting property name"),
        ("log.toml", "=", "is not valid: Invalid"),
        ("log.ini", "nothing", "is not valid: "),
        ("log.toml", '[root]\nhandlers = ["x"]', "is not valid: Unable to .*root logger"),
        ("log.json", "[]", "is not valid: "),
    ],
)
def test_invalid_logging_configuration_is_refused(
    name: str, content: str, reason: str, tmp_path: Path, logs_for: Callable[..., Logs], kept_logging: None
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigurationError, match=f"logging configuration '.*{name}' {reason}"):
        logs_for(error_logfile=str(tmp_path / "e"), log_config=str(tmp_path / name))


def test_missing_logging_configuration_is_refused(tmp_path: Path, logs_for: Callable[..., Logs]) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read the logging configuration .*: No such file"):
        logs_for(error_logfile=str(tmp_path / "e"), log_config=str(tmp_path / "absent.ini"))


@pytest.fixture
def kept_logging() -> Iterator[None]:
    """A configuration that fails halfway has taken the root's handlers away, and with them pytest's own."""
    handlers = list(logging.root.handlers)
    yield
    logging.root.handlers[:] = handlers


def test_application_that_configures_logging_does_not_silence_the_server(tmp_path: Path, script: Any) -> None:
    result = script(
        PREAMBLE
        + """
import logging.config
logs = setup(LogSettings())
logging.config.dictConfig({"version": 1})
logs.error.error("lost")
logs.restore()
logs.error.error("heard")
logging.config.dictConfig({"version": 1, "loggers": {"asteri": {"handlers": []}}})
logs.restore()
logs.error.error("heard again")
"""
    )
    assert [line.split("] ")[-1] for line in result.stderr.splitlines()] == ["heard", "heard again"]
