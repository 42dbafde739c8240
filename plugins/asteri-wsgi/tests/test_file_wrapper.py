"""``wsgi.file_wrapper``: by descriptor where that is the same as reading, else by reading; closed in any case."""

from __future__ import annotations

# ruff: noqa: SIM115 - the files are the response's, which closes them
import gzip
import io
import os
import tempfile

import pytest
from asteri_core.api import FileSlice
from asteri_wsgi.file_wrapper import BLOCK, FileWrapper, slice_of

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


def sending(filelike, headers=(), *arguments):
    def application(environ, start_response):
        start_response("200 OK", list(headers))
        return environ["wsgi.file_wrapper"](filelike, *arguments)

    return application


class Reader:
    """A file-like object with nothing but ``read``."""

    def __init__(self, content):
        self.file = io.BytesIO(content)
        self.sizes = []

    def read(self, size):
        self.sizes.append(size)
        return self.file.read(size)


class Liar(Reader):
    """Has a descriptor, but reads something else from it, as a decompressing file does."""

    def __init__(self, path, content):
        super().__init__(content)
        self.real = open(path, "rb")

    def fileno(self):
        return self.real.fileno()

    def tell(self):
        return 0

    def close(self):
        self.real.close()


@pytest.mark.parametrize(
    "opened",
    [
        lambda path: open(path, "rb"),
        lambda path: open(path, "rb", buffering=0),
        lambda path: open(path, "r+b"),
    ],
    ids=["buffered", "raw", "random"],
)
@pytest.mark.parametrize("position", [0, 1000, len(CONTENT) - 1])
def test_regular_file_is_sent_by_its_descriptor_from_its_position(client, path, opened, position):
    file = opened(path)
    file.seek(position)
    one = client(sending(file))
    answer = one.request()
    assert answer.body == CONTENT[position:]
    assert answer["content-length"] == str(len(CONTENT) - position)
    assert [(piece.offset, piece.length) for piece in one.slices] == [(position, len(CONTENT) - position)]
    assert file.closed


def test_position_of_a_buffered_file_is_that_of_its_reader(client, path):
    file = open(path, "rb")
    file.read(10)  # the descriptor is now at the end of the buffer
    assert client(sending(file)).request().body == CONTENT[10:]


def test_temporary_file_is_sent_with_what_was_just_written(client):
    file = tempfile.NamedTemporaryFile()
    file.write(b"just written")
    file.seek(0)
    one = client(sending(file))
    assert one.request().body == b"just written"
    assert len(one.slices) == 1


def test_slice_outlives_the_file_of_the_application(path):
    with open(path, "rb") as file:
        piece = slice_of(file, 5)
        assert piece.file.fileno() != file.fileno()
    assert isinstance(piece, FileSlice)
    assert os.pread(piece.file.fileno(), piece.length, piece.offset) == CONTENT[:5]


def test_descriptor_of_a_slice_is_closed_with_it(path):
    with open(path, "rb") as file:
        piece = slice_of(file, None)
    number = piece.file.fileno()
    del piece
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


@pytest.mark.parametrize(
    "filelike",
    [
        lambda path: Reader(CONTENT),
        lambda path: io.BytesIO(CONTENT),
        lambda path: Liar(path, CONTENT),
        lambda path: _gzipped(path),
    ],
    ids=["read-only", "memory", "liar", "gzip"],
)
@pytest.mark.parametrize("length", [None, 0, 10, len(CONTENT)])
def test_other_files_are_read(client, errors, path, filelike, length):
    headers = [] if length is None else [("Content-Length", str(length))]
    one = client(sending(filelike(path), headers))
    answer = one.request()
    assert (answer.body, answer.whole) == (CONTENT[:length], True)
    assert one.slices == []
    assert errors() == []


def _gzipped(path):
    path.write_bytes(gzip.compress(CONTENT))
    return gzip.open(path)


@pytest.mark.parametrize("length", [0, 1, len(CONTENT) - 1, len(CONTENT)])
def test_no_more_of_a_file_is_sent_than_content_length(client, errors, path, length):
    answer = client(sending(open(path, "rb"), [("Content-Length", str(length))])).request()
    assert (answer.body, answer.whole) == (CONTENT[:length], True)
    assert errors() == []


def test_file_shorter_than_its_content_length_is_an_error(client, errors, path):
    answer = client(sending(open(path, "rb"), [("Content-Length", str(len(CONTENT) + 1))])).request()
    assert answer.whole is False
    assert "LocalProtocolError" in errors()[0]


def test_empty_file(client, tmp_path):
    (tmp_path / "empty").touch()
    answer = client(sending(open(tmp_path / "empty", "rb"))).request()
    assert (answer.body, answer["content-length"]) == (b"", "0")


def test_regular_file_that_tells_no_size_is_read(client):
    if not os.path.exists("/proc/self/status"):
        pytest.fail("this test reads a file of size 0 with content, which needs /proc")
    one = client(sending(open("/proc/self/status", "rb")))
    assert b"Pid:" in one.request().body
    assert one.slices == []


def test_pipe_is_read(client):
    read, write = os.pipe()
    os.write(write, b"through a pipe")
    os.close(write)
    one = client(sending(os.fdopen(read, "rb")))
    assert one.request().body == b"through a pipe"
    assert one.slices == []


def test_closed_file_is_an_error_of_the_application(client, errors, path):
    file = open(path, "rb")
    file.close()
    assert client(sending(file)).request().status == 500
    assert "closed file" in errors()[0]


def test_text_file_is_an_error_of_the_application(client, errors, tmp_path):
    (tmp_path / "text").write_text("text")
    assert client(sending(open(tmp_path / "text"))).request().status == 500
    assert "a block of str" in errors()[0]


def test_answer_to_head_sends_no_file(client, path):
    file = open(path, "rb")
    one = client(sending(file))
    answer = one.request(b"HEAD / HTTP/1.1\r\nHost: e\r\n\r\n")
    assert (answer["content-length"], answer.body, one.slices) == (str(len(CONTENT)), b"", [])
    assert file.closed


def test_file_after_write_continues_the_response(client, path):
    def application(environ, start_response):
        write = start_response("200 OK", [("Content-Length", "15")])
        write(b"before")
        return environ["wsgi.file_wrapper"](open(path, "rb"))

    assert client(application).request().body == b"before" + CONTENT[:9]


def test_wrapper_works_inside_of_middleware(client, path):
    def application(environ, start_response):
        start_response("200 OK", [])
        return (block.lower() for block in environ["wsgi.file_wrapper"](io.BytesIO(b"ABC"), 2))

    assert client(application).request().body == b"abc"


def test_file_is_closed_once(client):
    class Closing(io.BytesIO):
        closings = 0

        def close(self):
            self.closings += 1
            super().close()

    file = Closing(b"x")
    client(sending(file)).request()
    assert file.closings == 1


def test_wrapper_has_close_only_where_the_file_has_one():
    assert not hasattr(FileWrapper(Reader(b"")), "close")
    assert hasattr(FileWrapper(io.BytesIO()), "close")


@pytest.mark.parametrize(("hint", "size"), [((), BLOCK), ((100,), BLOCK), ((2 * BLOCK,), 2 * BLOCK)])
def test_block_size_is_a_lower_bound(client, hint, size):
    reader = Reader(b"x")
    client(sending(reader, [], *hint)).request()
    assert set(reader.sizes) == {size}
