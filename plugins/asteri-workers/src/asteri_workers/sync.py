"""``sync``: one request at a time, in the reactor's own thread. Other peers' bytes move while it waits."""

from __future__ import annotations

from asteri_core.api import BlockingHandler
from asteri_core.worker_api import Host, InlineExecutor

TURN = 0.005
"""Seconds after which the reactor gets a turn although more requests are in line, so that other peers' bytes move."""


class SyncModel:
    """Turns the reactor, and runs what is in line between two turns."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._reactor = host.reactor
        # A second peer accepted in the same turn would wait behind the first one's request, not in another worker.
        host.reactor.accept_batch = 1
        self._executor: InlineExecutor | None = None
        self._stopped = False

    def executor(self, handler: BlockingHandler) -> InlineExecutor:
        self._executor = InlineExecutor(handler, self._reactor, self._host.request_timeout)
        return self._executor

    def run(self) -> None:
        poll = self._reactor.poll
        executor = self._executor
        if executor is None:
            # The handler is async, and runs behind the kernel's bridge.
            while not self._stopped:
                poll()
            return
        clock, flush = self._reactor.clock, self._reactor.flush
        turned = 0.0
        while not self._stopped:
            if not executor.waiting:
                poll()
                turned = clock()
                continue
            executor.run_next()
            flush()
            if clock() > turned + TURN:
                poll(0)
                turned = clock()

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        """Nothing is held."""
