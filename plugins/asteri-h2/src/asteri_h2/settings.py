"""The settings of HTTP/2. Deadlines and limits that HTTP/1.1 has as well are those of `asteri_http.settings`."""

from __future__ import annotations

from dataclasses import dataclass

from asteri_core.api import LOCAL_PEERS, setting, trusted


@dataclass(frozen=True, slots=True)
class Http2Settings:
    """HTTP/2."""

    h2c_allow_ips: tuple[str, ...] = setting(
        LOCAL_PEERS,
        "peers that may speak HTTP/2 without TLS: addresses, networks, unix or *; may be repeated. "
        "A proxy that can be talked into it would pass on what it never saw",
        metavar="ADDRESS",
        check=trusted,
    )
    http2_max_concurrent_streams: int = setting(
        100,
        "requests that one HTTP/2 connection may have running; more are refused, and may be tried again",
        metavar="COUNT",
        minimum=1,
        maximum=(1 << 31) - 1,
    )
    http2_initial_window_size: int = setting(
        65535,
        "bytes of one request body that a client may send before the application reads, which bounds memory",
        metavar="BYTES",
        minimum=1,
        maximum=(1 << 31) - 1,
    )
    http2_window_timeout: float = setting(
        30.0,
        "seconds a client may leave a response without a window to send it into, before the connection is closed",
        metavar="SECONDS",
        minimum=0.001,
    )
