"""Starts a server that has no command line of its own, or one that lacks what a comparison needs.

python launch.py SERVER MODULE:APPLICATION PORT WORKERS
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any


def freastal_wsgi(app: Any, port: int, workers: int) -> None:
    import freastal

    freastal.serve(app, host="127.0.0.1", port=port, workers=workers)


def freastal_asgi(app: Any, port: int, workers: int) -> None:
    import freastal

    freastal.serve_asgi(app, host="127.0.0.1", port=port, workers=workers)


def bjoern(app: Any, port: int, workers: int) -> None:
    """Has one process; the way to more that its documentation shows is a fork."""
    import bjoern

    bjoern.listen(app, "127.0.0.1", port)
    for _ in range(workers - 1):
        if os.fork() == 0:
            break
    bjoern.run()


def fastwsgi(app: Any, port: int, workers: int) -> None:
    import fastwsgi

    fastwsgi.server.tcp_nodelay = 1
    fastwsgi.run(app, "127.0.0.1", port, loglevel=fastwsgi.LL_FATAL_ERROR, workers=workers)


SERVERS: dict[str, Callable[[Any, int, int], None]] = {
    "freastal-wsgi": freastal_wsgi,
    "freastal-asgi": freastal_asgi,
    "bjoern": bjoern,
    "fastwsgi": fastwsgi,
}


def main() -> None:
    server, target, port, workers = sys.argv[1:]
    sys.path.insert(0, os.getcwd())
    module, _, attribute = target.partition(":")
    SERVERS[server](getattr(importlib.import_module(module), attribute), int(port), int(workers))


if __name__ == "__main__":
    main()
