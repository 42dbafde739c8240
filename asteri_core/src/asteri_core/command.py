"""The click command of ``asteri``, made from the settings in the registry.

click finds options and their values; types, ranges and choices are checked by `config`, so that a value is judged alike
wherever it comes from. What click raises is translated here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from .config import Declared, all_settings
from .errors import ConfigurationError
from .nearest import suggestion
from .registry import Registry

EPILOG = (
    "A setting may also be given as an environment variable (--keep-alive is ASTERI_KEEP_ALIVE) or in a file "
    "(keep_alive). The command line comes first, then the environment, the file, the default."
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A command line."""

    settings: dict[str, Any]
    """The settings that it gives, as text; flags as bool, repeated ones as tuple."""
    config: str | None
    action: str
    """``serve``, ``check`` or ``print``."""
    plugin: str | None
    format: str


def parse(registry: Registry, arguments: Sequence[str]) -> Parsed | None:
    """The command line; None when help or version was asked for and has been printed. Raises `ConfigurationError`."""
    settings = all_settings(registry)
    command = _Command(registry, settings)
    try:
        with command.make_context("asteri", list(arguments)) as context:
            given = {
                name: value
                for name, value in context.params.items()
                if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
            }
    except click.exceptions.Exit:
        return None
    except click.NoSuchOption as error:
        options = [name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)]
        long = [name for name in options if name.startswith("--")]
        raise ConfigurationError(f"there is no option {error.option_name}: {_did_you_mean(error, long)}") from None
    except click.UsageError as error:
        raise ConfigurationError(_lower(error.format_message())) from None
    action = "check" if given.get("check_config") else "print" if given.get("print_config") else "serve"
    return Parsed(
        {name: value for name, value in given.items() if name in settings},
        given.get("config"),
        action,
        given.get("plugin"),
        given.get("format", "text"),
    )


def _did_you_mean(error: click.NoSuchOption, options: Sequence[str]) -> str:
    text = suggestion(error.option_name, options)
    return text if text.startswith("did") else "asteri --help lists them"


def _lower(message: str) -> str:
    return (message[:1].lower() + message[1:]).rstrip(".")


class _Command(click.Command):
    """Options in the groups of their settings."""

    def __init__(self, registry: Registry, settings: dict[str, Declared]) -> None:
        own = _own_options()
        self.groups: list[tuple[str, list[click.Parameter]]] = [("Command", own)]
        for group in registry.settings:
            options = [_parameter(one) for one in settings.values() if one.group is group]
            self.groups.append((title(group), options))
        super().__init__(
            "asteri",
            params=[parameter for _, parameters in self.groups for parameter in parameters],
            help="Serve the application APP: module:callable, module:factory() or module.",
            epilog=EPILOG,
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
        )

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, parameters in self.groups:
            options = [one for one in parameters if isinstance(one, click.Option)]
            records = [record for one in options if (record := one.get_help_record(context)) is not None]
            if heading == "Command" and (helper := self.get_help_option(context)) is not None:
                records.append(helper.get_help_record(context) or ("--help", ""))
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def title(group: type) -> str:
    """The heading of a settings group: the first line of its docstring."""
    return (group.__doc__ or group.__name__).strip().splitlines()[0].rstrip(".")


def _own_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["-c", "--config"],
            metavar="FILE",
            help="configuration file, TOML or Python; ./asteri.toml or [tool.asteri] of ./pyproject.toml by default",
        ),
        click.Option(
            ["--check-config"], is_flag=True, help="load everything, the application too, and say what is wrong"
        ),
        click.Option(["--print-config"], is_flag=True, help="print every setting with its value and its source"),
        click.Option(
            ["--format"],
            type=click.Choice(["text", "toml", "json"]),
            default="text",
            help="of --print-config and --plugin",
        ),
        click.Option(["--plugin"], metavar="list|NAME", help="show all plugins or one, what they provide and why not"),
        click.Option(["--disable-plugin"], metavar="NAME", multiple=True, help="leave a plugin out; may be repeated"),
        click.Option(
            ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version, help="print the version"
        ),
    ]


def _version(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"asteri {version('asteri-core')}")
        context.exit()


def _parameter(setting: Declared) -> click.Parameter:
    if setting.name == "app":
        return click.Argument(["app"], required=False, metavar="APP", type=click.UNPROCESSED)
    flag = "--" + setting.name.replace("_", "-")
    text = _help(setting)
    if setting.kind.scalar is bool and not setting.kind.optional and not setting.kind.repeated:
        return click.Option(
            [setting.name, *setting.facts.flags, f"{flag}/--no-{flag[2:]}"], default=bool(setting.default), help=text
        )
    metavar = setting.facts.metavar or "|".join(setting.facts.choices) or setting.kind.scalar.__name__.upper()
    return click.Option(
        [setting.name, *setting.facts.flags, flag],
        metavar=metavar,
        multiple=setting.kind.repeated,
        type=click.UNPROCESSED,
        help=text,
    )


def _help(setting: Declared) -> str:
    facts = []
    if setting.default not in (None, "", (), False):
        shown = ", ".join(setting.default) if isinstance(setting.default, tuple) else _plain(setting.default)
        facts.append(f"default {shown}")
    if setting.facts.environment:
        facts.append("also $" + ", $".join(setting.facts.environment))
    return setting.facts.help + (f"  [{'; '.join(facts)}]" if facts else "")


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "on"
    return f"{value:g}" if isinstance(value, float) else str(value)
