"""The C twin of this package: what `asteri_wsgi.handler` says holds here too."""

from typing import Any, final

from asteri_core.api import ApplicationContext, Exchange

from .body import Wait

@final
class WSGIHandler:
    """The `BlockingHandler` of one application."""

    def __new__(cls, application: Any, root_path: str, context: ApplicationContext) -> WSGIHandler: ...
    def __call__(self, exchange: Exchange, wait: Wait, /) -> None: ...
    def startup(self) -> None: ...
    def shutdown(self) -> None: ...
