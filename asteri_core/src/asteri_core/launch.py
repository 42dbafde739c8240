"""From settings to a running server: what the command line and `asteri.run` share.

A launch knows where the settings came from, so that HUP can read them again from there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from .config import Config
from .core_settings import ProcessSettings, ServerSettings
from .errors import ConfigurationError
from .registry import Registry
from .surroundings import Surroundings, make_importable

log = logging.getLogger("asteri.error")


class Launch:
    """``settings`` are those of the command line or the call, ``file`` the configuration file they name, if any."""

    def __init__(self, registry: Registry, settings: Mapping[str, Any], file: str | None = None) -> None:
        self._registry = registry
        self._settings = settings
        self._file = file
        self._surroundings = Surroundings()
        make_importable(self._surroundings.cwd)

    def read(self, previous: Config | None = None) -> Config:
        """The configuration as it stands now, with nothing done about it. Raises `ConfigurationError`."""
        found = self._surroundings
        return Config.load(self._registry, self._settings, found.environ, found.cwd, self._file, previous)

    def load(self, previous: Config | None = None) -> tuple[Registry, Config]:
        """The configuration, checked and in force (directory, environment, umask). Raises `AsteriError`.

        ``previous`` is the one that a reload replaces; what only a restart can change is kept, and the log tells.
        """
        config = self.read(previous)
        if config.held_back:
            log.warning("changed settings that need a restart are left alone: %s", ", ".join(config.held_back))
        check(self._registry, config)
        self._surroundings.enter(config)
        return self._registry.with_hooks(config.hooks), config

    def run(self, application: Any = None) -> int:
        """Serve until asked to stop; the exit status. ``application`` is given when it is loaded already."""
        registry, config = self.load()
        if application is None:
            app_reference(config)
        from .process import arbiter

        return arbiter.run(registry, config, lambda: self.load(config), application=application)


def run(app: Any, *, config: str | None = None, **settings: Any) -> int:
    """Serve ``app`` until stopped by a signal, as the command line does with these settings. Returns the exit status.

    ``app`` is the name of an application, or the application itself: then it is loaded already, workers inherit it,
    and HUP does not reload its code. ``config`` names a configuration file. Raises `AsteriError` for what is wrong
    before the first worker.
    """
    named = isinstance(app, str)
    launch = Launch(Registry.load(), {**settings, "app": app} if named else settings, config)
    return launch.run(None if named else app)


def app_reference(config: Config) -> str:
    """What names the application. Raises `ConfigurationError` when nothing does."""
    reference = config[ProcessSettings].app
    if not reference:
        raise ConfigurationError("no application is named: asteri module:callable (asteri --help tells more)")
    return reference


def check(registry: Registry, config: Config) -> None:
    """Whether what the settings name exists, and the twin that is forced. Raises `PluginError`."""
    process = config[ProcessSettings]
    registry.kernel()
    registry.protocols_for(config[ServerSettings].http)
    if process.worker_class:
        registry.worker(process.worker_class)
    if process.interface:
        registry.interface(process.interface)
