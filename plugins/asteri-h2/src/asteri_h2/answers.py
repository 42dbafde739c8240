"""What the server says by itself: the Date and Server fields, and the answers to what is no request."""

from __future__ import annotations

import h2.connection
from asteri_core.api import Header
from asteri_http.date import DateCache
from asteri_http.failure import plain_answer


class Signature:
    """The fields that every response has."""

    __slots__ = ("_dates", "_server")

    def __init__(self, dates: DateCache | None, server: str) -> None:
        self._dates = dates
        self._server = server.encode()

    def fields(self, has_date: bool, has_server: bool) -> list[Header]:
        """Those that a response still lacks."""
        fields = []
        if self._dates is not None and not has_date:
            fields.append((b"date", self._dates.value()))
        if self._server and not has_server:
            fields.append((b"server", self._server))
        return fields


def refuse(
    library: h2.connection.H2Connection, stream: int, status: int, signature: list[Header], silent: bool
) -> bool:
    """Answer with a status; ``silent`` for HEAD. False if the client has no window for a text of a few bytes."""
    content = plain_answer(status)
    fields = [
        (b":status", b"%d" % status),
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(content)),
        *signature,
    ]
    library.send_headers(stream, fields, end_stream=silent)
    if silent:
        return True
    if library.local_flow_control_window(stream) < len(content):
        return False
    library.send_data(stream, content, end_stream=True)
    return True
