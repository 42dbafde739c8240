"""Every hook of asteri, on one page.

A plugin is a module (or object) named by an entry point of the group ``asteri``; what it implements it marks with
``@asteri.hookimpl``. The first part is called once at boot and returns values, which the registry checks and freezes.
The second part follows the life of the server. No hook is called while a request runs, except ``pre_request`` and
``post_request``, and those only when somebody implements them.

A Python configuration file may define the lifecycle hooks as plain functions with the same names and parameters.
"""

# mypy: disable-error-code="empty-body"
# A hook specification has no body: pluggy only reads its name and parameters.

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pluggy

from .specs import CodecSpec, InterfaceSpec, KernelSpec, ProtocolSpec, WorkerSpec

PROJECT = "asteri"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


# -- what a plugin provides ------------------------------------------------------------------------------------------


@hookspec
def asteri_settings() -> Sequence[type]:
    """Settings groups: frozen dataclasses made of `asteri_core.settings.setting` fields. Two plugins may share one."""


@hookspec
def asteri_protocols() -> Sequence[ProtocolSpec]:
    """Protocols on byte streams."""


@hookspec
def asteri_codecs() -> Sequence[CodecSpec]:
    """What applications may talk over an upgraded exchange."""


@hookspec
def asteri_interfaces() -> Sequence[InterfaceSpec]:
    """Ways to call an application."""


@hookspec
def asteri_workers() -> Sequence[WorkerSpec]:
    """Worker models."""


@hookspec
def asteri_kernels() -> Sequence[KernelSpec]:
    """Twins of the kernel's own hot parts. At most one plugin provides them."""


# -- the life of the server: in the arbiter --------------------------------------------------------------------------


@hookspec
def on_starting(server: Any) -> None:
    """The arbiter starts; nothing is bound yet."""


@hookspec
def on_reload(server: Any) -> None:
    """HUP has been received; the new configuration is in force, new workers follow."""


@hookspec
def when_ready(server: Any) -> None:
    """The sockets are bound and the first workers are ready."""


@hookspec
def ssl_context(config: Any, default_ssl_context_factory: Any) -> Any:
    """TLS is on: the ``ssl.SSLContext`` to use, or None for the usual one, which the factory makes."""


@hookspec
def pre_fork(server: Any, worker: Any) -> None:
    """Just before a worker is forked."""


@hookspec
def child_exit(server: Any, worker: Any) -> None:
    """A worker's process has ended and been reaped."""


@hookspec
def nworkers_changed(server: Any, new_value: int, old_value: int | None) -> None:
    """The number of wanted workers has changed."""


@hookspec
def on_exit(server: Any) -> None:
    """The arbiter is about to exit."""


# -- the life of the server: in a worker -----------------------------------------------------------------------------


@hookspec
def post_fork(server: Any, worker: Any) -> None:
    """Just after the fork, before the application is loaded."""


@hookspec
def post_worker_init(worker: Any) -> None:
    """The application is loaded and ready."""


@hookspec
def worker_int(worker: Any) -> None:
    """The worker was told to stop at once (INT, QUIT)."""


@hookspec
def worker_abort(worker: Any) -> None:
    """The worker missed its heart-beat and is about to be killed (ABRT)."""


@hookspec
def pre_request(worker: Any, request: Any) -> None:
    """A request is about to be handed to the application. ``request`` is the `Exchange`."""


@hookspec
def post_request(worker: Any, request: Any, response: Any) -> None:
    """An exchange is over. ``response`` is the same `Exchange`, whose ``status`` and ``sent`` are set.

    It is called where the last bytes were handed over, so it must not wait for another request: in a threaded worker
    the reactor is locked meanwhile.
    """


@hookspec
def worker_exit(server: Any, worker: Any) -> None:
    """The worker is about to exit."""


LIFECYCLE = (
    "on_starting", "on_reload", "ssl_context", "when_ready", "pre_fork", "child_exit", "nworkers_changed", "on_exit",
    "post_fork", "post_worker_init", "worker_int", "worker_abort", "pre_request", "post_request", "worker_exit",
)  # fmt: skip
