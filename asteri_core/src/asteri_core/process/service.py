"""One application served in one process: the parts are put together here, and their lives are in order here.

    startup ─▶ listen ─▶ run ─▶ (drain | halt) ─▶ close

A service has no signals, no fork and no arbiter; a worker process and `asteri.Server` both are a service with
something around it.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..application import recognise
from ..core_settings import ProcessSettings, ServerSettings, TlsSettings
from ..errors import AsteriError, RemoteProtocolError, TlsError
from ..executors.executor import Executor, describe
from ..kernel import Kernel
from ..logs import AccessLog
from ..reactor import Reactor
from ..registry import Registry
from ..sansio.connection import Colour, Connection, Peer
from ..scoreboard import Slot
from ..specs import ApplicationContext, Config, InterfaceSpec, WorkerSpec
from ..worker_api import Host, WorkerModel
from .burst import Burst
from .entrance import Entrance
from .limits import Limits

if TYPE_CHECKING:
    from ..tls.contexts import Contexts

log = logging.getLogger("asteri.error")

DRAIN_LOOK = 0.02
"""Seconds between two looks at whether everything has been drained."""
TICK = 0.25
"""Seconds between two heart-beats: a fraction of any sensible time-out, and the coarseness of the request time-out."""


class Service:
    """Serves ``application`` as ``config`` says.

    ``worker`` is the worker model, by default the one of the settings. ``slot`` is where the numbers go, ``access``
    the access log. ``owner`` is what request hooks get as their worker. ``tls`` is what was made before the fork.
    Raises `PluginError` or `ConfigurationError` when the parts do not fit, `ApplicationLoadError` when the application
    is of no known interface.
    """

    def __init__(
        self,
        registry: Registry,
        config: Config,
        application: Any,
        slot: Slot,
        access: AccessLog | None,
        *,
        worker: WorkerSpec | None = None,
        owner: Any = None,
        multiprocess: bool = False,
        tls: Contexts | None = None,
    ) -> None:
        server, process = config[ServerSettings], config[ProcessSettings]
        interface = recognise(application, registry, process.interface)
        worker = worker or worker_for(registry, process, interface)
        self.slot = slot
        self._kernel: Kernel = registry.kernel()
        self._handshakes = Burst("TLS handshakes have failed", log)
        self._enter = Entrance(self._kernel, registry.protocols_for(server.http), config, tls).connect
        self._tls = tls if tls is not None and config[TlsSettings].tls_reload else None
        """The certificates, where they are watched."""
        self._limits = Limits(process, time.monotonic())
        self._access = self._kernel.access_log(access) if access is not None else None
        timeout = server.request_timeout or 0.0
        self._ledger = ledger = self._kernel.Ledger(
            slot,
            time.monotonic,
            access=self._access,
            pre_request=registry.lifecycle("pre_request"),
            post_request=registry.lifecycle("post_request"),
            owner=owner,
            requests=self._limits.requests,
            request_timeout=timeout,
        )
        self.reactor: Reactor = self._kernel.Reactor(
            started=ledger.started,
            finished=ledger.finished,
            failed=self._failed,
            write_timeout=server.write_timeout,
            max_connections=server.worker_connections,
        )
        ledger.reactor = self.reactor
        host = Host(config, self.reactor, process.threads, server.request_timeout, self._kernel)
        self.model: WorkerModel = worker.factory(host)
        threads = worker.multithread or worker.colour is not interface.colour
        context = ApplicationContext(threads, multiprocess, log, registry.bind_codecs(config))
        handler = interface.bind(application, config, context)
        same = worker.colour is interface.colour
        self.executor: Executor = self.model.executor(handler) if same else bridge(interface.colour, handler, host)
        ledger.start = ledger.begin = self.executor.start
        if timeout:
            ledger.begin = ledger.time
        if interface.colour is Colour.BLOCKING:
            ledger.begin = self._kernel.Collector(server.body_buffer, self.reactor.post, ledger.begin).collect
        self._draining = False

    # -- life --------------------------------------------------------------------------------------------------------

    @property
    def ending(self) -> bool:
        """Whether it was told to stop, which can be while the application starts."""
        return self._draining

    def startup(self) -> None:
        """Start the application. Raises `WorkerBootError` when it refuses."""
        self.executor.startup()
        self.begin()

    def begin(self) -> None:
        """Begin the heart-beat and what else has to be done again and again."""
        self._tick()

    def listen(self, sockets: Iterable[socket.socket]) -> None:
        """Accept peers from bound, listening, non-blocking sockets."""
        for sock in sockets:
            self.reactor.listen(sock, self._connect)

    def run(self) -> None:
        """Serve until `drain` has ended or `halt` was called."""
        self.model.run()

    def drain(self, patience: float, limit: float) -> None:
        """Accept no more, let everything finish, then stop. Called in the reactor's thread.

        Idle connections may bring one more request for ``patience`` seconds; after ``limit`` seconds what still runs
        is given up. No patience means that nobody takes our place: then who waits in a listening queue is accepted
        as well, and the sockets are best closed afterwards, so that those who come later are told at once.
        """
        if not patience:
            self.reactor.accept_waiting()
        now = self.reactor.clock()
        if self._draining:
            self.reactor.drain(now + patience)
            return
        self._draining = True
        self.reactor.drain(now + min(patience, limit))
        self.reactor.call_at(now + limit, self._give_up)
        self._look()

    def halt(self) -> None:
        """Stop at once. Called in the reactor's thread."""
        self._draining = True
        self.reactor.abandon()
        self.model.stop()

    def close(self, shutdown: bool = True) -> None:
        """End the application (unless ``shutdown`` is False: it has been), write the logs and free everything."""
        self.reactor.unlisten()
        try:
            if shutdown:
                self.executor.shutdown()
        finally:
            self.model.close()
            self.reactor.close()
            if self._access is not None:
                self._access.close()

    def _look(self) -> None:
        if self.reactor.connections or self.executor.running:
            self.reactor.call_at(self.reactor.clock() + DRAIN_LOOK, self._look)
        else:
            self.model.stop()

    def _give_up(self) -> None:
        if running := self._ledger.running:
            names = ", ".join(describe(exchange) for exchange in running[:10])
            log.warning("draining has taken too long, giving up %d requests: %s", len(running), names)
        self.halt()

    def _connect(self, peer: Peer, now: float) -> Connection:
        self.slot.add_accepted()
        return self._enter(peer, now)

    def _failed(self, error: Exception, peer: Peer) -> None:
        self.slot.add_fault()
        if isinstance(error, TlsError):
            # Scanners come in crowds, and every one of them would be a line.
            self._handshakes.add(self.reactor.now, f"from {peer.address}: {error}")
        elif isinstance(error, RemoteProtocolError):
            log.info("refused with %d, from %s: %s", error.status, peer.address, error)
        else:
            log.info("closed, from %s: %s", peer.address, error)

    # -- what has to be done again and again -------------------------------------------------------------------------

    def _tick(self) -> None:
        """Heart-beat, overdue requests, the access log and the limits of a worker's life."""
        now = self.reactor.clock()
        self.slot.beat(now)
        self.slot.set_connections(self.reactor.connections)
        for exchange in self._ledger.overdue(now):
            self.executor.expire(exchange)
        if self._access is not None:
            self._access.flush(now)
        if self._limits.reached(now):
            self.slot.ask_recycle()
        self._handshakes.look(now)
        if self._tls is not None:
            self._refresh(self._tls)
        self.reactor.call_at(now + TICK, self._tick)

    def _refresh(self, tls: Contexts) -> None:
        try:
            if tls.refresh():
                log.info("the certificates have changed and were loaded")
        except AsteriError as error:
            log.error("changed certificates are not used: %s", error)


def worker_for(registry: Registry, settings: ProcessSettings, interface: InterfaceSpec) -> WorkerSpec:
    """The worker model that the settings name, or the one that fits the interface best."""
    if settings.worker_class:
        return registry.worker(settings.worker_class)
    return registry.default_worker(interface.colour, settings.threads)


def bridge(colour: Colour, handler: Any, host: Host) -> Executor:
    """An executor for a handler whose colour is not the worker model's."""
    if colour is Colour.BLOCKING:
        pool: Executor = host.kernel.PoolExecutor(handler, host.reactor, host.threads)
        return pool
    # Only here does a blocking worker need asyncio.
    from ..executors.loop_thread import LoopThreadExecutor

    return LoopThreadExecutor(handler, host.reactor)
