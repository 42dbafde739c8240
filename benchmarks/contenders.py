"""The servers that are compared, and the command that starts each of them with one worker process.

Peers get the options that are best for them: no access log, and no work that asteri does not do either (uvicorn's
header rewriting for proxies is off). A peer that is not installed is left out. What is not compared: TLS, HTTP/2,
several workers.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True, slots=True)
class Contender:
    """One server with one set of options. ``{port}`` in the command is the port to listen on."""

    name: str
    interface: str
    """``wsgi`` or ``asgi``: which of the applications it runs."""
    command: str
    """What follows ``python -m``."""
    needs: tuple[str, ...] = ()
    """Distributions besides the server's own."""
    keep_alive: bool = True
    main: bool = True
    """Whether it takes part when nobody has said who does."""

    def arguments(self, port: int) -> list[str]:
        return [sys.executable, "-m", *self.command.format(port=port).split()]

    @property
    def distributions(self) -> tuple[str, ...]:
        return (self.command.split()[0], *self.needs)

    @property
    def installed(self) -> bool:
        return all(version_of(name) for name in self.distributions)


_GUNICORN = "gunicorn --bind 127.0.0.1:{port} --workers 1 --log-level warning --keep-alive 5"
_UVICORN = "uvicorn --host 127.0.0.1 --port {port} --no-access-log --no-proxy-headers --log-level warning"
_ASTERI = "asteri --bind 127.0.0.1:{port} --workers 1 --log-level warning"

CONTENDERS = (
    Contender("asteri sync", "wsgi", f"{_ASTERI} -k sync applications:wsgi"),
    Contender("asteri gthread, 1 thread", "wsgi", f"{_ASTERI} -k gthread --threads 1 applications:wsgi"),
    Contender("asteri gthread, 4 threads", "wsgi", f"{_ASTERI} -k gthread --threads 4 applications:wsgi"),
    Contender("gunicorn gthread, 1 thread", "wsgi", f"{_GUNICORN} -k gthread --threads 1 applications:wsgi"),
    Contender("gunicorn gthread, 4 threads", "wsgi", f"{_GUNICORN} -k gthread --threads 4 applications:wsgi"),
    Contender("gunicorn sync", "wsgi", f"{_GUNICORN} -k sync applications:wsgi", keep_alive=False),
    Contender(
        "waitress, 4 threads",
        "wsgi",
        "waitress --listen=127.0.0.1:{port} --threads=4 applications:wsgi",
        main=False,
    ),
    Contender("asteri asgi", "asgi", f"{_ASTERI} -k asgi applications:asgi"),
    Contender("uvicorn h11, asyncio", "asgi", f"{_UVICORN} --http h11 --loop asyncio applications:asgi", ("h11",)),
    Contender(
        "uvicorn httptools, asyncio",
        "asgi",
        f"{_UVICORN} --http httptools --loop asyncio applications:asgi",
        ("httptools",),
        main=False,
    ),
    Contender(
        "asteri asgi, uvloop", "asgi", f"{_ASTERI} -k asgi --loop uvloop applications:asgi", ("uvloop",), main=False
    ),
    Contender(
        "uvicorn httptools, uvloop",
        "asgi",
        f"{_UVICORN} --http httptools --loop uvloop applications:asgi",
        ("httptools", "uvloop"),
        main=False,
    ),
    Contender(
        "hypercorn, asyncio",
        "asgi",
        "hypercorn --bind 127.0.0.1:{port} --workers 1 --worker-class asyncio applications:asgi",
        main=False,
    ),
)

BASELINES = {"wsgi": "asteri sync", "asgi": "asteri asgi"}
"""Who the others are compared with."""


def chosen(words: list[str], everybody: bool) -> list[Contender]:
    """The installed contenders with one of ``words`` in their name, or the main ones; and their baselines."""
    picked = [
        one
        for one in CONTENDERS
        if (any(word in one.name for word in words) if words else one.main or everybody) and one.installed
    ]
    baselines = {BASELINES[one.interface] for one in picked}
    return [one for one in CONTENDERS if one in picked or one.name in baselines]


def version_of(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
