"""Loads the plugins that were found, checks what they provide, and freezes it into a `Registry`.

A plugin that is broken is set aside with the reason, and the server runs without it: its import raises, it was made
for another version of the contracts, or a hook returns what it should not. Two plugins that claim the same name are an
error, because either choice would be a guess. pluggy finds and validates hook implementations; each is called by
itself, so that a failure has an owner.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pluggy

from . import core_settings, hooks
from .discovery import Candidate, import_failure, install_extra, missing_modules
from .errors import ConfigurationError, PluginError
from .nearest import suggestion
from .registry import Hook, PluginInfo, Provision, Registry, called_by_keyword
from .sansio.connection import Colour
from .settings import METADATA_KEY, Setting, declared
from .specs import API_VERSION, CodecSpec, InterfaceSpec, KernelSpec, ProtocolSpec, WorkerSpec
from .twins import twin_in_use
from .values import unsupported_type

Spec = ProtocolSpec | CodecSpec | InterfaceSpec | WorkerSpec | KernelSpec

SPEC_HOOKS: tuple[tuple[str, str, type[Spec]], ...] = (
    ("asteri_protocols", "protocol", ProtocolSpec),
    ("asteri_codecs", "codec", CodecSpec),
    ("asteri_interfaces", "interface", InterfaceSpec),
    ("asteri_workers", "worker", WorkerSpec),
    ("asteri_kernels", "kernel", KernelSpec),
)

RESERVED = frozenset(
    {"config", "check_config", "print_config", "format", "plugin", "disable_plugin", "version", "help"}
)
"""Names of command line options that are not settings."""

CHECKS: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int),
    "bool": lambda value: isinstance(value, bool),
    "Colour": lambda value: isinstance(value, Colour),
    "tuple[str, ...]": lambda value: isinstance(value, tuple) and all(isinstance(item, str) for item in value),
}


class _Broken(Exception):
    """Why a plugin cannot be used."""


@dataclass(slots=True)
class _Plugin:
    """A plugin while it is being looked at."""

    candidate: Candidate
    why: str = ""
    specs: list[tuple[str, Spec]] = field(default_factory=list)
    groups: list[type] = field(default_factory=list)
    lifecycle: dict[str, Hook] = field(default_factory=dict)


def assemble(candidates: Iterable[Candidate], disabled: Iterable[str] = ()) -> Registry:
    """The registry of these plugins. Raises `PluginError` when two clash or ``disabled`` names none of them."""
    found = list(candidates)
    for name in disabled:
        if name not in {candidate.name for candidate in found}:
            valid = [candidate.name for candidate in found]
            raise PluginError(f"there is no plugin {name!r} to disable: {suggestion(name, valid)}")
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    plugins: dict[str, _Plugin] = {}
    for candidate in found:
        if candidate.name in disabled:
            continue
        if candidate.name in plugins:
            both = f"{plugins[candidate.name].candidate.distribution} and {candidate.distribution}"
            raise PluginError(f"two plugins are named {candidate.name!r}: of {both}; uninstall one or disable both")
        plugins[candidate.name] = _examine(candidate, manager)
    return _freeze(list(plugins.values()))


def _examine(candidate: Candidate, manager: pluggy.PluginManager) -> _Plugin:
    plugin = _Plugin(candidate)
    try:
        _collect(plugin, manager)
    except _Broken as broken:
        plugin = _Plugin(candidate, str(broken))
    return plugin


def _collect(plugin: _Plugin, manager: pluggy.PluginManager) -> None:
    """Import the plugin and take what it provides. Raises `_Broken`."""
    try:
        module = plugin.candidate.load()
    except (Exception, SystemExit) as error:
        failure = error if isinstance(error, Exception) else RuntimeError(f"it called exit({error.code})")
        raise _Broken(import_failure(failure, plugin.candidate.dist)) from error
    version = getattr(module, "asteri_api", API_VERSION)
    if version != API_VERSION:
        raise _Broken(f"it is made for version {version!r} of the plugin contracts, and this is version {API_VERSION}")
    try:
        manager.register(module, plugin.candidate.name)
    except (pluggy.PluginValidationError, ValueError) as error:
        raise _Broken(" ".join(str(error).split())) from error
    for caller in manager.get_hookcallers(module) or ():
        if not caller.has_spec():
            known = [name for name in vars(manager.hook) if getattr(manager.hook, name).has_spec()]
            raise _Broken(f"there is no hook {caller.name!r}: {suggestion(caller.name, known)}")
        implementation = next(found for found in caller.get_hookimpls() if found.plugin is module)
        if implementation.wrapper or implementation.hookwrapper:
            raise _Broken(f"{caller.name} is a hook wrapper, which has nothing to wrap here")
        _take(plugin, caller.name, implementation.function)


def _take(plugin: _Plugin, hook: str, function: Hook) -> None:
    if hook in hooks.LIFECYCLE:
        try:
            plugin.lifecycle[hook] = called_by_keyword(hook, function)
        except ConfigurationError as error:
            raise _Broken(str(error)) from error
        return
    try:
        values = function()
    except Exception as error:
        raise _Broken(f"{hook} failed: {type(error).__name__}: {error}") from error
    if not isinstance(values, Sequence) or isinstance(values, (str, bytes)):
        raise _Broken(f"{hook} returned {values!r}, and a sequence was expected")
    if hook == "asteri_settings":
        for group in values:
            _check_group(group)
        plugin.groups.extend(values)
        return
    kind, wanted = next((kind, wanted) for name, kind, wanted in SPEC_HOOKS if name == hook)
    for spec in values:
        if type(spec) is not wanted:
            raise _Broken(f"{hook} returned {spec!r}, and a {wanted.__name__} was expected")
        _check_spec(kind, spec)
        if (kind, spec.name) in {(other, taken.name) for other, taken in plugin.specs}:
            raise _Broken(f"it provides the {kind} {spec.name!r} twice")
        plugin.specs.append((kind, spec))


def _check_spec(kind: str, spec: Any) -> None:
    for part in dataclasses.fields(spec):
        value = getattr(spec, part.name)
        annotation = str(part.type)
        fits = callable if annotation.startswith("Callable") else CHECKS[annotation]
        if not fits(value):
            raise _Broken(f"{part.name} of its {kind} is {value!r}, and {annotation} was expected")
    if not spec.name:
        raise _Broken(f"one {kind} has no name")


def _check_group(group: Any) -> None:
    if not (isinstance(group, type) and dataclasses.is_dataclass(group)):
        raise _Broken(f"asteri_settings returned {group!r}, and a frozen dataclass was expected")
    if not group.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise _Broken(f"the settings group {group.__name__} is not frozen")
    for part in dataclasses.fields(group):
        if not isinstance(part.metadata.get(METADATA_KEY), Setting):
            raise _Broken(f"{group.__name__}.{part.name} is not made by setting(...)")
        if part.name in RESERVED:
            raise _Broken(f"the setting {part.name!r} has the name of a command line option")
    flaw = unsupported_type(group)
    if flaw:
        raise _Broken(flaw)


def _freeze(plugins: list[_Plugin]) -> Registry:
    specs: dict[tuple[str, str], Spec] = {}
    unavailable: dict[tuple[str, str], str] = {}
    owners: dict[tuple[str, str], str] = {}
    lifecycle: dict[str, tuple[Hook, ...]] = {}
    for plugin in plugins:
        name = plugin.candidate.name
        if plugin.why:
            unavailable["plugin", name] = plugin.why
        for kind, spec in plugin.specs:
            _claim(owners, kind, spec.name, name)
            key = spec.name
            if isinstance(spec, ProtocolSpec):
                key = spec.token
                _claim(owners, "protocol token", spec.token, name)
            why = why_unavailable(spec)
            if why:
                unavailable[kind, key] = why
            else:
                specs[kind, key] = spec
        for hook, function in plugin.lifecycle.items():
            lifecycle[hook] = (*lifecycle.get(hook, ()), function)
    return Registry(
        protocols=tuple(sorted((s for s in specs.values() if isinstance(s, ProtocolSpec)), key=lambda s: s.order)),
        interfaces=tuple(sorted((s for s in specs.values() if isinstance(s, InterfaceSpec)), key=lambda s: s.order)),
        workers=MappingProxyType({s.name: s for s in specs.values() if isinstance(s, WorkerSpec)}),
        settings=_settings(plugins),
        describe=lambda: tuple(_describe(plugin) for plugin in plugins),
        unavailable=MappingProxyType(unavailable),
        hooks=MappingProxyType(lifecycle),
        codecs=tuple(s for s in specs.values() if isinstance(s, CodecSpec)),
        kernels=tuple(s for s in specs.values() if isinstance(s, KernelSpec)),
    )


def _claim(owners: dict[tuple[str, str], str], kind: str, name: str, plugin: str) -> None:
    owner = owners.setdefault((kind, name), plugin)
    if owner != plugin:
        raise PluginError(
            f"the plugins {owner!r} and {plugin!r} both provide the {kind} {name!r}; "
            "leave one out with --disable-plugin"
        )


def _settings(plugins: list[_Plugin]) -> tuple[type, ...]:
    """All groups once, the kernel's first. Names and flags are unique over all of them."""
    groups: dict[type, str] = dict.fromkeys(core_settings.GROUPS, "asteri-core")
    for plugin in plugins:
        for group in plugin.groups:
            groups.setdefault(group, plugin.candidate.name)
    owners: dict[str, str] = {}
    for group, plugin_name in groups.items():
        owner = f"{group.__name__} of {plugin_name}"
        for part, facts in declared(group):
            for name in (part.name, *facts.flags, *facts.environment):
                other = owners.setdefault(name, owner)
                if other is not owner:
                    raise PluginError(f"{other} and {owner} both declare the setting {name!r}")
    return tuple(groups)


