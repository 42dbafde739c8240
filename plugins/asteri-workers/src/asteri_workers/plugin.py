"""The worker models sync, gthread and asgi, as a plugin."""

from __future__ import annotations

from collections.abc import Sequence

from asteri_core.api import Colour, WorkerSpec, hookimpl
from asteri_core.worker_api import Host, WorkerModel

from .settings import WorkersSettings

asteri_api = 1


def _sync(host: Host) -> WorkerModel:
    from .sync import SyncModel

    return SyncModel(host)


def _gthread(host: Host) -> WorkerModel:
    from .gthread import GthreadModel

    return GthreadModel(host)


def _asgi(host: Host) -> WorkerModel:
    # asyncio costs a tenth of a second to import, so only a worker that needs it does.
    from .asgi import AsgiModel

    return AsgiModel(host)


@hookimpl
def asteri_settings() -> Sequence[type]:
    return [WorkersSettings]


@hookimpl
def asteri_workers() -> Sequence[WorkerSpec]:
    return [
        WorkerSpec(
            name="sync",
            provides="one request at a time, in the process's own thread",
            colour=Colour.BLOCKING,
            factory=_sync,
        ),
        WorkerSpec(
            name="gthread",
            provides="requests in a pool of threads",
            colour=Colour.BLOCKING,
            factory=_gthread,
            multithread=True,
        ),
        WorkerSpec(
            name="asgi",
            provides="requests as tasks of an asyncio or uvloop event loop",
            colour=Colour.ASYNC,
            factory=_asgi,
        ),
    ]
