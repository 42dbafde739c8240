"""``sync``: one request at a time, in the reactor's own thread. Other peers' bytes move while it waits."""

from __future__ import annotations

from typing import Any

from asteri_core.api import BlockingHandler
from asteri_core.worker_api import Executor, Host


class SyncModel:
    """Turns the reactor, and runs what is in line between two turns."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._reactor = host.reactor
        # A second peer accepted in the same turn would wait behind the first one's request, not in another worker.
        host.reactor.accept_batch = 1
        self._executor: Any = None
        """An `asteri_core.worker_api.InlineExecutor`, or its twin."""
        self._stopped = False

    def executor(self, handler: BlockingHandler) -> Executor:
        executor: Executor = self._host.kernel.InlineExecutor(handler, self._reactor, self._host.request_timeout)
        self._executor = executor
        return executor

    def run(self) -> None:
        poll = self._reactor.poll
        executor = self._executor
        if executor is None:
            # The handler is async, and runs behind the kernel's bridge.
            while not self._stopped:
                poll()
            return
        while not self._stopped:
            executor.run_line()
            poll(0 if executor.waiting else None)

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        """Nothing is held."""
