"""What the process is surrounded by when the application is loaded: directory, environment, umask, and its own name.

``--chdir``, ``--env``, ``--umask`` and ``--name`` act here, before anything is forked, so that every process inherits
them. ``--env`` acts again on each reload: variables that are no longer asked for get back the value they began with.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from .core_settings import ProcessSettings
from .errors import ConfigurationError
from .specs import Config

NAME_FILE = "/proc/self/comm"
"""Linux: writing here renames the thread, which for the first thread is what ps and top show (at most 15 bytes)."""


class Surroundings:
    """The surroundings as they were found, and what has been made of them."""

    def __init__(self) -> None:
        self.environ: Mapping[str, str] = dict(os.environ)
        """The environment as it was found: where settings are looked up, on every reload too."""
        self.cwd = os.getcwd()
        self._set: set[str] = set()

    def enter(self, config: Config) -> None:
        """Make everything as the settings say. Raises `ConfigurationError` for a directory that cannot be entered."""
        settings = config[ProcessSettings]
        if settings.umask is not None:
            os.umask(settings.umask)
        directory = os.path.join(self.cwd, settings.chdir or "")
        try:
            os.chdir(directory)
        except OSError as error:
            raise ConfigurationError(f"chdir: cannot enter {directory!r}: {error.strerror}") from error
        make_importable(os.getcwd())
        self._set_environment(dict(pair.split("=", 1) for pair in settings.env))
        if settings.name:
            rename(settings.name)

    def _set_environment(self, wanted: dict[str, str]) -> None:
        for name in self._set - wanted.keys():
            if name in self.environ:
                os.environ[name] = self.environ[name]
            else:
                os.environ.pop(name, None)
        os.environ.update(wanted)
        self._set = set(wanted)


def make_importable(directory: str) -> None:
    """Have Python look for modules in this directory, before it looks elsewhere."""
    if sys.path[:1] == [directory]:
        return
    if directory in sys.path:
        # Left where it is, a release that was rolled back to would be found behind the one it replaces.
        sys.path.remove(directory)
    sys.path.insert(0, directory)


def rename(name: str) -> None:
    """Give this process, and those it forks, the name. Nothing happens where the system has no way to."""
    try:
        with open(NAME_FILE, "wb", buffering=0) as file:
            file.write(name.encode("utf-8", "replace")[:15])
    except (FileNotFoundError, PermissionError):
        return