def why_unavailable(spec: Spec) -> str:
    """Which modules this thing lacks and the command that installs them; empty when it can be used."""
    if isinstance(spec, KernelSpec):
        return ""  # where it cannot serve, its Python twin does
    missing = missing_modules(spec.requires)
    if not missing:
        return ""
    return f"needs {' and '.join(missing)}: {install_extra(spec.extra, missing)}"


def _says(spec: Spec) -> str:
    """What it is, and which of its twins serves."""
    native = () if isinstance(spec, WorkerSpec) else spec.native
    modules = (native,) if native and isinstance(native, str) else tuple(native)
    return f"{spec.provides}; {twin_in_use(modules)}" if modules else spec.provides


def _describe(plugin: _Plugin) -> PluginInfo:
    provides = [Provision(kind, spec.name, _says(spec), why_unavailable(spec)) for kind, spec in plugin.specs]
    names = [part.name for group in plugin.groups for part in dataclasses.fields(group)]
    if names:
        provides.append(Provision("settings", "", ", ".join(names)))
    if plugin.lifecycle:
        provides.append(Provision("hooks", "", ", ".join(plugin.lifecycle)))
    candidate = plugin.candidate
    return PluginInfo(candidate.name, candidate.version, candidate.distribution, tuple(provides), plugin.why)
