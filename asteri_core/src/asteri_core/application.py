"""Finds the application that the command line names, and tells which interface it has.

    module:callable    an attribute, dotted if need be
    module:factory()   the attribute is called without arguments and returns the application
    module             the first of ``app``, ``application`` and ``create_app()`` that the module has

Everything that goes wrong is an `ApplicationLoadError`; an exception of the application's own code is its cause.
How the application is called is not known here: the interfaces in the registry are asked.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

from .errors import ApplicationLoadError
from .nearest import suggestion
from .registry import Registry
from .specs import InterfaceSpec
from .surroundings import make_importable

REFERENCE = re.compile(r"(?P<module>\w+(\.\w+)*)(:(?P<path>\w+(\.\w+)*)(?P<call>\(\s*\))?)?")
NAMES = ("app", "application")
FACTORY = "create_app"


def load_application(reference: str) -> Any:
    """The application that ``reference`` names. The current directory is importable. Raises `ApplicationLoadError`."""
    match = REFERENCE.fullmatch(reference.strip())
    if match is None:
        near = "; give the module's dotted name without .py" if reference.endswith(".py") or "/" in reference else ""
        raise ApplicationLoadError(
            f"{reference!r} names no application: module:callable, module:factory() or module was expected{near}"
        )
    module = _import(match["module"])
    if match["path"] is None:
        return _usual(module)
    found: Any = module
    walked = match["module"]
    for name in match["path"].split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise ApplicationLoadError(f"{walked} has no attribute {name!r}: {_near(name, found)}") from None
        walked = f"{walked}.{name}" if ":" in walked else f"{walked}:{name}"
    return _made(found, walked) if match["call"] else found


def recognise(application: Any, registry: Registry, forced: str = "") -> InterfaceSpec:
    """The interface of this application: the ``forced`` one, or the first that recognises it."""
    if forced:
        return registry.interface(forced)
    for spec in registry.interfaces:
        if spec.recognises(application):
            return spec
    kind = type(application).__name__
    known = ", ".join(spec.name for spec in registry.interfaces) or "none"
    hint = "" if callable(application) else ", because it is not callable"
    raise ApplicationLoadError(
        f"{application!r} ({kind}) is not recognised as an application{hint}; interfaces are: {known}; "
        "--interface names one outright"
    )


def _import(name: str) -> ModuleType:
    here = os.getcwd()
    make_importable(here)
    # A file that was added after the directory was last listed, e.g. before a reload, has to be seen.
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise ApplicationLoadError(
                f"there is no module {error.name!r} in {here} or where Python looks for modules"
                + (f": {name!r} was to be imported" if error.name != name else "")
            ) from None
        raise ApplicationLoadError(f"the module {name!r} imports {error.name!r}, which is not installed") from error
    except (Exception, SystemExit) as error:
        raise ApplicationLoadError(f"the import of {name!r} failed: {type(error).__name__}: {error}") from error


def _usual(module: ModuleType) -> Any:
    for name in NAMES:
        if hasattr(module, name):
            return getattr(module, name)
    if hasattr(module, FACTORY):
        return _made(getattr(module, FACTORY), f"{module.__name__}:{FACTORY}")
    callables = _callables(module)
    has = f"it has {', '.join(callables)}" if callables else "it has no callable of its own"
    raise ApplicationLoadError(
        f"the module {module.__name__!r} has none of {', '.join(NAMES)} and {FACTORY}(): {has}; "
        f"name the application as {module.__name__}:NAME"
    )


def _made(factory: Callable[[], Any], where: str) -> Any:
    if not callable(factory):
        raise ApplicationLoadError(f"{where} is {factory!r}, which cannot be called; leave out the ()")
    try:
        return factory()
    except (Exception, SystemExit) as error:
        raise ApplicationLoadError(f"{where}() failed: {type(error).__name__}: {error}") from error


def _near(name: str, owner: Any) -> str:
    public = [attribute for attribute in dir(owner) if not attribute.startswith("_")]
    if isinstance(owner, ModuleType):
        public = _callables(owner) or public
    return suggestion(name, public)


def _callables(module: ModuleType) -> list[str]:
    """The public callables of a module, those that it has not imported from elsewhere."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and callable(value)
        and getattr(value, "__module__", module.__name__) == module.__name__
    ]
