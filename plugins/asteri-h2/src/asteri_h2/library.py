"""The library h2 as this protocol wants it: what it checks, and what it announces."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import h2.config
import h2.connection
import h2.events
import h2.settings
import h2.stream
from asteri_core.api import Header
from asteri_http.settings import HttpSettings
from hyperframe.frame import Frame, GoAwayFrame, RstStreamFrame, SettingsFrame

from .settings import Http2Settings

WINDOW = 1 << 20
"""The window of the connection: what the bodies of all its streams together may bring unread."""


TABLE = 4096
"""Bytes of the table for header blocks that are sent (RFC 7541 section 4.2): what a client has if it says nothing."""
RESETS = 1024
"""Streams of which it is remembered that they were reset: more than can be on their way."""


class Library(h2.connection.H2Connection):
    """Leaves Content-Length to `request` and `streams`: it would end the connection for what is wrong on one stream.

    Resets a stream only once: what still comes on it is thrown away (RFC 9113 section 5.1). Goes on after GOAWAY, since
    who says it still wants its answers (section 6.8); the library would throw away what is to be sent.
    """

    MAX_CLOSED_STREAMS = RESETS
    """Of so many streams it is known how they have ended. The library's 65536 would take 8 MB of each connection."""

    def __init__(self, config: h2.config.H2Configuration) -> None:
        super().__init__(config)
        self._were_reset: dict[int, None] = {}

    def _prepare_for_sending(self, frames: list[Frame]) -> None:
        super()._prepare_for_sending([frame for frame in frames if not self._repeats(frame)])

    def _repeats(self, frame: Frame) -> bool:
        if not isinstance(frame, RstStreamFrame):
            return False
        known = self._were_reset
        if frame.stream_id in known:
            return True
        known[frame.stream_id] = None
        if len(known) > RESETS:
            del known[next(iter(known))]
        return False

    def _receive_settings_frame(self, frame: SettingsFrame) -> tuple[list[Frame], list[h2.events.Event]]:
        """Of the table that the client offers for our header blocks, no more is used than what is searched quickly."""
        size = frame.settings.get(SettingsFrame.HEADER_TABLE_SIZE)
        if size is not None:
            frame.settings[SettingsFrame.HEADER_TABLE_SIZE] = min(size, TABLE)
        return super()._receive_settings_frame(frame)

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[h2.events.Event]]:
        return [], [h2.events.ConnectionTerminated()]

    def _begin_new_stream(self, stream_id: int, allowed_ids: h2.connection.AllowedStreamIDs) -> h2.stream.H2Stream:
        stream = super()._begin_new_stream(stream_id, allowed_ids)
        stream._initialize_content_length = _not_looked_at  # type: ignore[method-assign]
        return stream


def _not_looked_at(headers: Iterable[Header]) -> None:
    """The library's stream knows of no length, so it compares none."""


def make_library(settings: HttpSettings, own: Http2Settings, upgrade: bytes | None = None) -> tuple[Library, bytes]:
    """The library's connection, its settings announced, and a frame to send before what it has to send.

    ``upgrade`` is the client's HTTP2-Settings field where stream 1 is a request of HTTP/1.1.
    """
    connection = Library(
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
