"""The lifespan of an ASGI application: startup before the first request, shutdown after the last (ASGI lifespan 2.0).

The application runs in one task from startup to the end of shutdown, so that what must be entered and left in the same
task (cancel scopes, task groups) can be, and context variables set in it are not seen by requests.

    auto  an application that raises or returns before ``startup.complete`` does not support lifespan; serve without
    on    that is an error
    off   the application is never asked

``startup.failed`` is always an error, `WorkerBootError`. Errors during shutdown are logged only. This module knows no
requests.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from typing import Any

from asteri_core.api import LocalProtocolError, WorkerBootError

from .messages import Application, Message

LIFESPAN_SPEC_VERSION = "2.0"

END_SECONDS = 1.0
"""How long the application may go on after it has said that its shutdown is complete, until it is cancelled."""


class Stage(enum.Enum):
    """How far the lifespan has come."""

    STARTING = "before startup.complete"
    RUNNING = "between startup and shutdown"
    STOPPING = "before shutdown.complete"
    OVER = "after the lifespan"


MOVES = {
    (Stage.STARTING, "lifespan.startup.complete"): Stage.RUNNING,
    (Stage.STARTING, "lifespan.startup.failed"): Stage.OVER,
    (Stage.STOPPING, "lifespan.shutdown.complete"): Stage.OVER,
    (Stage.STOPPING, "lifespan.shutdown.failed"): Stage.OVER,
}


class Lifespan:
    """Runs the lifespan of one application. ``state`` is the namespace that requests get copies of."""

    def __init__(self, app: Application, mode: str, log: logging.Logger, version: str = "3.0") -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._mode = mode
        self._log = log
        self._version = version
        self._stage = Stage.STARTING
        self._received = 0
        self._failure: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._answered: asyncio.Future[None]
        """Done when the application has answered to startup, later to shutdown."""
        self._idle: asyncio.Future[None]
        """Done when the application waits for a third message, which never comes."""

    async def startup(self) -> None:
        """Returns when the application is ready. Raises `WorkerBootError` when it refuses to start."""
        if self._mode == "off":
            return
        loop = asyncio.get_running_loop()
        self._answered, self._idle = loop.create_future(), loop.create_future()
        self._task = loop.create_task(self._run(), name="asteri-lifespan")
        try:
            await _first(self._task, self._answered)
        except asyncio.CancelledError:
            await self._cancel()
            raise
        if self._failure is not None:
            await self._cancel()
            raise WorkerBootError(f"the application failed to start: {self._failure or 'it gave no message'}")
        if self._stage is Stage.STARTING:
            self._without()

    async def shutdown(self) -> None:
        """Returns when the application has ended. Never raises for what the application does."""
        task = self._task
        if task is None:
            return
        try:
            if not task.done():
                self._stage = Stage.STOPPING
                self._answered = asyncio.get_running_loop().create_future()
                self._stop.set()
                await _first(task, self._answered, self._idle)
                await _first(task, self._idle, timeout=END_SECONDS)
                if self._stage is Stage.STOPPING and not task.done():
                    self._log.error("the application ignored lifespan.shutdown")
        finally:
            await self._cancel()

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": self._version, "spec_version": LIFESPAN_SPEC_VERSION},
            "state": self.state,
        }
        try:
            await self._app(scope, self._receive, self._send)
        except (Exception, SystemExit) as error:
            if self._stage is not Stage.STARTING:
                if self._failure is None:
                    self._log.exception("the application failed in its lifespan, %s", self._stage.value)
            elif self._mode == "on" or isinstance(error, SystemExit):
                # To exit is to refuse, whether lifespan is insisted on or not.
                self._log.exception("the application failed in its lifespan, %s", self._stage.value)
                self._failure = f"{type(error).__name__}: {error}"
            else:
                self._log.debug("the application raised in its lifespan: %s: %s", type(error).__name__, error)
        else:
            if self._stage is Stage.RUNNING:
                self._log.warning("the application ended its lifespan before shutdown")

    async def _receive(self) -> dict[str, Any]:
        self._received += 1
        if self._received == 1:
            return {"type": "lifespan.startup"}
        await self._stop.wait()
        if self._received == 2:
            return {"type": "lifespan.shutdown"}
        # There is nothing more to receive. Applications that loop for ever wait here, and are cancelled.
        if not self._idle.done():
            self._idle.set_result(None)
        never: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        return await never

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        stage = MOVES.get((self._stage, kind))
        if stage is None:
            expected = ", ".join(move for at, move in MOVES if at is self._stage) or "nothing"
            raise LocalProtocolError(f"message {kind!r} {self._stage.value}, expected {expected}")
        self._stage = stage
        if kind == "lifespan.startup.failed":
            self._failure = str(message.get("message", ""))
        elif kind == "lifespan.shutdown.failed":
            self._failure = str(message.get("message", ""))
            self._log.error("the application failed to shut down: %s", self._failure or "it gave no message")
        self._answered.set_result(None)

    def _without(self) -> None:
        """The application has ended before it was asked anything."""
        self._task = None
        if self._mode == "on":
            raise WorkerBootError(
                "the application ended its lifespan before startup.complete; "
                "let it support lifespan, or set lifespan to auto or off"
            )
        self._log.debug("the application does not support lifespan")

    async def _cancel(self) -> None:
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=END_SECONDS)


async def _first(*futures: asyncio.Future[None], timeout: float | None = None) -> None:
    """Returns when one of the futures is done, or after ``timeout`` seconds. None of them is cancelled."""
    await asyncio.wait(futures, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
