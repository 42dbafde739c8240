"""What the kernel is told of the ASGI interface. Everything that needs an event loop is imported by `bind` only.

Workers of every model import this module to recognise the application they are given.
"""

from __future__ import annotations

from typing import Any

from asteri_core.api import ApplicationContext, AsyncHandler, Colour, Config, InterfaceSpec, hookimpl, native_twin

from .recognition import is_asgi2, is_asgi3
from .settings import AsgiSettings

NATIVE = "asteri_asgi._native"


@hookimpl
def asteri_settings() -> list[type]:
    return [AsgiSettings]


@hookimpl
def asteri_interfaces() -> list[InterfaceSpec]:
    return [
        InterfaceSpec(
            name="asgi",
            provides="ASGI 3: coroutine functions of (scope, receive, send), with lifespan",
            colour=Colour.ASYNC,
            recognises=is_asgi3,
            bind=bind_asgi3,
            order=100,
            native=NATIVE,
        ),
        InterfaceSpec(
            name="asgi2",
            provides="ASGI 2: callables of (scope) that give a coroutine function of (receive, send)",
            colour=Colour.ASYNC,
            recognises=is_asgi2,
            bind=bind_asgi2,
            order=200,
            native=NATIVE,
        ),
    ]


def bind_asgi3(app: Any, config: Config, context: ApplicationContext) -> AsyncHandler:
    """The handler of an ASGI 3 application."""
    return _bind(app, config, context, "3.0")


def bind_asgi2(app: Any, config: Config, context: ApplicationContext) -> AsyncHandler:
    """The handler of an ASGI 2 application."""
    from .asgi2 import one_call

    return _bind(one_call(app), config, context, "2.0")


def _bind(app: Any, config: Config, context: ApplicationContext, version: str) -> AsyncHandler:
    """The C twin's handler where it has been built."""
    twin: Any = native_twin(NATIVE)
    if twin is None:
        from . import handler as twin
    handler: AsyncHandler = twin.AsgiHandler(app, config, context, version)
    return handler
