"""A server inside somebody else's process: in a thread of its own, or in an event loop that already runs.

    with Server(app, bind="127.0.0.1:0") as server:     # serves until the block ends
        urllib.request.urlopen(server.url)

    await Server(app).serve()                           # serves until it is cancelled, or stopped from another thread

It is a `Service` without an arbiter: one process, no signals, no fork. Settings are keyword arguments; neither files
nor the environment are read, and logging is left as it is, since the process is not ours.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..application import load_application
from ..config import Config
from ..core_settings import LogSettings, ProcessSettings, ServerSettings
from ..errors import ConfigurationError
from ..logs import AccessLog, LogFile
from ..registry import Registry
from ..sansio.connection import Colour
from ..scoreboard import Scoreboard
from ..specs import AsyncHandler, WorkerSpec
from ..worker_api import Host, TaskExecutor, watch_reactor
from .entrance import contexts_of
from .listener import Listener, open_listeners
from .service import Service

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger("asteri.error")

OF_PROCESSES = frozenset(
    {
        *("workers", "timeout", "preload", "daemon", "pid", "user", "group", "umask", "chdir", "name", "env"),
        *("max_requests", "max_requests_jitter", "max_lifetime", "max_lifetime_jitter", "max_memory"),
        *("error_logfile", "log_level", "log_config", "capture_output", "log_color"),
    }
)
"""Settings of the arbiter and its workers, which an embedded server does not have."""


class Server:
    """Serves ``app``, an application or the name of one, with the given settings (see the settings page).

    Raises `ConfigurationError` for a setting that is unknown, not valid, or only for `asteri.run`; what goes wrong
    when the server starts is raised where it is started.
    """

    def __init__(self, app: Any, **settings: Any) -> None:
        for name in settings:
            if name in OF_PROCESSES:
                raise ConfigurationError(f"{name} is a setting of server processes; use asteri.run for it")
        self._application = app
        self._registry = Registry.load()
        self._config = Config.load(self._registry, settings, {}, os.curdir, no_file=True)
        self._service: Service | None = None
        self._listeners: list[Listener] = []
        self._access_file: LogFile | None = None
        self._thread: threading.Thread | None = None
        self._started = threading.Event()
        self._error: BaseException | None = None

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return bool(self._listeners)

    @property
    def url(self) -> str:
        """Where the first listener listens, e.g. ``http://127.0.0.1:40123``. Raises RuntimeError when it does not."""
        if not self._listeners:
            raise RuntimeError("the server is not running")
        return self._listeners[0].url

    # -- in a thread of its own --------------------------------------------------------------------------------------

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serve in a new thread. Returns when the server accepts connections; raises what kept it from that."""
        if self._thread is not None:
            raise RuntimeError("the server is running already")
        self._started.clear()
        self._error = None
        self._thread = threading.Thread(target=self._run, name="asteri-server", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._error is not None:
            self._thread.join()
            self._thread = None
            raise self._error

    def stop(self) -> None:
        """Finish what runs, at most for ``graceful_timeout`` seconds, and end. Any thread but the server's may call."""
        service = self._service
        if service is not None:
            service.reactor.post(lambda: self._drain(service))
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _drain(self, service: Service) -> None:
        service.drain(0.0, self._config[ProcessSettings].graceful_timeout)
        # Who comes from now on is refused, and does not wait for what would be a reset.
        self._close_listeners()

    def _close_listeners(self) -> None:
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.close()

    def _run(self) -> None:
        try:
            service = self._open(None)
            try:
                service.startup()
                service.listen(listener.socket for listener in self._listeners)
                self._started.set()
                service.run()
            finally:
                self._close(service)
        except BaseException as error:
            if self._started.is_set():
                log.exception("the server failed")
            self._error = error
            self._started.set()

    # -- in an event loop that runs ----------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Serve in the running event loop until cancelled, or until `stop` is called from another thread.

        A blocking application runs in a pool of ``threads`` threads. On cancellation what runs is ended at once.
        """
        import asyncio

        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        spec = WorkerSpec(
            "loop", "the event loop that runs", Colour.ASYNC, lambda host: _LoopModel(loop, stopped.set, host)
        )
        service = self._open(spec)
        end_watch = watch_reactor(loop, service.reactor)
        tasks = service.executor if isinstance(service.executor, TaskExecutor) else None
        try:
            if tasks is not None:
                await tasks.boot()
            else:
                service.executor.startup()
            service.begin()
            service.listen(listener.socket for listener in self._listeners)
            await stopped.wait()
        finally:
            try:
                if tasks is not None:
                    await tasks.finish()
            finally:
                # Also when it is cancelled a second time, as `asyncio.run` does with what is left at its end.
                end_watch()
                self._close(service, shutdown=tasks is None)

    # -- both --------------------------------------------------------------------------------------------------------

    def _open(self, worker: WorkerSpec | None) -> Service:
        config = self._config
        application = self._application
        if isinstance(application, str):
            application = load_application(application)
        slot = Scoreboard(1)[0]
        slot.claim(os.getpid(), time.monotonic())
        logs = config[LogSettings]
        access = None
        if logs.access_logfile:
            self._access_file = LogFile(logs.access_logfile, 1)
            access = AccessLog(logs.access_logformat, self._access_file, log)
        tls = contexts_of(self._registry, config)
        service = Service(self._registry, config, application, slot, access, worker=worker, owner=self, tls=tls)
        self._listeners = open_listeners(config[ServerSettings].bind, config[ServerSettings])
        self._service = service
        return service

    def _close(self, service: Service, shutdown: bool = True) -> None:
        self._service = None
        service.close(shutdown)
        self._close_listeners()
        if self._access_file is not None:
            self._access_file.close()
            self._access_file = None


class _LoopModel:
    """A worker model for a loop that is somebody else's: it neither runs nor closes it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stopped: Callable[[], None], host: Host) -> None:
        self._loop = loop
        self._host = host
        self._stopped = stopped

    def executor(self, handler: AsyncHandler) -> TaskExecutor:
        executor: TaskExecutor = self._host.kernel.TaskExecutor(handler, self._loop, self._host.reactor.flush)
        return executor

    def run(self) -> None:
        """The loop runs already."""

    def stop(self) -> None:
        self._stopped()

    def close(self) -> None:
        """The loop stays."""
