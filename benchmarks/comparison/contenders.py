"""The servers that are compared: a table with a row for each server and set of options, and what starts it.

Peers get the options that are best for them: no access log, no rewriting of headers for proxies, the faster one of
several parsers, loops and models. Limits on connections and on their idle time are wide for everybody, so that no load
meets them. A peer that is not installed is left out, and the report says so.
"""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .scenarios import Feature, Interface, Role, Scenario, Transport

LIMIT = "bare C, epoll"
"""The name of the server that shows what the kernel costs alone."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where things are that commands name. None of the paths may have a space in it."""

    launch: Path
    """The program that starts servers without a command line."""
    limit: Path
    """The compiled limit of a server."""
    client: Path
    """The compiled limit of a load generator."""
    log: Path
    """Where an access log goes."""
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One server with one set of options.

    The command may name the files ``{python}``, ``{launch}``, ``{limit}`` and ``{log}``, and ``{app}``, ``{port}`` and
    ``{workers}``; ``{size}`` and ``{closing}`` are for the limit.
    """

    name: str
    interfaces: tuple[Interface, ...]
    command: str
    distributions: tuple[str, ...]
    """What has to be installed. The first is the server."""
    role: Role = "main"
    lacks: frozenset[Feature] = frozenset()
    environment: tuple[tuple[str, str], ...] = ()
    speaks: Mapping[Transport, str] = field(default_factory=lambda: {"http": ""})
    """What it can be asked to speak, and the options for that, which may name the files ``{certificate}`` and
    ``{key}``."""

    @property
    def baseline(self) -> bool:
        """Whether others may be compared with it."""
        return self.distributions[:1] == ("asteri",)

    @property
    def missing(self) -> list[str]:
        return [name for name in self.distributions if version_of(name) is None]

    def fits(self, scenario: Scenario) -> bool:
        """Whether it takes part in a scenario."""
        return (
            scenario.interface in self.interfaces
            and scenario.role == self.role
            and scenario.transport in self.speaks
            and not self.lacks & scenario.needs
            and (scenario.fixed or self.name != LIMIT)
        )

    def arguments(self, scenario: Scenario, port: int, files: Files) -> list[str]:
        """The command line. Raises `KeyError` when the command names what there is not."""
        return f"{self.command} {self.speaks[scenario.transport]}".format(
            python=sys.executable,
            launch=files.launch,
            limit=files.limit,
            log=files.log,
            app=scenario.application,
            port=port,
            workers=scenario.workers,
            size=scenario.size,
            closing="close" if scenario.close else "",
            certificate=files.certificate,
            key=files.key,
        ).split()


def version_of(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


_ASTERI = (
    "{python} -m asteri --bind 127.0.0.1:{port} --workers {workers} --log-level warning --keep-alive 600 "
    "--worker-connections 20000"
)
_LAUNCH = "{python} {launch}"
_GUNICORN = (
    "{python} -m gunicorn --bind 127.0.0.1:{port} --workers {workers} --log-level warning --keep-alive 600 "
    "--worker-connections 20000 --no-control-socket"
)
_GRANIAN = (
    "{python} -m granian --host 127.0.0.1 --port {port} --workers {workers} --http 1 --no-ws --log-level error "
    "--backlog 16384 --http1-header-read-timeout 60000"
)
_SOCKETIFY = "{python} -m socketify {app} --host 127.0.0.1 --port {port} --workers {workers} --ws none"
_WAITRESS = (
    "{python} -m waitress --listen=127.0.0.1:{port} --connection-limit=20000 --asyncore-use-poll --channel-timeout=600"
)
_UVICORN = (
    "{python} -m uvicorn --host 127.0.0.1 --port {port} --workers {workers} --no-access-log --no-proxy-headers "
    "--log-level warning --timeout-keep-alive 600"
)
_HYPERCORN = "{python} -m hypercorn --bind 127.0.0.1:{port} --workers {workers} --keep-alive 600"
_TLS = "--certfile {certificate} --keyfile {key}"
_ALL: Mapping[Transport, str] = {"http": "", "tls": _TLS, "h2": _TLS, "websocket": ""}
_NO_WORKERS: frozenset[Feature] = frozenset({"workers"})


def _asteri(
    name: str, interface: Interface, options: str, role: Role = "main", needs: tuple[str, ...] = ()
) -> tuple[Contender, Contender]:
    """The native implementation and the Python one, each as a contender."""
    command = f"{_ASTERI} {options} {{app}}"
    return (
        Contender(
            name=name,
            interfaces=(interface,),
            command=command,
            distributions=("asteri", "asteri-native", *needs),
            role=role,
            environment=(("ASTERI_IMPL", "native"),),
            speaks=_ALL,
        ),
        Contender(
            name=f"{name}, in Python",
            interfaces=(interface,),
            command=command,
            distributions=("asteri", *needs),
            role=role,
            environment=(("ASTERI_IMPL", "python"),),
            speaks=_ALL,
        ),
    )


CONTENDERS = (
    # The first that fits a scenario, and is installed, is who the others are compared with.
    *_asteri("asteri sync", "wsgi", "-k sync"),
    *_asteri("asteri asgi", "asgi", "-k asgi --loop asyncio"),
    *_asteri("asteri asgi, uvloop", "asgi", "-k asgi --loop uvloop", needs=("uvloop",)),
    *_asteri("asteri gthread, 4 threads", "wsgi", "-k gthread --threads 4", "threads"),
    *_asteri("asteri sync, no log", "wsgi", "-k sync", "log"),
    *_asteri("asteri sync, access log", "wsgi", "-k sync --access-logfile {log}", "log"),
    *_asteri("asteri asgi, no log", "asgi", "-k asgi --loop asyncio", "log"),
    *_asteri("asteri asgi, access log", "asgi", "-k asgi --loop asyncio --access-logfile {log}", "log"),
    Contender(
        name=LIMIT,
        interfaces=("wsgi", "asgi"),
        command="{limit} {port} {size} {workers} {closing}",
        distributions=(),
    ),
    Contender(
        name="freastal wsgi",
        interfaces=("wsgi",),
        command=f"{_LAUNCH} freastal-wsgi {{app}} {{port}} {{workers}}",
        distributions=("freastal",),
    ),
    Contender(
        name="bjoern",
        interfaces=("wsgi",),
        command=f"{_LAUNCH} bjoern {{app}} {{port}} {{workers}}",
        distributions=("bjoern",),
    ),
    Contender(
        name="fastwsgi",
        interfaces=("wsgi",),
        command=f"{_LAUNCH} fastwsgi {{app}} {{port}} {{workers}}",
        distributions=("fastwsgi",),
    ),
    Contender(
        name="granian wsgi",
        interfaces=("wsgi",),
        command=f"{_GRANIAN} --interface wsgi --blocking-threads 1 --runtime-mode st {{app}}",
        distributions=("granian",),
        speaks={"http": "", "tls": "--ssl-certificate {certificate} --ssl-keyfile {key}"},
    ),
    Contender(
        name="socketify wsgi",
        interfaces=("wsgi",),
        command=f"{_SOCKETIFY} --interface wsgi",
        distributions=("socketify",),
    ),
    Contender(
        name="gunicorn sync",
        interfaces=("wsgi",),
        command=f"{_GUNICORN} -k sync --http-parser fast {{app}}",
        distributions=("gunicorn", "gunicorn_h1c"),
        lacks=frozenset({"keep-alive", "pipelining"}),
    ),
    Contender(
        name="gunicorn gthread",
        interfaces=("wsgi",),
        command=f"{_GUNICORN} -k gthread --threads 1 --http-parser fast {{app}}",
        distributions=("gunicorn", "gunicorn_h1c"),
        speaks={"http": "", "tls": _TLS, "h2": f"{_TLS} --http-protocols h2,h1"},
    ),
    Contender(
        name="gunicorn gevent",
        interfaces=("wsgi",),
        command=f"{_GUNICORN} -k gevent --http-parser fast {{app}}",
        distributions=("gunicorn", "gunicorn_h1c", "gevent"),
    ),
    Contender(
        name="waitress",
        interfaces=("wsgi",),
        command=f"{_WAITRESS} --threads=1 {{app}}",
        distributions=("waitress",),
        lacks=_NO_WORKERS,
    ),
    Contender(
        name="gunicorn gthread, 4 threads",
        interfaces=("wsgi",),
        command=f"{_GUNICORN} -k gthread --threads 4 --http-parser fast {{app}}",
        distributions=("gunicorn", "gunicorn_h1c"),
        role="threads",
    ),
    Contender(
        name="granian wsgi, 4 threads",
        interfaces=("wsgi",),
        command=f"{_GRANIAN} --interface wsgi --blocking-threads 4 --runtime-mode st {{app}}",
        distributions=("granian",),
        role="threads",
    ),
    Contender(
        name="waitress, 4 threads",
        interfaces=("wsgi",),
        command=f"{_WAITRESS} --threads=4 {{app}}",
        distributions=("waitress",),
        role="threads",
    ),
    Contender(
        name="freastal asgi",
        interfaces=("asgi",),
        command=f"{_LAUNCH} freastal-asgi {{app}} {{port}} {{workers}}",
        distributions=("freastal",),
    ),
    Contender(
        name="granian asgi, uvloop",
        interfaces=("asgi",),
        command=f"{_GRANIAN} --interface asgi --loop uvloop --task-impl rust --runtime-mode st {{app}}",
        distributions=("granian", "uvloop"),
        speaks={
            "http": "",
            "tls": "--ssl-certificate {certificate} --ssl-keyfile {key}",
            "h2": "--http 2 --ssl-certificate {certificate} --ssl-keyfile {key}",
            "websocket": "--ws",
        },
    ),
    Contender(
        name="socketify asgi",
        interfaces=("asgi",),
        command=f"{_SOCKETIFY} --interface asgi",
        distributions=("socketify",),
    ),
    Contender(
        name="uvicorn, httptools, uvloop",
        interfaces=("asgi",),
        command=f"{_UVICORN} --http httptools --loop uvloop {{app}}",
        distributions=("uvicorn", "httptools", "uvloop"),
        speaks={
            "http": "",
            "tls": "--ssl-certfile {certificate} --ssl-keyfile {key}",
            # The quickest of the three that it has.
            "websocket": "--ws websockets-sansio",
        },
    ),
    Contender(
        name="gunicorn asgi, uvloop",
        interfaces=("asgi",),
        # Its parser in Python: with the one in C that there is, it closes connections behind large bodies.
        command=f"{_GUNICORN} -k asgi --asgi-loop uvloop --http-parser python {{app}}",
        distributions=("gunicorn", "uvloop"),
        speaks={"http": "", "tls": _TLS, "h2": f"{_TLS} --http-protocols h2,h1", "websocket": ""},
    ),
    Contender(
        name="hypercorn, uvloop",
        interfaces=("asgi",),
        command=f"{_HYPERCORN} --worker-class uvloop {{app}}",
        distributions=("hypercorn", "uvloop"),
        speaks=_ALL,
    ),
)


def choose(scenario: Scenario, names: Iterable[str], contenders: Iterable[Contender] = CONTENDERS) -> list[Contender]:
    """Who takes part in a scenario, installed or not. With patterns of names only those, and who they compare with."""
    fitting = [one for one in contenders if one.fits(scenario)]
    patterns = list(names)
    if not patterns:
        return fitting
    first = next((one for one in fitting if one.baseline and not one.missing), None)
    return [one for one in fitting if one is first or any(fnmatch.fnmatch(one.name, f"*{p}*") for p in patterns)]
