"""The access log's buffer: when lines are written, and what happens when they cannot be."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asteri_core.logs.access import INTERVAL, KEPT, WRITE_THROUGH, AccessLog
from asteri_core.logs.file import PIPE_BUF, LogFile

LOG = logging.getLogger("test.access")


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[tuple[LogFile, int]]:
    """A pipe as a log, and the descriptor that reads it."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    file = LogFile(str(path), 1)
    yield file, reader
    file.close()
    os.close(reader)


def everything(reader: int) -> bytes:
    data = b""
    while True:
        try:
            piece = os.read(reader, 1 << 20)
        except BlockingIOError:
            return data
        if not piece:
            return data
        data += piece


def test_lines_are_collected_until_the_deadline(tmp_path: Path, finished: Any) -> None:
    path = tmp_path / "access.log"
    access = AccessLog("%(U)s", LogFile(str(path), 1), LOG)
    assert access.deadline() is None
    access.flush(100.0)
    for number in range(3):
        access.write(finished(target=b"/%d" % number), 0.0, 0.0)
    assert access.deadline() == 100.0 + INTERVAL
    assert path.read_bytes() == b""
    access.flush(100.5)
    assert path.read_bytes() == b"/0\n/1\n/2\n"
    assert access.deadline() is None


def test_line_after_a_quiet_time_is_due_at_once(tmp_path: Path, finished: Any) -> None:
    access = AccessLog("%(U)s", LogFile(str(tmp_path / "access.log"), 1), LOG)
    access.flush(100.0)
    access.write(finished(), 0.0, 0.0)
    deadline = access.deadline()
    assert deadline is not None
    assert deadline < 200.0


