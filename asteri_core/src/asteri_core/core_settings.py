"""The settings that the kernel itself owns. Protocol, interface and worker settings belong to their plugins.

Names and defaults are gunicorn's where gunicorn has the setting. Time is in seconds, sizes are in bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .bind import parse_bind
from .settings import setting
from .trust import LOCAL_PEERS, trusted


class Octal(int):
    """A permission or a mask: an int that is written the way people read it."""

    def __repr__(self) -> str:
        return f"0o{int(self):o}"

    __str__ = __repr__


def octal(raw: Any) -> Octal:
    """``"660"``, ``"0660"`` and ``"0o660"`` are all octal; a number from a file is what it is."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        value = raw
    else:
        try:
            value = int(str(raw).strip().lower().removeprefix("0o"), 8)
        except ValueError:
            raise ValueError("an octal number such as 0660 was expected") from None
    if not 0 <= value <= 0o7777:
        raise ValueError("an octal number from 0 to 7777 was expected")
    return Octal(value)


def octal_or_none(raw: Any) -> Octal | None:
    return None if raw is None or raw == "" else octal(raw)


SIZE = re.compile(r"(\d+)\s*(|[kmgt])(i?b)?", re.IGNORECASE)


def size(raw: Any) -> int:
    """A number of bytes, or text with a binary unit: ``512M``, ``2GiB``."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    match = SIZE.fullmatch(str(raw).strip())
    if match is None:
        raise ValueError("a number of bytes such as 1048576, 512M or 2G was expected")
    return int(match[1]) << 10 * " kmgt".index(match[2].lower() or " ")


def seconds_or_off(raw: Any) -> float | None:
    """Seconds; 0 and ``off`` are off."""
    if raw is None or str(raw).strip().lower() in ("", "off", "none"):
        return None
    try:
        return float(raw) or None
    except (TypeError, ValueError):
        raise ValueError("seconds or off was expected") from None


def address(raw: Any) -> str:
    """An address to bind to, as it was written."""
    parse_bind(str(raw))
    return str(raw)


def worker_count(raw: Any) -> int:
    """A number, or ``auto`` for one worker per usable core."""
    if str(raw).strip().lower() == "auto":
        from .cores import usable_cores

        return usable_cores()
    if isinstance(raw, (bool, float)):
        raise ValueError("a number or auto was expected")
    try:
        return int(raw)
    except (TypeError, ValueError):
        raise ValueError("a number or auto was expected") from None


def cert_reqs(raw: Any) -> str:
    """A word, or the number that gunicorn and ``ssl`` have for it."""
    return {"0": "none", "1": "optional", "2": "required"}.get(str(raw).strip(), str(raw).strip().lower())


def host_files(raw: Any) -> str:
    """A name with the files of its certificate and key, as it was written."""
    name, _, files = str(raw).partition("=")
    if not name.strip() or not files.partition(",")[0].strip():
        raise ValueError("HOST=CERT,KEY was expected")
    return str(raw)


def account(raw: Any) -> str | None:
    """A name or a number of a user or group."""
    return None if raw is None or raw == "" else str(raw)


def environment_pair(raw: Any) -> str:
    name, separator, _ = str(raw).partition("=")
    if not name or not separator or "\0" in str(raw):
        raise ValueError("KEY=VALUE was expected")
    return str(raw)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Listening and connections."""

    bind: tuple[str, ...] = setting(
        ("127.0.0.1:8000",),
        "where to listen: HOST:PORT, [V6]:PORT, :PORT, unix:PATH, unix:@ABSTRACT or fd://N; may be repeated",
        flags=("-b",),
        metavar="ADDRESS",
        check=address,
    )
    backlog: int = setting(
        2048,
        "connections the kernel queues while no worker accepts; the system may cap it (net.core.somaxconn)",
        metavar="COUNT",
        minimum=1,
        reloadable=False,
    )
    reuse_port: bool = setting(False, "let several servers listen on one port (SO_REUSEPORT)", reloadable=False)
    unix_mode: int = setting(
        Octal(0o660),
        "octal permissions of a unix socket's file: who may write to it may connect",
        metavar="MODE",
        check=octal,
        reloadable=False,
    )
    unix_user: str | None = setting(
        None,
        "owner of a unix socket's file, name or number; unchanged when not given",
        metavar="USER",
        check=account,
        reloadable=False,
    )
    unix_group: str | None = setting(
        None,
        "group of a unix socket's file, name or number; unchanged when not given",
        metavar="GROUP",
        check=account,
        reloadable=False,
    )
    http: tuple[str, ...] = setting(
        (), "protocols to speak, by their token, e.g. 1; may be repeated; all installed ones by default",
        metavar="TOKEN",
    )  # fmt: skip
    worker_connections: int = setting(
        1000,
        "open connections one worker holds; beyond that it stops accepting, so that memory stays bounded",
        metavar="COUNT",
        minimum=1,
    )
    body_buffer: int = setting(
        65536,
        "bytes of a request body kept in memory while it is collected for a blocking application, such as 64K; "
        "the rest goes to a temporary file",
        metavar="SIZE",
        minimum=0,
        check=size,
    )
    write_timeout: float = setting(
        30.0, "seconds a peer may take without reading any of a response before it is cut off",
        metavar="SECONDS", minimum=0.001,
    )  # fmt: skip
    handshake_timeout: float = setting(
        10.0, "seconds from accepting a connection until its protocol is clear; longer is closed",
        metavar="SECONDS", minimum=0.001,
    )  # fmt: skip
    request_timeout: float | None = setting(
        None,
        "seconds one request may run before its stack is logged and it is answered 504 or cancelled; off by default",
        metavar="SECONDS",
        minimum=0.001,
        check=seconds_or_off,
    )


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """TLS, and the PROXY header before it."""

    certfile: str | None = setting(
        None, "certificate chain in PEM, the server's first; with it every bind speaks TLS with who begins with it",
        metavar="FILE",
    )  # fmt: skip
    keyfile: str | None = setting(None, "private key in PEM, by default in the certificate's file", metavar="FILE")
    keyfile_password: str | None = setting(None, "password of an encrypted private key", metavar="TEXT", secret=True)
    ca_certs: str | None = setting(
        None, "certificates in PEM of those who sign the certificates of clients", metavar="FILE"
    )
    cert_reqs: str = setting(
        "none",
        "certificate of the client: none, optional (verified if there is one) or required",
        choices=("none", "optional", "required"),
        check=cert_reqs,
    )
    ciphers: str | None = setting(None, "cipher suites up to TLS 1.2, as OpenSSL lists them", metavar="LIST")
    tls_min_version: str = setting(
        "1.2", "oldest version of TLS that is spoken; older ones than these two are broken", choices=("1.2", "1.3")
    )
    sni: tuple[str, ...] = setting(
        (),
        "HOST=CERT,KEY: certificate for clients that ask for this name, or *.its-domain; may be repeated, in the "
        "environment with ; between them",
        metavar="HOST=CERT,KEY",
        separator=";",
        check=host_files,
    )
    tls_reload: bool = setting(
        False, "watch the files of certificates and keys, and load them when they change, without a restart"
    )
    proxy_protocol: str = setting(
        "off",
        "PROXY header before a connection, from the peers of proxy_allow_ips: v1 or v2, which they then have to send, "
        "or auto: either, or none",
        choices=("off", "v1", "v2", "auto"),
    )
    proxy_allow_ips: tuple[str, ...] = setting(
        LOCAL_PEERS,
        "peers that may say by a PROXY header who their client is: addresses, networks, unix or *; may be repeated",
        metavar="ADDRESS",
        check=trusted,
    )


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """The application and its processes."""

    app: str = setting("", "the application: module:callable, module:factory() or module", metavar="APP")
    interface: str = setting(
        "",
        "how the application is called, e.g. wsgi or asgi; recognised from the application by default",
        metavar="NAME",
    )
    workers: int = setting(
        1,
        "worker processes, a number or auto for one per usable core",
        flags=("-w",),
        metavar="COUNT",
        minimum=1,
        check=worker_count,
        environment=("WEB_CONCURRENCY",),
    )
    worker_class: str = setting(
        "",
        "worker model, e.g. sync, gthread or asgi; by default an async one for async applications, a threaded one "
        "when --threads is above 1, else sync",
        flags=("-k",),
        metavar="NAME",
    )
    threads: int = setting(
        1,
        "threads of a threaded worker, and of the pool that runs a blocking application under an async worker",
        metavar="COUNT",
        minimum=1,
    )
    timeout: float = setting(
        30.0,
        "seconds without a heart-beat before a worker's stack is logged and it is killed; 0 is never",
        flags=("-t",),
        metavar="SECONDS",
        minimum=0,
    )
    graceful_timeout: float = setting(
        30.0,
        "seconds a worker has to finish its running requests when it is stopped or replaced",
        metavar="SECONDS",
        minimum=0,
    )
    max_requests: int = setting(
        0, "requests after which a worker is replaced, against slow leaks; 0 is never",
        metavar="COUNT", minimum=0,
    )  # fmt: skip
    max_requests_jitter: int = setting(
        0, "up to so many requests more, drawn per worker, so that they do not all go at once",
        metavar="COUNT", minimum=0,
    )  # fmt: skip
    max_lifetime: float = setting(
        0.0, "seconds after which a worker is replaced; 0 is never", metavar="SECONDS", minimum=0
    )
    max_lifetime_jitter: float = setting(
        0.0, "up to so many seconds more, drawn per worker, so that they do not all go at once",
        metavar="SECONDS", minimum=0,
    )  # fmt: skip
    max_memory: int = setting(
        0,
        "resident memory (RSS) above which a worker is replaced, in bytes or such as 512M; 0 is never",
        metavar="SIZE",
        minimum=0,
        check=size,
    )
    preload: bool = setting(
        False,
        "load the application once before forking: workers start faster and share its memory, but HUP does not "
        "reload its code",
        reloadable=False,
    )
    daemon: bool = setting(False, "detach from the terminal", flags=("-D",), reloadable=False)
    pid: str | None = setting(
        None, "file to write the process id of the arbiter to", flags=("-p",), metavar="FILE", reloadable=False
    )
    user: str | None = setting(
        None, "user the workers run as, name or number; unchanged when not given",
        flags=("-u",), metavar="USER", check=account, reloadable=False,
    )  # fmt: skip
    group: str | None = setting(
        None, "group the workers run as, name or number; by default the one of --user, if that is given",
        flags=("-g",), metavar="GROUP", check=account, reloadable=False,
    )  # fmt: skip
    umask: int | None = setting(
        None,
        "octal mask of the files that the server and the application create; inherited when not given",
        flags=("-m",),
        metavar="MASK",
        check=octal_or_none,
        reloadable=False,
    )
    chdir: str | None = setting(
        None, "directory to change to before the application is loaded", metavar="DIRECTORY", reloadable=False
    )
    name: str | None = setting(
        None,
        "name the processes show in process listings, at most 15 bytes of it (Linux)",
        flags=("-n",),
        metavar="NAME",
        reloadable=False,
    )
    env: tuple[str, ...] = setting(
        (),
        "KEY=VALUE to set in the environment before the application is loaded; may be repeated",
        flags=("-e",),
        metavar="KEY=VALUE",
        check=environment_pair,
        secret=True,
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Logs."""

    access_logfile: str | None = setting(
        None, "file of the access log, - is standard output; off by default", metavar="FILE"
    )
    access_logformat: str = setting(
        "combined", "common, combined, json, or a text of %(atoms)s as gunicorn has them", metavar="FORMAT"
    )
    error_logfile: str = setting("-", "file of the error log, - is standard error", metavar="FILE")
    log_level: str = setting(
        "info",
        "what the error log leaves out: everything below this level",
        choices=("debug", "info", "warning", "error", "critical"),
    )
    log_config: str | None = setting(
        None, "file with a logging configuration that replaces the other log settings", metavar="FILE"
    )
    capture_output: bool = setting(
        False, "send what workers write to standard output and standard error to the error log"
    )
    log_color: str = setting(
        "auto", "colours in the error log; auto is on a terminal only", choices=("auto", "on", "off")
    )


GROUPS: tuple[type, ...] = (ServerSettings, TlsSettings, ProcessSettings, LogSettings)
"""In the order of ``--help`` and of the settings page."""
