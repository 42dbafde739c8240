"""The file that tells others the process id of the arbiter.

It stays in root's hands also when the workers run as somebody else: whoever could write it could choose what an
init script kills.
"""

from __future__ import annotations

import os
import tempfile

from ..errors import AsteriError, ConfigurationError


class PidFile:
    """A pid file at ``path``, which is made absolute: the server may change its directory."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)

    def check(self) -> None:
        """Raise `AsteriError` when the file names a living process. One that was left behind is fine."""
        pid = self._read()
        if pid is not None and pid != os.getpid() and _alive(pid):
            raise AsteriError(f"the pid file {self.path!r} belongs to the running process {pid}")

    def write(self) -> None:
        """Write our own process id, whole or not at all. Raises `AsteriError` or `ConfigurationError`."""
        self.check()
        directory, name = os.path.split(self.path)
        try:
            descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=directory)
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{os.getpid()}\n")
                os.fchmod(descriptor, 0o644)
            os.replace(temporary, self.path)
        except OSError as error:
            raise ConfigurationError(f"pid: cannot write {self.path!r}: {error.strerror}") from error

    def remove(self) -> None:
        """Remove it, if it is still ours."""
        if self._read() == os.getpid():
            os.unlink(self.path)

    def _read(self) -> int | None:
        try:
            with open(self.path) as file:
                return int(file.read(32))
        except FileNotFoundError:
            return None
        except ValueError:
            return None
        except OSError as error:
            raise ConfigurationError(f"pid: cannot read {self.path!r}: {error.strerror}") from error


def _alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
