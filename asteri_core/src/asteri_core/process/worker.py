"""A worker process from its fork to its exit: a service, the arbiter's signals and the lifeline to the arbiter.

    fork ─▶ load the application ─▶ startup ─▶ ready ─▶ serve ─▶ drain ─▶ exit

Signals: TERM drains because the server ends, as does the end of the lifeline: who waits in the listening queue is
still accepted, and idle connections are closed. URG (`signals.RELIEVE`) drains because others take our place: the
queue is theirs, and an idle connection may bring one more request for `PATIENCE` seconds, whose answer closes it. INT
and QUIT stop at once; USR1 reopens the logs; USR2 writes the stack of every thread to the error log, even when Python
itself is stuck; ABRT runs ``worker_abort`` and ends the process. Handlers only post to the reactor, for what they
interrupt may be anything.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import selectors
import signal
from collections.abc import Callable
from typing import Any

from ..application import load_application
from ..core_settings import ProcessSettings
from ..errors import AsteriError
from ..sansio.lifecycle import State
from .context import READY, WorkerContext
from .service import Service
from .signals import RELIEVE

log = logging.getLogger("asteri.error")

PATIENCE = 5.0
"""Seconds in which an idle keep-alive connection of a replaced worker may still bring a request, so none is lost."""
BOOT_FAILED = 3


def main(context: WorkerContext) -> int:
    """Run one worker. Returns the exit status of its process: 0; 3 or 4 if it could not boot; 1 for a defect."""
    worker = Worker(context)
    try:
        worker.boot()
        worker.serve()
    except AsteriError as error:
        log.error("%s", error, exc_info=error.__cause__)
        return error.exit_status
    except Exception:
        log.exception("the worker failed")
        return 1 if worker.ready else BOOT_FAILED
    finally:
        worker.run_hooks("worker_exit", server=context.server, worker=worker)
    return 0


class Worker:
    """One worker process, and what the lifecycle hooks get as ``worker``."""

    def __init__(self, context: WorkerContext) -> None:
        self.pid = os.getpid()
        self.number = context.number
        self.generation = context.generation
        self.config = context.config
        self.log = log
        self.ready = False
        self._context = context
        self._settings = context.config[ProcessSettings]
        self._service: Service | None = None

    def boot(self) -> None:
        """Load and start the application, then take part in accepting."""
        context = self._context
        signal.signal(signal.SIGUSR1, lambda *_: self._post(lambda _: context.logs.reopen()))
        signal.signal(signal.SIGABRT, self._abort)
        self.run_hooks("post_fork", server=context.server, worker=self)
        application = context.application
        if application is None:
            application = load_application(self._settings.app)
            # An application may have configured logging for itself, and silenced us with it.
            context.logs.restore()
        self._service = service = Service(
            context.registry,
            context.config,
            application,
            context.slot,
            context.logs.access,
            owner=self,
            multiprocess=self._settings.workers > 1,
            tls=context.tls,
        )
        signal.signal(signal.SIGTERM, lambda *_: self._post(lambda service: self._drain(service, 0.0)))
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, lambda *_: self._post(self._halt))
        signal.signal(RELIEVE, lambda *_: self._post(lambda service: self._drain(service, PATIENCE)))
        service.reactor.add(context.lifeline_fd, selectors.EVENT_READ, self._orphaned)
        service.startup()
        if service.ending:
            return
        self.run_hooks("post_worker_init", worker=self)
        # What is there to begin with stays: no collection has to look through it while requests are answered.
        gc.collect()
        gc.freeze()
        service.listen(listener.socket for listener in context.listeners)
        context.slot.set_state(State.READY)
        self.ready = True
        # An arbiter that is gone is not told any more; the lifeline says what to do then.
        with contextlib.suppress(BrokenPipeError):
            os.write(context.ready_fd, READY)
        os.close(context.ready_fd)

    def serve(self) -> None:
        """Serve until told to stop. If that was while the application started, only end it."""
        assert self._service is not None
        try:
            self._service.run()
        finally:
            self._service.close()

    def run_hooks(self, name: str, **arguments: Any) -> None:
        """Call the lifecycle hooks of this name. One that fails is logged; the worker goes on."""
        for hook in self._context.registry.lifecycle(name):
            try:
                hook(**arguments)
            except Exception:
                log.exception("the hook %s failed", name)

    def _post(self, action: Callable[[Service], None]) -> None:
        service = self._service
        if service is not None:
            service.reactor.post(lambda: action(service))

    def _drain(self, service: Service, patience: float) -> None:
        self._context.slot.set_state(State.DRAINING)
        service.drain(patience, self._settings.graceful_timeout)
        for listener in self._context.listeners:
            listener.close()

    def _halt(self, service: Service) -> None:
        self._context.slot.set_state(State.STOPPING)
        self.run_hooks("worker_int", worker=self)
        service.halt()

    def _orphaned(self, mask: int) -> None:
        assert self._service is not None
        self._service.reactor.remove(self._context.lifeline_fd)
        log.error("the arbiter is gone: draining")
        self._drain(self._service, 0.0)

    def _abort(self, *_: Any) -> None:
        self.run_hooks("worker_abort", worker=self)
        logging.shutdown()
        os._exit(1)
