"""The settings that only the ASGI interface has."""

from __future__ import annotations

from dataclasses import dataclass

from asteri_core.api import setting

LIFESPAN = ("auto", "on", "off")


@dataclass(frozen=True, slots=True)
class AsgiSettings:
    """How ASGI applications are run."""

    lifespan: str = setting(
        "auto",
        "whether the application is told of startup and shutdown: auto tries and goes on without when it raises, "
        "on insists, off never asks",
        choices=LIFESPAN,
    )
    asgi_debug: bool = setting(
        False,
        "offer the http.response.debug extension and write what the application says by it to the error log; "
        "it may say secrets, so it is for development only",
    )
