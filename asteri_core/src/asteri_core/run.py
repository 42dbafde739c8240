"""`run`: from Python, what the command line does."""

from __future__ import annotations

from typing import Any


def run(app: Any, *, config: str | None = None, **settings: Any) -> int:
    """Serve ``app`` until stopped by a signal, with ``settings`` in place of the command line's. Returns the exit status.

    ``app`` is the name of an application, as on the command line, or the application itself, which is then loaded
    already: workers inherit it, and HUP does not reload its code. ``config`` names a configuration file. Raises
    `AsteriError` for what is wrong before the first worker.
    """
    from .launch import Launch

    return Launch(app, settings, config).run()
