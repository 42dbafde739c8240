"""``wsgi.file_wrapper``: a file as a response, sent by the kernel (``sendfile``) where that gives the same bytes.

The same bytes: a `gzip.GzipFile` has a ``fileno()`` too, but that is the compressed file. So only files known
to read straight from their descriptor are sliced: `io.FileIO`, the buffered readers over one, and the wrapper
of `tempfile`. Any other object with ``read`` is read block by block, which the wrapper does as the plain
iterable that PEP 3333 asks it to be.
"""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Iterator
from typing import Any

from asteri_core.api import FileSlice

BLOCK = 64 * 1024
"""Bytes per block where a file is read. The application's hint may make it larger, never smaller: a response in 8 KiB
pieces costs eight times the calls for nothing."""

_TEMPORARY = tempfile._TemporaryFileWrapper


class FileWrapper:
    """An iterable over a file-like object; its `close` is the file's."""

    def __init__(self, filelike: Any, block_size: int = BLOCK) -> None:
        self.filelike = filelike
        self.block_size = max(block_size, BLOCK)
        # Middleware asks with hasattr(), so there is a close() only where the file has one.
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block: bytes = self.filelike.read(self.block_size)
        if block:
            return block
        raise StopIteration

    def first(self, limit: int) -> Iterator[bytes]:
        """The file's blocks, up to ``limit`` bytes."""
        while limit > 0 and (block := self.filelike.read(min(self.block_size, limit))):
            limit -= len(block)
            yield block


def slice_of(filelike: Any, limit: int | None) -> FileSlice | None:
    """The rest of the file, from its position on, at most ``limit`` bytes; None where it has to be read instead.

    The slice has a descriptor of its own: the application's file is closed when the response has been handed
    over, which may be before its last byte has been sent.
    """
    opened = _descriptor_file(filelike)
    if opened is None:
        return None
    try:
        facts = os.fstat(opened.fileno())
        if not stat.S_ISREG(facts.st_mode):
            return None
        offset = opened.tell()
    except (OSError, ValueError):
        return None  # a closed or unseekable file: reading it says what is wrong
    count = facts.st_size - offset
    if limit is not None:
        count = min(count, limit)
    if count <= 0:
        return None  # nothing more to send, or one of the files of /proc, which have content and size 0
    return FileSlice(_Descriptor(os.dup(opened.fileno())), offset, count)


def _descriptor_file(filelike: Any) -> Any:
    """The file object that reads straight from a descriptor, or None."""
    if isinstance(filelike, _TEMPORARY):
        filelike = filelike.file
    raw = filelike.raw if type(filelike) in (io.BufferedReader, io.BufferedRandom) else filelike
    if type(raw) is not io.FileIO or filelike.closed:
        return None
    if type(filelike) is io.BufferedRandom:
        filelike.flush()
    return filelike


class _Descriptor:
    """A file descriptor that is closed with the last reference to it."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd

    def __del__(self) -> None:
        os.close(self._fd)
