"""Files sent by ``http.response.zerocopysend`` and ``http.response.pathsend``."""

import gc
import io
import os

import pytest
from asteri_core.api import LocalProtocolError

START = {"type": "http.response.start", "status": 200}
CONTENT = b"0123456789"


def zero_copy(file, more=False, **where):
    return {"type": "http.response.zerocopysend", "file": file, "more_body": more, **where}


def path_send(path):
    return {"type": "http.response.pathsend", "path": path}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def answer(bench, make_exchange):
    """Runs an application that sends these messages and lets errors show."""

    def run(*messages, **facts):
        async def app(scope, receive, send):
            await send(START)
            for message in messages:
                await send(message)

        return bench.run(app, make_exchange(**facts))

    return run


@pytest.mark.parametrize(
    ("where", "content"),
    [
        ({}, b"23456789"),
        ({"offset": 0}, CONTENT),
        ({"offset": 4}, b"456789"),
        ({"count": 3}, b"234"),
        ({"offset": 1, "count": 3}, b"123"),
        ({"offset": 1, "count": 0}, b""),
        ({"offset": 10}, b""),
        ({"offset": 11}, b""),
        ({"offset": None, "count": None}, b"23456789"),
    ],
)
def test_part_of_a_file(answer, path, where, content):
    with path.open("rb") as file:
        file.seek(2)
        exchange = answer(zero_copy(file, **where))
    assert (exchange.content, exchange.complete_response) == (content, True)


def test_file_is_mixed_with_body_pieces_and_its_position_moves_on(answer, path):
    piece = {"type": "http.response.body", "body": b"-", "more_body": True}
    with path.open("rb") as file:
        exchange = answer(zero_copy(file, True, count=4), piece, zero_copy(file, True, count=2), piece, zero_copy(file))
        assert file.tell() == 10
    assert exchange.content == b"0123-45-6789"


def test_position_of_a_buffered_file_is_its_own_not_that_of_its_descriptor(answer, path):
    with path.open("rb") as file:
        file.read(1)
        assert answer(zero_copy(file)).content == CONTENT[1:]


def test_number_of_a_descriptor_will_do(answer, path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        exchange = answer(zero_copy(descriptor, True, count=3), zero_copy(descriptor, count=2))
    finally:
        os.close(descriptor)
    assert exchange.content == b"01234"


def test_application_may_close_its_file_before_the_bytes_have_left(bench, make_exchange, path):
    exchange = make_exchange()
    kept = []
    transmit = exchange._transmit

    def keep(data, end, trailers):
        kept.append(data)
        return transmit(b"", end, trailers)

    exchange._transmit = keep

    async def app(scope, receive, send):
        await send(START)
        with path.open("rb") as file:
            await send(zero_copy(file))

    bench.run(app, exchange)
    (part,) = kept
    assert os.pread(part.file.fileno(), part.length, part.offset) == CONTENT


def test_no_descriptor_is_left_open(answer, path):
    gc.collect()  # what other tests have left must not go in between
    before = len(os.listdir("/dev/fd"))
    with path.open("rb") as file:
        answer(zero_copy(file))
    answer(path_send(str(path)))
    answer(path_send(str(path.parent)))
    assert len(os.listdir("/dev/fd")) == before


def test_path_is_sent_whole(answer, path):
    exchange = answer(path_send(str(path)))
    assert (exchange.content, exchange.complete_response) == (CONTENT, True)


def test_empty_file_by_path(answer, path):
    path.write_bytes(b"")
    exchange = answer(path_send(str(path)))
    assert (exchange.status, exchange.content, exchange.complete_response) == (200, b"", True)


def test_path_answers_head_without_content(answer, path):
    exchange = answer(path_send(str(path)), method="HEAD")
    assert (exchange.status, exchange.content, exchange.complete_response) == (200, b"", True)


def bad_files(path):
    fifo = path.parent / "fifo"
    os.mkfifo(fifo)
    return {
        "in memory": zero_copy(io.BytesIO(CONTENT)),
        "missing": zero_copy(None),
        "closed": zero_copy(closed(path)),
        "negative offset": zero_copy(0, offset=-1),
        "offset as text": zero_copy(0, offset="1"),
        "count beyond the end": zero_copy(closed(path), count=11),
        "relative path": path_send("content"),
        "path as bytes": path_send(os.fsencode(path)),
        "no path": {"type": "http.response.pathsend"},
        "no such file": path_send(str(path) + "-"),
        "directory": path_send(str(path.parent)),
        "pipe": path_send(str(fifo)),
        "null in the path": path_send("/\0"),
    }


def closed(path):
    file = path.open("rb")
    file.close()
    return file


@pytest.mark.parametrize(
    "case",
    [
        "in memory", "missing", "closed", "negative offset", "offset as text", "count beyond the end", "relative path",
        "path as bytes", "no path", "no such file", "directory", "pipe", "null in the path",
    ],
)  # fmt: skip
def test_file_that_cannot_be_sent_is_an_error_of_the_application_and_no_disconnect(answer, caplog, path, case):
    exchange = answer(bad_files(path)[case])
    assert exchange.status == 500
    assert caplog.records[-1].exc_info[0] is LocalProtocolError


def test_count_beyond_the_end_is_an_error(answer, path):
    with path.open("rb") as file:
        exchange = answer(zero_copy(file, count=11))
    assert exchange.status == 500
