"""What this distribution brings to asteri: the WSGI interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asteri_core.api import ApplicationContext, Colour, Config, InterfaceSpec, hookimpl, native_twin
from asteri_http.settings import HttpSettings

from .handler import WSGIHandler
from .recognise import is_wsgi

asteri_api = 1

NATIVE = "asteri_wsgi._native"


def bind(application: Any, config: Config, context: ApplicationContext) -> Any:
    """The `BlockingHandler` of an application, with the settings it needs: the C twin where it has been built."""
    twin: Any = native_twin(NATIVE)
    make = WSGIHandler if twin is None else twin.WSGIHandler
    return make(application, config[HttpSettings].root_path, context)


@hookimpl
def asteri_settings() -> Sequence[type]:
    return [HttpSettings]


@hookimpl
def asteri_interfaces() -> Sequence[InterfaceSpec]:
    return [
        InterfaceSpec(
            name="wsgi",
            provides="WSGI applications (PEP 3333)",
            colour=Colour.BLOCKING,
            recognises=is_wsgi,
            bind=bind,
            # The last to be asked: to the eye a WSGI application is any callable of two arguments.
            order=1000,
            native=NATIVE,
        )
    ]
