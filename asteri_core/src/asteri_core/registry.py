"""The frozen tables of what plugins provide: protocols, codecs, interfaces, worker models, settings, lifecycle hooks.

They are made once at boot by `assembly` and only read from then on; pluggy is not reached through here. Look-ups raise
`PluginError` with the nearest valid name, or with what is missing when a thing is known but its dependency is not
installed. This module does not find or check plugins.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .errors import ConfigurationError, PluginError
from .hooks import LIFECYCLE
from .nearest import suggestion
from .sansio.connection import Colour
from .specs import CodecSpec, Config, InterfaceSpec, KernelSpec, ProtocolSpec, WorkerSpec
from .twins import NATIVE, PYTHON, VARIABLE, implementation, is_built, why_missing

if TYPE_CHECKING:
    from .kernel import Kernel

T = TypeVar("T")
Hook = Callable[..., Any]

PREFERRED_WORKERS = ("sync", "gthread", "asgi")
"""Asked first when no worker model is named, so that installing a plugin does not change what a server runs on."""


@dataclass(frozen=True, slots=True)
class Provision:
    """One thing that a plugin provides."""

    kind: str
    """protocol, codec, interface, worker, settings or hooks."""
    name: str
    says: str
    why: str = ""
    """Why it is not available; empty when it is."""

    def __str__(self) -> str:
        line = f"{self.kind} {self.name}" if self.name else self.kind
        line = f"{line}: {self.says}"
        return f"{line} (unavailable: {self.why})" if self.why else line


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """What ``--plugin list`` shows of a plugin."""

    name: str
    version: str
    distribution: str
    provides: tuple[Provision, ...]
    why: str = ""
    """Why it is not available; empty when it is."""

    @property
    def available(self) -> bool:
        return not self.why


@dataclass(frozen=True, slots=True)
class Registry:
    """What is available. ``protocols`` and ``interfaces`` are in ascending order of their ``order``."""

    protocols: tuple[ProtocolSpec, ...]
    interfaces: tuple[InterfaceSpec, ...]
    workers: Mapping[str, WorkerSpec]
    settings: tuple[type, ...]
    describe: Callable[[], tuple[PluginInfo, ...]]
    """Makes `plugins`. Versions are read from files, which a server that just starts has no need of."""
    unavailable: Mapping[tuple[str, str], str]
    """Why a (kind, name) cannot be used: ``("worker", "gevent")``, or ``("plugin", name)`` for a broken plugin."""
    hooks: Mapping[str, tuple[Hook, ...]]
    codecs: tuple[CodecSpec, ...] = ()
    kernels: tuple[KernelSpec, ...] = ()

    @classmethod
    def load(cls, disabled: Iterable[str] = ()) -> Registry:
        """The registry of the installed plugins without the ``disabled`` ones. Raises `PluginError`."""
        from .assembly import assemble
        from .discovery import installed

        return assemble(installed(), disabled)

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """Every plugin that was found, the broken ones included."""
        return self.describe()

    def lifecycle(self, name: str) -> tuple[Hook, ...]:
        """The functions of one lifecycle hook, in calling order; each is called with all parameters as keywords."""
        return self.hooks.get(name, ())

    def with_hooks(self, namespace: Mapping[str, Any]) -> Registry:
        """A registry whose lifecycle also calls the functions of ``namespace``, after those of the plugins."""
        hooks = dict(self.hooks)
        for name in LIFECYCLE:
            if name in namespace:
                hooks[name] = (*hooks.get(name, ()), called_by_keyword(name, namespace[name]))
        return dataclasses.replace(self, hooks=MappingProxyType(hooks))

    def bind_codecs(self, config: Config) -> Mapping[bytes, Callable[[Any], Any]]:
        """What `ApplicationContext` has of codecs."""
        return MappingProxyType({spec.name.encode(): spec.bind(config) for spec in self.codecs})

    def worker(self, name: str) -> WorkerSpec:
        """The worker model of this name."""
        return self._find("worker", name, self.workers)

    def interface(self, name: str) -> InterfaceSpec:
        """The interface of this name."""
        return self._find("interface", name, {spec.name: spec for spec in self.interfaces})

    def default_worker(self, colour: Colour, threads: int) -> WorkerSpec:
        """The worker model that runs an interface of this colour when none is named on the command line.

        An async interface gets an async model; a blocking one a threaded model when it shall have several threads.
        """
        specs = sorted(self.workers.values(), key=lambda spec: spec.name not in PREFERRED_WORKERS)
        if not specs:
            raise PluginError(f"no worker model is installed{self.missing_plugins()}")
        fits = [spec for spec in specs if spec.colour is colour]
        if colour is Colour.BLOCKING:
            fits = [spec for spec in fits if spec.multithread == (threads > 1)] or fits
        return (fits or specs)[0]

    def kernel(self) -> Kernel:
        """The parts of the kernel that serve: a plugin's where it can be had, the Python ones else.

        Raises `PluginError` where ``ASTERI_IMPL`` forces native and there is none.
        """
        from . import kernel

        forced = implementation()
        if forced != PYTHON:
            why = f"asteri-native is not installed{self.missing_plugins()}"
            for spec in self.kernels:
                missing = [module for module in spec.native if not is_built(module)]
                if not missing:
                    return cast("Kernel", spec.load())
                why = why_missing(missing[0])
            if forced == NATIVE:
                raise PluginError(f"{VARIABLE} is {NATIVE}, but {why}")
        return cast("Kernel", kernel)

    def protocols_for(self, tokens: Iterable[str]) -> tuple[ProtocolSpec, ...]:
        """The protocols of these ``--http`` tokens, in their order; all of them for none."""
        wanted = {part.strip() for token in tokens for part in token.split(",")} - {""}
        if not wanted:
            if not self.protocols:
                raise PluginError(f"no protocol is installed{self.missing_plugins()}")
            return self.protocols
        known = {spec.token: spec for spec in self.protocols}
        chosen = [self._find("protocol", token, known) for token in wanted]
        return tuple(sorted(chosen, key=lambda spec: spec.order))

    def missing_plugins(self) -> str:
        """What to add to an error about something unknown: the broken plugins, which might have provided it."""
        broken = [f"{name} ({why})" for (kind, name), why in self.unavailable.items() if kind == "plugin"]
        return f"; unavailable plugins: {', '.join(broken)}" if broken else ""

    def _find(self, kind: str, name: str, known: Mapping[str, T]) -> T:
        found = known.get(name)
        if found is not None:
            return found
        why = self.unavailable.get((kind, name))
        if why is not None:
            raise PluginError(f"{kind} {name!r} is not available: {why}")
        raise PluginError(f"there is no {kind} {name!r}: {suggestion(name, known)}{self.missing_plugins()}")


def called_by_keyword(name: str, function: Any) -> Hook:
    """A lifecycle function as one that takes all of the hook's parameters as keywords.

    It may leave some out. If it names them differently it has to take all of them, in the order of `hooks`. Raises
    `ConfigurationError` for what cannot be called so.
    """
    from . import hooks

    names = tuple(inspect.signature(getattr(hooks, name)).parameters)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the lifecycle hook {name} is {function!r}, and a function was expected") from error
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return function  # type: ignore[no-any-return]
    by_name = {one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
    required = [one.name for one in parameters if one.default is one.empty and one.kind is not one.VAR_POSITIONAL]
    if by_name.issuperset(required) and by_name.issuperset(names) and set(required) <= set(names):
        return function  # type: ignore[no-any-return]
    if by_name.issuperset(required) and set(required) <= set(names):
        taken = [parameter for parameter in names if parameter in by_name]
        return lambda **values: function(**{parameter: values[parameter] for parameter in taken})
    if len(required) == len(names):
        return lambda **values: function(*(values[parameter] for parameter in names))
    raise ConfigurationError(f"the lifecycle hook {name} takes ({', '.join(names)}), not ({', '.join(required)})")
