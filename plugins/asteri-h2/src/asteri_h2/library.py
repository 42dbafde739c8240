"""The library h2 as this protocol wants it: what it checks, and what it announces."""

from __future__ import annotations

import struct

import h2.config
import h2.connection
import h2.settings
from asteri_http.settings import HttpSettings

from .settings import Http2Settings

WINDOW = 1 << 20
"""The window of the connection: what the bodies of all its streams together may bring unread."""


def make_library(
    settings: HttpSettings, own: Http2Settings, upgrade: bytes | None = None
) -> tuple[h2.connection.H2Connection, bytes]:
    """The library's connection, its settings announced, and a frame to send before what it has to send.

    ``upgrade`` is the client's HTTP2-Settings field where stream 1 is a request of HTTP/1.1.
    """
    connection = h2.connection.H2Connection(
        h2.config.H2Configuration(
            client_side=False,
            header_encoding=None,
            # `request` checks, since here a malformed request ends its stream, and there the connection.
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
    )
    codes = h2.settings.SettingCodes
    connection.local_settings = h2.settings.Settings(
        client=False,
        initial_values={
            codes.INITIAL_WINDOW_SIZE: own.http2_initial_window_size,
            codes.MAX_HEADER_LIST_SIZE: settings.limit_request_head,
            codes.ENABLE_CONNECT_PROTOCOL: 1,
        },
    )
    # What is a little too large is answered 431; a bomb is not unpacked.
    connection.decoder.max_header_list_size = 2 * settings.limit_request_head + 32 * (settings.limit_request_fields + 8)
    if upgrade is None:
        connection.initiate_connection()
    else:
        connection.initiate_upgrade_connection(upgrade)
    connection.increment_flow_control_window(WINDOW - 65535)
    # The library would end the connection where a stream is to be refused: it is told of no limit, the client is.
    limit = struct.pack("!HI", codes.MAX_CONCURRENT_STREAMS, own.http2_max_concurrent_streams)
    return connection, b"\0\0\x06\x04\0\0\0\0\0" + limit


def count_no_content(connection: h2.connection.H2Connection, stream: int) -> None:
    """The library compares what comes with Content-Length as well, and would end the connection for one stream."""
    connection.streams[stream]._expected_content_length = None
