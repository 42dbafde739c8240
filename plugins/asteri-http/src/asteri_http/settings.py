"""The settings of HTTP, shared by every protocol that carries it. The names are gunicorn's where it has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asteri_core.api import LOCAL_PEERS, setting, trusted

from .fields import VALUE


def _field_value(raw: Any) -> str:
    text = str(raw)
    if not text.isascii() or VALUE.fullmatch(text.encode()) is None:
        raise ValueError(f"expected printable ASCII characters, found {text!r}")
    return text.strip()


def _root_path(raw: Any) -> str:
    text = str(raw)
    if text and (not text.startswith("/") or text.endswith("/") or "?" in text or "#" in text):
        raise ValueError(f'expected "" or a path such as "/api", found {text!r}')
    return text


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Deadlines, limits and header switches of HTTP."""

    keep_alive: float = setting(
        5.0,
        "seconds an idle connection is kept for the next request; 0 closes after each response. "
        "Short, because each idle connection costs a descriptor",
        metavar="SECONDS",
        minimum=0,
    )
    header_timeout: float = setting(
        10.0,
        "seconds a peer may take for a whole request head, so that slow heads cannot hold connections (408)",
        metavar="SECONDS",
        minimum=0.001,
    )
    body_timeout: float = setting(
        30.0,
        "seconds a request body may pause, and the head start a slow one gets on the minimum rate (408)",
        metavar="SECONDS",
        minimum=0.001,
    )
    body_min_rate: int = setting(
        240,
        "bytes a second a request body must keep on average, so that a dribbled body ends (408); 0 for none",
        metavar="BYTES",
        minimum=0,
    )
    limit_request_line: int = setting(
        8190,
        "longest request line in bytes; a longer one is answered 414",
        metavar="BYTES",
        minimum=16,
    )
    limit_request_fields: int = setting(
        100,
        "most header fields of a request, and most trailer fields; more are answered 431. "
        "Applications store fields in tables that many of them make slow",
        metavar="NUMBER",
        minimum=1,
    )
    limit_request_field_size: int = setting(
        8190,
        "longest header field in bytes, name and value; a longer one is answered 431",
        metavar="BYTES",
        minimum=16,
    )
    limit_request_head: int = setting(
        65536,
        "largest request head in bytes, which bounds the memory of a connection without a request; answered 431",
        metavar="BYTES",
        minimum=64,
    )
    limit_request_body: int = setting(
        100 << 20,
        "largest request body in bytes; a larger one is answered 413; 0 for no limit. "
        "Bodies are stored before a blocking application runs",
        metavar="BYTES",
        minimum=0,
    )
    server_header: str = setting(
        "asteri",
        "value of the Server field of responses that have none; empty to send none",
        metavar="TEXT",
        check=_field_value,
    )
    date_header: bool = setting(
        True,
        "add the Date field, which RFC 9110 section 6.6.1 asks of a server with a clock",
    )
    forwarded_allow_ips: tuple[str, ...] = setting(
        LOCAL_PEERS,
        "proxies that may say who their client is, by X-Forwarded-For, X-Forwarded-Proto or Forwarded: addresses, "
        "networks, unix or *; may be repeated",
        metavar="ADDRESS",
        check=trusted,
    )
    forwarded_hops: int = setting(
        1,
        "proxies in front, each of which adds an entry to those fields: so many from the right is the client; what is "
        "left of it anybody may have written",
        metavar="COUNT",
        minimum=1,
    )
    root_path: str = setting(
        "",
        "path prefix the application is mounted at by the proxy in front: SCRIPT_NAME and root_path",
        metavar="PATH",
        check=_root_path,
    )
