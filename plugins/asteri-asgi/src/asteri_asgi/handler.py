"""The handler of an ASGI application: runs it for one exchange after the other and answers for how it ends.

    the application ends …           before the head is out     in the body        after a complete response
    … by returning                   500, logged                cut, logged        nothing
    … by raising                     500, logged                cut, logged        logged
    … because the client has left    cut                        cut                nothing
    … by being cancelled             cut, passed on             cut, passed on     passed on

"Because the client has left" is an error that comes from the `Disconnected` of a ``send``, or a return after
``http.disconnect``: that is no failure, and is a debug line only.
"""

from __future__ import annotations

from asteri_core.api import ApplicationContext, Config, Disconnected
from asteri_http.exchange import Exchange
from asteri_http.failure import answer_failure
from asteri_http.settings import HttpSettings

from .http import COMPLETE, CUT, TELLING, WAITING, Cycle, Wait
from .lifespan import Lifespan
from .messages import Application
from .scope import scope_maker
from .settings import AsgiSettings


class AsgiHandler:
    """Satisfies `asteri_core.api.AsyncHandler`."""

    def __init__(self, app: Application, config: Config, context: ApplicationContext, version: str = "3.0") -> None:
        """``version`` is the version of ASGI that the application is told."""
        asgi = config[AsgiSettings]
        self._app = app
        self._log = context.log
        self._lifespan = Lifespan(app, asgi.lifespan, context.log, version)
        self._first_phase = TELLING if asgi.asgi_debug else WAITING
        self._make_scope = scope_maker(config[HttpSettings].root_path, self._lifespan.state, version, asgi.asgi_debug)

    async def startup(self) -> None:
        """Raises `WorkerBootError` when the application refuses to start."""
        await self._lifespan.startup()

    async def shutdown(self) -> None:
        await self._lifespan.shutdown()

    async def __call__(self, exchange: Exchange, wait: Wait) -> None:
        cycle = Cycle(exchange, wait, self._log, self._first_phase)
        try:
            await self._app(self._make_scope(exchange), cycle.receive, cycle.send)
        except (Exception, SystemExit) as error:
            # SystemExit too: out of a task it would end the event loop, and one view must not end a server.
            self._raised(exchange, cycle, error)
        except BaseException:
            exchange.abort()
            raise
        else:
            if cycle.phase is not COMPLETE:
                self._returned(exchange, cycle)

    def _raised(self, exchange: Exchange, cycle: Cycle, error: Exception | SystemExit) -> None:
        if cycle.phase is COMPLETE:
            self._log.error("the application failed after its response: %s", _describe(exchange), exc_info=error)
        elif _is_disconnect(error):
            self._left(exchange)
        else:
            self._log.error("the application failed: %s", _describe(exchange), exc_info=error)
            answer_failure(exchange)

    def _returned(self, exchange: Exchange, cycle: Cycle) -> None:
        if cycle.phase is CUT or cycle.told_gone:
            self._left(exchange)
        else:
            self._log.error(
                "the application returned without a complete response, %s: %s", cycle.phase.name, _describe(exchange)
            )
            answer_failure(exchange)

    def _left(self, exchange: Exchange) -> None:
        self._log.debug("the client left before the response was complete: %s", _describe(exchange))
        exchange.abort()


def _describe(exchange: Exchange) -> str:
    return f"{exchange.method} {exchange.target.decode('latin-1')!a}"


def _is_disconnect(error: BaseException | None) -> bool:
    """Whether an error comes from a `Disconnected`, which frameworks wrap, chain and group."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, Disconnected):
            return True
        if isinstance(error, BaseExceptionGroup):
            return all(_is_disconnect(part) for part in error.exceptions)
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False
