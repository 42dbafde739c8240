"""``gthread``: the reactor's thread reads, parses and waits; a pool of ``--threads`` threads runs the application."""

from __future__ import annotations

from asteri_core.api import BlockingHandler
from asteri_core.worker_api import Executor, Host


class GthreadModel:
    """Turns the reactor; the pool does the rest."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._stopped = False

    def executor(self, handler: BlockingHandler) -> Executor:
        executor: Executor = self._host.kernel.PoolExecutor(handler, self._host.reactor, self._host.threads)
        return executor

    def run(self) -> None:
        poll = self._host.reactor.poll
        while not self._stopped:
            poll()

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        """Nothing is held."""
