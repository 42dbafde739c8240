"""The collected body of a request that has none: one file for all of them, in which there is nothing to change.

Most requests have no body. A file of its own for each costs more than reading its head does, so all share this one. It
is a binary file that is always at its end. It keeps no state, not even a position or whether it has been closed, so
what one request does with it no other one sees; and it cannot be written to.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, NoReturn


class EmptyBody:
    """A readable binary file without content."""

    __slots__ = ()

    closed = False
    mode = "rb"
    name = ""

    def read(self, size: int | None = -1, /) -> bytes:
        return b""

    read1 = readline = read

    def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        return []

    def readinto(self, buffer: Any, /) -> int:
        return 0

    readinto1 = readinto

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        raise StopIteration

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """There is but one place to go to."""
        return 0

    def tell(self) -> int:
        return 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def isatty(self) -> bool:
        return False

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """It stays open for the other requests."""

    def __enter__(self) -> EmptyBody:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def write(self, *arguments: object) -> NoReturn:
        raise io.UnsupportedOperation("a request without a body cannot be written to")

    writelines = truncate = write

    def fileno(self) -> NoReturn:
        raise io.UnsupportedOperation("a request without a body has no descriptor")

    detach = fileno


io.BufferedIOBase.register(EmptyBody)

EMPTY_BODY = EmptyBody()
