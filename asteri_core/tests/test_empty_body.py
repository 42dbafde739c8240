"""The body that all requests without one share."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from asteri_core.empty_body import EMPTY_BODY, EmptyBody


@pytest.mark.parametrize(
    "operation",
    [
        lambda file: file.read(),
        lambda file: file.read(10),
        lambda file: file.read(None),
        lambda file: file.read1(),
        lambda file: file.read1(10),
        lambda file: file.readline(),
        lambda file: file.readline(10),
        lambda file: file.readlines(),
        lambda file: file.readlines(10),
        lambda file: file.readinto(bytearray(4)),
        lambda file: file.readinto1(bytearray(4)),
        lambda file: list(file),
        lambda file: next(file, None),
        lambda file: file.seek(0),
        lambda file: file.seek(0, io.SEEK_END),
        lambda file: file.tell(),
        lambda file: file.readable(),
        lambda file: file.seekable(),
        lambda file: file.isatty(),
        lambda file: file.flush(),
        lambda file: file.closed,
        lambda file: file.close(),
    ],
)
def test_it_answers_as_an_empty_file_in_memory(operation: Callable[[Any], object]) -> None:
    assert operation(EMPTY_BODY) == operation(io.BytesIO())


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.write(b"for the next one"),
        lambda file: file.writelines([b"for the next one"]),
        lambda file: file.truncate(0),
        lambda file: file.fileno(),
        lambda file: file.detach(),
    ],
)
def test_it_cannot_be_written_to(change: Callable[[Any], object]) -> None:
    with pytest.raises(io.UnsupportedOperation):
        change(EMPTY_BODY)
    assert not EMPTY_BODY.writable()


def test_what_one_request_does_with_it_no_other_one_sees() -> None:
    with EMPTY_BODY as file:
        file.seek(7)
    file.close()
    assert (file.tell(), file.closed, file.read()) == (0, False, b"")
    for name in ("owner", "closed", "read"):
        with pytest.raises(AttributeError):
            setattr(file, name, "mine")


def test_the_files_of_the_library_can_be_laid_around_it() -> None:
    assert isinstance(EMPTY_BODY, io.IOBase)
    text: Any = io.TextIOWrapper(EMPTY_BODY)  # type: ignore[type-var]
    assert text.read() == ""
    text.close()
    assert io.BufferedReader(EmptyBody()).read() == b""  # type: ignore[type-var]
    assert not EMPTY_BODY.closed
