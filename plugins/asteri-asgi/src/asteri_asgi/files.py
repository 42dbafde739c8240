"""Files named by ``http.response.zerocopysend`` and ``http.response.pathsend``, as slices that an exchange can send.

An application may close its file as soon as ``send`` has returned, but the bytes may leave later; by then the number of
the descriptor may belong to another file. So a slice always owns a descriptor of its own. Nothing here sends.
"""

from __future__ import annotations

import os
import stat
from typing import Any

from asteri_core.api import FileSlice, LocalProtocolError, Sendable


class OwnedFile:
    """An open descriptor that is closed when the last slice that refers to it has gone."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def __del__(self) -> None:
        os.close(self._descriptor)


def slice_of_path(path: Any) -> Sendable:
    """The whole regular file at an absolute path."""
    if not isinstance(path, str) or not os.path.isabs(path):
        raise LocalProtocolError(f"path of http.response.pathsend is {path!r}, expected an absolute path as str")
    try:
        # O_NONBLOCK: opening a FIFO by mistake must not stop the event loop until somebody writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        # Not passed on as OSError: from send, that means that the client has left.
        raise LocalProtocolError(f"cannot open {path!r} of http.response.pathsend: {error}") from error
    try:
        size = _size(descriptor, "http.response.pathsend")
    except LocalProtocolError:
        os.close(descriptor)
        raise
    return _content(descriptor, 0, size)


def slice_of_descriptor(file: Any, offset: Any, count: Any) -> Sendable:
    """A part of an open regular file: from its current position without ``offset``, to its end without ``count``.

    ``file`` has ``fileno()`` or is a descriptor's number. Without ``offset`` its position moves on, as by sendfile(2).
    """
    kind = "http.response.zerocopysend"
    _check_number("offset", offset)
    _check_number("count", count)
    try:
        descriptor = file if type(file) is int else file.fileno()
        size = _size(descriptor, kind)
        start = offset if offset is not None else _position(file)
    except (AttributeError, OSError, ValueError) as error:  # ValueError: a closed file
        raise LocalProtocolError(f"file of {kind} is {file!r}, expected an open file with a descriptor") from error
    available = max(size - start, 0)
    if count is None:
        count = available
    elif count > available:
        raise LocalProtocolError(f"count of {kind} is {count}, the file has {available} bytes from offset {start}")
    if offset is None:
        _move(file, start + count)
    return _content(os.dup(descriptor), start, count)


def _content(descriptor: int, offset: int, count: int) -> Sendable:
    """A slice that owns ``descriptor``; no slice for no bytes."""
    file = OwnedFile(descriptor)
    return FileSlice(file, offset, count) if count > 0 else b""


def _check_number(name: str, value: Any) -> None:
    if value is not None and (type(value) is not int or value < 0):
        raise LocalProtocolError(f"{name} of http.response.zerocopysend is {value!r}, expected a non-negative int")


def _size(descriptor: int, kind: str) -> int:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise LocalProtocolError(f"file of {kind} is not a regular file")
    return found.st_size


def _position(file: Any) -> int:
    if hasattr(file, "tell"):  # a buffered file's own position is not that of its descriptor
        return int(file.tell())
    return os.lseek(file if type(file) is int else file.fileno(), 0, os.SEEK_CUR)


def _move(file: Any, position: int) -> None:
    if hasattr(file, "seek"):
        file.seek(position)
    else:
        os.lseek(file if type(file) is int else file.fileno(), position, os.SEEK_SET)
