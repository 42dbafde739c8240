"""``wsgi.errors`` writes records of the error log."""

from __future__ import annotations

import logging
import threading
import traceback

import pytest
from asteri_wsgi.error_stream import ErrorStream


@pytest.fixture
def stream():
    return ErrorStream(logging.getLogger("asteri.test.stream"))


@pytest.mark.parametrize(
    ("writes", "records"),
    [
        (["one\n"], ["one"]),
        (["one\ntwo\n"], ["one\ntwo"]),
        (["one\n", "two\n"], ["one", "two"]),
        (["o", "n", "e\n"], ["one"]),
        (["one\ntwo"], ["one"]),
        (["one\ntwo", " more\n"], ["one", "two more"]),
        (["one"], []),
        ([""], []),
        (["%s %d\n"], ["%s %d"]),
        (["\n"], [""]),
    ],
)
def test_a_write_is_a_record_and_an_unfinished_line_waits(stream, caplog, writes, records):
    for text in writes:
        assert stream.write(text) == len(text)
    assert [record.getMessage() for record in caplog.records] == records
    assert all(record.levelno == logging.ERROR for record in caplog.records)


def test_flush_finishes_a_line_once(stream, caplog):
    stream.write("half")
    stream.flush()
    stream.flush()
    assert caplog.messages == ["half"]


def test_print_and_traceback_work(stream, caplog):
    print("printed", 1, file=stream, flush=True)
    try:
        raise ValueError("shown")
    except ValueError:
        traceback.print_exc(file=stream)
    assert caplog.messages[0] == "printed 1"
    assert any("ValueError: shown" in text for text in caplog.messages)


def test_writelines_is_one_record(stream, caplog):
    stream.writelines(["one\n", "two\n"])
    assert caplog.messages == ["one\ntwo"]


def test_bytes_are_refused(stream):
    with pytest.raises(TypeError, match=r"wsgi\.errors takes str, not bytes"):
        stream.write(b"x")


def test_threads_do_not_share_a_line(stream, caplog):
    stream.write("main ")
    thread = threading.Thread(target=stream.write, args=("other\n",))
    thread.start()
    thread.join()
    stream.write("thread\n")
    assert caplog.messages == ["other", "main thread"]


def test_logging_handlers_can_use_it(stream, caplog):
    handler = logging.StreamHandler(stream)
    handler.emit(logging.makeLogRecord({"msg": "by a handler"}))
    assert caplog.messages == ["by a handler"]
