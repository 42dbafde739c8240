"""A log file: a path, or a standard stream named ``-``, behind one descriptor whose number stays the same for its life.

Contract: `LogFile.write` hands over what fits now and never waits for a slow reader; what it writes, it appends
(``O_APPEND``), so the processes that share a file do not overwrite each other. `reopen` follows a rename by putting
the new file behind the same descriptor number: whoever holds that number (faulthandler) need not be told.

It knows no lines and keeps no buffer.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import stat

from ..errors import ConfigurationError

STANDARD = "-"
PIPE_BUF = select.PIPE_BUF
_OPEN_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY


class LogFile:
    """One open log. ``standard`` is the descriptor that ``-`` stands for."""

    __slots__ = ("_owner", "_poll", "atomic", "cut", "fd", "path")

    def __init__(self, path: str, standard: int) -> None:
        """Raises `ConfigurationError` when it cannot be opened."""
        self._owner: tuple[int, int] | None = None
        self.path = None if path == STANDARD else os.path.abspath(path)
        """Absolute, because the server may change its directory before the file is reopened."""
        try:
            self.fd = _standard_stream(standard) if self.path is None else _open_file(self.path)
        except OSError as error:
            name = {1: "stdout", 2: "stderr"}.get(standard, standard) if self.path is None else repr(path)
            raise ConfigurationError(f"cannot open the log {name}: {error.strerror}") from error
        self.cut = False
        """Whether the last write ended within a line."""
        self._look()

    def _look(self) -> None:
        mode = os.fstat(self.fd).st_mode
        self.atomic = PIPE_BUF if stat.S_ISFIFO(mode) else 0
        """The most that may be written at once without other writers' bytes in between; 0 means any amount."""
        self._poll: select.poll | None = None
        if not stat.S_ISREG(mode) and os.get_blocking(self.fd):
            self._poll = select.poll()
            self._poll.register(self.fd, select.POLLOUT)

    def write(self, data: bytes) -> int:
        """Append what fits now and say how much that was.

        Raises OSError when it was nothing; among them BlockingIOError when the reader at the other end is behind.
        """
        if self._poll is not None and not self._poll.poll(0):
            raise BlockingIOError(errno.EAGAIN, "the reader of the log is behind")
        count = os.write(self.fd, data)
        if count:
            self.cut = data[count - 1] != 0x0A
        return count

    def wait(self, seconds: float) -> bool:
        """Wait until something fits again, at most so long."""
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        return bool(poll.poll(seconds * 1000))

    def reopen(self) -> None:
        """Open the path again, after it was renamed. A standard stream stays. On OSError the old file stays in use."""
        if self.path is None:
            return
        opened = _open_file(self.path)
        try:
            if self._owner is not None and stat.S_ISREG(os.fstat(opened).st_mode):
                # A worker that has dropped its privileges is not allowed to, and need not: the arbiter reopens first.
                with contextlib.suppress(PermissionError):
                    os.fchown(opened, *self._owner)
            os.dup2(opened, self.fd, inheritable=False)
        finally:
            os.close(opened)
        self.cut = False
        self._look()

    def chown(self, uid: int, gid: int) -> None:
        """Give the file, now and whenever it is reopened, to whom the workers will run as.

        Only a regular file is given away: /dev/null or a terminal belongs to others.
        """
        if self.path is None:
            return
        self._owner = (uid, gid)
        if not stat.S_ISREG(os.fstat(self.fd).st_mode):
            return
        try:
            os.fchown(self.fd, uid, gid)
        except OSError as error:
            raise ConfigurationError(
                f"cannot give the log {self.path!r} to user {uid}, group {gid}: {error.strerror}"
            ) from error

    def block(self) -> None:
        """Let writes through the descriptor itself wait, for other code that is given the descriptor to print to."""
        os.set_blocking(self.fd, True)
        self._look()

    def close(self) -> None:
        """Close it; a second time does nothing, and writes fail from here on."""
        if self.fd != -1:
            os.close(self.fd)
            self.fd = -1


def _open_file(path: str) -> int:
    # Without O_NONBLOCK, opening a FIFO that nobody reads would hang the start of the server; with it, ENXIO says so.
    # It stays on for a FIFO, whose open description is ours alone; a plain file does not mind it.
    return _clear_of_standard(os.open(path, _OPEN_FLAGS | os.O_NONBLOCK, 0o666))


def _standard_stream(fd: int) -> int:
    """A descriptor of our own for a standard stream, so that capturing the output does not redirect the log as well.

    The stream's open description is shared with whoever started us, and must not be made non-blocking. A pipe can be
    opened anew through /proc, which makes a description of our own; what cannot is asked with poll before each write.
    """
    if stat.S_ISFIFO(os.fstat(fd).st_mode):
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
        with contextlib.suppress(OSError):
            return _clear_of_standard(os.open(f"/proc/self/fd/{fd}", flags))
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)


def _clear_of_standard(fd: int) -> int:
    """Move a descriptor away from 0, 1 and 2: they are free when the server was started with its streams closed."""
    if fd > 2:
        return fd
    moved: int = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(fd)
    return moved
