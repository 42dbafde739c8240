"""The handler of an ASGI application: runs it for one exchange after the other and answers for how it ends.

What which end means is written in `endings`. A cancellation, or what else is no `Exception`, cuts the response and goes
on to whoever runs the handler.
"""

from __future__ import annotations

from asteri_core.api import ApplicationContext, Config
from asteri_http.exchange import Exchange
from asteri_http.settings import HttpSettings
from asteri_http.websocket import TOKEN

from .endings import raised, returned
from .http import COMPLETE, CUT, TELLING, WAITING, Cycle
from .lifespan import Lifespan
from .messages import Application
from .scope import scope_maker
from .settings import AsgiSettings
from .turns import Wait
from .websocket import websocket_runner


class AsgiHandler:
    """Satisfies `asteri_core.api.AsyncHandler`."""

    def __init__(self, app: Application, config: Config, context: ApplicationContext, version: str = "3.0") -> None:
        """``version`` is the version of ASGI that the application is told."""
        asgi = config[AsgiSettings]
        self._app = app
        self._log = context.log
        self._lifespan = Lifespan(app, asgi.lifespan, context.log, version)
        self._first_phase = TELLING if asgi.asgi_debug else WAITING
        self._websocket = websocket_runner(app, config, context, self._lifespan.state, version)
        self._make_scope = scope_maker(config[HttpSettings].root_path, self._lifespan.state, version, asgi.asgi_debug)

    async def startup(self) -> None:
        """Raises `WorkerBootError` when the application refuses to start."""
        await self._lifespan.startup()

    async def shutdown(self) -> None:
        await self._lifespan.shutdown()

    async def __call__(self, exchange: Exchange, wait: Wait) -> None:
        if exchange.protocol == TOKEN and self._websocket is not None:
            await self._websocket(exchange, wait)
            return
        cycle = Cycle(exchange, wait, self._log, self._first_phase)
        try:
            await self._app(self._make_scope(exchange), cycle.receive, cycle.send)
        except (Exception, SystemExit) as error:
            # SystemExit too: out of a task it would end the event loop, and one view must not end a server.
            raised(exchange, self._log, cycle.phase is COMPLETE, error)
        except BaseException:
            exchange.abort()
            raise
        else:
            if cycle.phase is not COMPLETE:
                returned(exchange, self._log, cycle.phase.name, cycle.phase is CUT or cycle.told_gone)
