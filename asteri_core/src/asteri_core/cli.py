"""The command ``asteri``: reads the command line, then shows what was asked for, or serves.

The options are made from the settings in the registry, so a plugin's settings are options like the kernel's. Exit
statuses: 0 stopped as asked, 2 the command line or a file is wrong, 3 a worker failed to boot, 4 the application cannot
be loaded, 1 anything else. Processes, sockets and event loops are imported only by a server that starts.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .errors import ApplicationLoadError, AsteriError, ConfigurationError, PluginError
from .nearest import suggestion
from .registry import Registry

if TYPE_CHECKING:
    from .config import Config
    from .launch import Launch


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _main(arguments)
    except AsteriError as error:
        if error.__cause__ is not None and isinstance(error, ApplicationLoadError):
            # The application's own exception: its traceback is what its author needs.
            traceback.print_exception(error.__cause__)
        print(f"asteri: error: {error}", file=sys.stderr)
        return error.exit_status


def _main(arguments: list[str]) -> int:
    from .command import parse

    registry = Registry.load(disabled_plugins(arguments))
    parsed = parse(registry, arguments)
    if parsed is None:
        return 0
    if parsed.format != "text" and parsed.plugin is None and parsed.action != "print":
        raise ConfigurationError(f"--format {parsed.format} needs --print-config or --plugin beside it")
    if parsed.plugin is not None:
        return _show_plugins(registry, parsed.plugin, parsed.format)
    return _configured(registry, parsed.settings, parsed.config, parsed.action, parsed.format)


def disabled_plugins(arguments: Sequence[str]) -> list[str]:
    """The values of ``--disable-plugin``. They have to be known before the other options can be."""
    names = []
    for position, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument == "--disable-plugin" and position + 1 < len(arguments):
            names.append(arguments[position + 1])
        elif argument.startswith("--disable-plugin="):
            names.append(argument.partition("=")[2])
    return names


def _show_plugins(registry: Registry, which: str, form: str) -> int:
    from .show import plugins_as_json, plugins_as_text

    plugins = registry.plugins
    if which != "list":
        plugins = tuple(plugin for plugin in registry.plugins if plugin.name == which)
        if not plugins:
            raise PluginError(f"there is no plugin {which!r}: {suggestion(which, [p.name for p in registry.plugins])}")
    if form == "toml":
        raise ConfigurationError("--plugin can be shown as text or json, not as toml")
    _print(plugins_as_json(plugins) if form == "json" else plugins_as_text(plugins))
    return 0


def _print(text: str) -> None:
    """On standard output, whose reader may have seen enough of it, as ``head`` does."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # What is still buffered would fail once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _configured(registry: Registry, settings: dict[str, Any], file: str | None, action: str, form: str) -> int:
    """Load the configuration, and do what was asked for with it."""
    from .launch import Launch

    launch = Launch(registry, settings, file)
    if action == "print":
        from .show import config_as

        _print(config_as(form, launch.read()))
        return 0
    if action == "check":
        return _check_application(*launch.load())
    return _serve(launch)


def _serve(launch: Launch) -> int:
    status = launch.run()
    from .process.signals import deafen

    deafen()
    return status


def _check_application(registry: Registry, config: Config) -> int:
    """``--check-config``: whether a server would start."""
    from .application import load_application, recognise
    from .core_settings import ProcessSettings
    from .launch import app_reference

    reference = app_reference(config)
    process = config[ProcessSettings]
    interface = recognise(load_application(reference), registry, process.interface)
    if process.worker_class:
        worker = registry.worker(process.worker_class)
    else:
        worker = registry.default_worker(interface.colour, process.threads)
    print(f"ok: {reference} is {interface.name}, run by {process.workers} x {worker.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
