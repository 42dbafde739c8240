"""A program that serves by `asteri.run`: ``run_script.py KIND --bind ADDRESS ... APP``."""

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

import asteri

LOADED_BY = os.getpid()


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [f"{LOADED_BY} {os.getpid()}".encode()]


def main() -> int:
    kind, address, name = sys.argv[1], sys.argv[3], sys.argv[-1]
    match kind:
        case "name":
            return asteri.run(name, bind=address, workers=2, worker_class="gthread", threads=2)
        case "object":
            return asteri.run(app, bind=address, workers=2)
        case "file":
            return asteri.run(name, config="settings.toml", bind=address, server_header="from the call")
    raise AssertionError(kind)


if __name__ == "__main__":
    sys.exit(main())
