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
    # A quarter of what a connection has (`library.WINDOW`): one upload that nobody reads leaves room for others. With
    # the 65535 of RFC 9113 a way of 50 ms would let an upload have no more than 1.3 MB a second.
    http2_initial_window_size: int = setting(
        262_144,
        "bytes of one request body that a client may send before the application reads, which bounds memory",
        metavar="BYTES",
        minimum=1,
        maximum=(1 << 31) - 1,
    )
    http2_window_timeout: float = setting(
        30.0,
        "seconds a client may leave a response without a window to send it into, before its stream is reset; what it "
        "takes meanwhile adds to them at body_min_rate",
        metavar="SECONDS",
        minimum=0.001,
    )
