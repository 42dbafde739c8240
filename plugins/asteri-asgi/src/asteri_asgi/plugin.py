"""What the kernel is told of the ASGI interface. Everything that needs an event loop is imported by `bind` only.

Workers of every model import this module to recognise the application they are given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asteri_core.api import ApplicationContext, Colour, Config, InterfaceSpec, hookimpl

from .recognition import is_asgi2, is_asgi3
from .settings import AsgiSettings

if TYPE_CHECKING:
    from .handler import AsgiHandler


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
        ),
        InterfaceSpec(
            name="asgi2",
            provides="ASGI 2: callables of (scope) that give a coroutine function of (receive, send)",
            colour=Colour.ASYNC,
            recognises=is_asgi2,
            bind=bind_asgi2,
            order=200,
        ),
    ]


def bind_asgi3(app: Any, config: Config, context: ApplicationContext) -> AsgiHandler:
    """The handler of an ASGI 3 application."""
    from .handler import AsgiHandler

    return AsgiHandler(app, config, context)


def bind_asgi2(app: Any, config: Config, context: ApplicationContext) -> AsgiHandler:
    """The handler of an ASGI 2 application."""
    from .asgi2 import one_call
    from .handler import AsgiHandler

    return AsgiHandler(one_call(app), config, context, version="2.0")