def test_many_lines_are_written_without_waiting_for_the_deadline(tmp_path: Path, finished: Any) -> None:
    path = tmp_path / "access.log"
    access = AccessLog("%(U)s", LogFile(str(path), 1), LOG)
    exchange = finished(target=b"/" + b"x" * 1022)  # 1024 bytes with the line's end
    for _ in range(WRITE_THROUGH // 1024 - 1):
        access.write(exchange, 0.0, 0.0)
    assert path.stat().st_size == 0
    access.write(exchange, 0.0, 0.0)
    assert path.stat().st_size == WRITE_THROUGH


def test_close_writes_what_is_left(tmp_path: Path, finished: Any) -> None:
    path = tmp_path / "access.log"
    access = AccessLog("%(U)s", LogFile(str(path), 1), LOG)
    access.write(finished(), 0.0, 0.0)
    access.close()
    assert path.read_bytes() == b"/path\n"


def test_full_pipe_keeps_lines_until_its_reader_reads(fifo: tuple[LogFile, int], finished: Any) -> None:
    file, reader = fifo
    access = AccessLog("%(U)s", file, LOG)
    expected = b""
    for number in range(300):
        line = b"/%04d%s" % (number, b"x" * 994)
        access.write(finished(target=line), 0.0, 0.0)
        expected += line + b"\n"
    access.flush(1.0)
    assert access.deadline() == 1.0 + INTERVAL
    received = b""
    for now in range(2, 50):
        received += everything(reader)
        access.flush(float(now))
    assert received + everything(reader) == expected
    assert access.deadline() is None


def test_lines_beyond_the_bound_are_dropped_and_counted(
    fifo: tuple[LogFile, int], finished: Any, caplog: pytest.LogCaptureFixture
) -> None:
    file, reader = fifo
    access = AccessLog("%(U)s", file, LOG)
    exchange = finished(target=b"/" + b"x" * 1022)
    count = KEPT // 1024 + 200
    for _ in range(count):
        access.write(exchange, 0.0, 0.0)
    assert caplog.messages == ["access log takes no lines: they are dropped until it does"]
    received = b""
    for now in range(100):
        received += everything(reader)
        access.flush(float(now))
    received += everything(reader)
    lost = count - received.count(b"\n")
    assert 0 < lost <= 200
    assert caplog.messages[1:] == [f"{lost} lines of the access log were lost"]
    assert set(received.splitlines()) == {exchange.target}


def test_pipe_is_written_in_whole_lines_that_fit_in_one_piece(
    fifo: tuple[LogFile, int], finished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, reader = fifo
    pieces: list[bytes] = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: (pieces.append(data), write(fd, data))[1])
    access = AccessLog("%(U)s", file, LOG)
    for number in range(40):
        access.write(finished(target=b"/" + b"x" * number * 20), 0.0, 0.0)
    access.flush(1.0)
    assert b"".join(pieces) == everything(reader)
    assert len(pieces) > 1
    assert all(len(piece) <= PIPE_BUF and piece.endswith(b"\n") for piece in pieces)


@pytest.mark.parametrize("format", ["combined", "json"])
def test_line_longer_than_a_pipe_takes_in_one_piece_is_shortened(
    format: str, fifo: tuple[LogFile, int], finished: Any
) -> None:
    file, reader = fifo
    access = AccessLog(format, file, LOG)
    headers = [(b"user-agent", b"\xff" * 8000), (b"referer", b"\x1b" * 8000)]
    access.write(finished(target=b"/" + b"y" * 8000, headers=headers), 0.0, 0.0)
    access.flush(1.0)
    line = everything(reader)
    assert len(line) <= PIPE_BUF
    assert line.count(b"\n") == 1
    if format == "json":
        assert json.loads(line)["path"].startswith("/yyyyyyyy")
    else:
        assert re.search(rb'"GET /y+\.\.\. HTTP/1\.1" 200 512 "(\\x1b)+\.\.\." "(\\xff)+\.\.\."\n', line)


def test_file_has_long_lines_whole(tmp_path: Path, finished: Any) -> None:
    path = tmp_path / "access.log"
    access = AccessLog("%(U)s", LogFile(str(path), 1), LOG)
    access.write(finished(target=b"/" + b"y" * 8000), 0.0, 0.0)
    access.close()
    assert path.stat().st_size == 8002


def test_full_disk_is_reported_once_and_the_lost_lines_are_counted(
    finished: Any, caplog: pytest.LogCaptureFixture
) -> None:
    access = AccessLog("%(U)s", LogFile("/dev/full", 1), LOG)
    for now in range(3):
        access.write(finished(), 0.0, 0.0)
        access.flush(float(now))
    assert len(caplog.messages) == 1
    assert "No space left on device; lines are kept" in caplog.messages[0]
    access.close()
    assert caplog.messages[1:] == ["3 lines of the access log were lost"]


def test_reader_that_is_gone_does_not_disturb_the_server(
    tmp_path: Path, finished: Any, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    access = AccessLog("%(U)s", LogFile(str(path), 1), LOG)
    os.close(reader)
    access.write(finished(), 0.0, 0.0)
    access.flush(1.0)
    assert "Broken pipe" in caplog.text
    assert access.deadline() is not None


CUT_LINES = """
import logging, resource, signal, sys
from types import SimpleNamespace
from asteri_core.logs.access import AccessLog
from asteri_core.logs.file import LogFile

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
access = AccessLog("%(U)s", LogFile(sys.argv[1], 1), logging.getLogger("test"))
for number in range(4):
    access.write(SimpleNamespace(target=b"/%d23456789" % number), 0.0, 0.0)
resource.setrlimit(resource.RLIMIT_FSIZE, (27, resource.RLIM_INFINITY))
access.flush(1.0)
access.flush(2.0)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
access.flush(3.0)
"""


def test_line_cut_by_a_full_disk_is_written_again_whole(tmp_path: Path, script: Any) -> None:
    path = tmp_path / "access.log"
    assert script(CUT_LINES, path).returncode == 0
    assert path.read_text().splitlines() == [
        "/023456789",
        "/123456789",
        "/2234",  # as far as the disk took it
        "/223456789",
        "/323456789",
    ]


def test_processes_that_share_a_file_do_not_mix_their_lines(tmp_path: Path, script: Any) -> None:
    code = """
import logging, os, sys
from types import SimpleNamespace
from asteri_core.logs.access import AccessLog
from asteri_core.logs.file import LogFile

file = LogFile(sys.argv[1], 1)
children = []
for name in b"abcd":
    pid = os.fork()
    if not pid:
        access = AccessLog("%(U)s", file, logging.getLogger("test"))
        for number in range(2000):
            access.write(SimpleNamespace(target=bytes([name]) * 100), 0.0, 0.0)
            if number % 7 == 0:
                access.flush(0.0)
        access.close()
        os._exit(0)
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
"""
    path = tmp_path / "access.log"
    assert script(code, path).returncode == 0
    lines = path.read_text().splitlines()
    assert sorted(lines) == [name * 100 for name in "abcd" for _ in range(2000)]
