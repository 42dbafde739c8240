"""Properties that hold for any bytes, searched for counter-examples by hypothesis.

However a stream is cut, the connection answers the same and the application sees the same; and what the short cut
of the head parser accepts, the transition table accepts, and the other way round.
"""

from __future__ import annotations

import pytest
from asteri_core.api import RemoteProtocolError
from asteri_http.settings import HttpSettings
from asteri_http1 import _native
from asteri_http1.grammar import ROWS
from asteri_http1.parser import _HEAD, HeadParser, Scanner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

PIECES = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n", b"POST /a HTTP/1.1\r\n", b"HEAD /%41?b HTTP/1.0\r\n", b"OPTIONS * HTTP/1.1\r\n",
        b"Host: a\r\n", b"Host: b\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n",
        b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n",
        b"Connection: keep-alive\r\n", b"X: y\r\n", b"X_Y: z \r\n", b"\r\n", b"hello", b"5\r\nhello\r\n",
        b"0\r\n\r\n", b"0\r\nX-A: b\r\n\r\n", b"5;a=b\r\nhello\r\n", b" ", b"\t", b"\r", b"\n", b":", b"\x00", b"\xff",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    ]
)  # fmt: skip
STREAMS = st.lists(PIECES | st.binary(max_size=4), max_size=12).map(b"".join)
LIMITS = {
    "limit_request_line": 60,
    "limit_request_field_size": 40,
    "limit_request_fields": 4,
    "limit_request_head": 120,
    "limit_request_body": 12,
}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STREAMS, st.lists(st.integers(min_value=1, max_value=200), max_size=8))
@example(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2, [27])
@pytest.mark.parametrize("limits", [{}, LIMITS], ids=["default limits", "small limits"])
def test_the_cut_changes_nothing(dialogue, limits, data, cuts):
    whole = dialogue(**limits).feed_all([data]).end().outcome[:3]
    ends = sorted({cut for cut in cuts if cut < len(data)} | {len(data)})
    pieces = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    assert dialogue(**limits).feed_all(pieces).end().outcome[:3] == whole
    assert dialogue(**limits).feed_all(data[i : i + 1] for i in range(len(data))).end().outcome[:3] == whole


def table_accepts(data: bytes) -> bool:
    try:
        return Scanner(HttpSettings()).scan(data) == len(data)
    except RemoteProtocolError:
        return False


@settings(max_examples=500, deadline=None)
@given(STREAMS.map(lambda stream: stream.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"))
def test_the_short_cut_accepts_what_the_table_accepts(data):
    assert (_HEAD.fullmatch(data.removeprefix(b"\r\n")) is not None) == table_accepts(data) or data[:2] == b"\r\n"


@pytest.mark.parametrize("state", ROWS)
def test_every_single_byte_change_of_a_head_is_judged_alike_by_table_and_short_cut(state):
    head = b"GET /a HTTP/1.1\r\nHost: a\r\nX-Y:z\r\n\r\n"
    position = list(ROWS).index(state) * len(head) // len(ROWS)
    for index in range(position, min(len(head), position + len(head) // len(ROWS) + 1)):
        for byte in range(256):
            data = head[:index] + bytes([byte]) + head[index + 1 :]
            if not data.startswith(b"\r"):
                assert (_HEAD.fullmatch(data) is not None) == table_accepts(data), data


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
@pytest.mark.parametrize("make", [HeadParser, _native.HeadParser], ids=["py", "c"])
def test_a_parser_raises_only_what_it_documents(make, data):
    parser = make(HttpSettings())
    status = 0
    try:
        parser.feed(data or b"x")
    except RemoteProtocolError as error:
        status = error.status
    assert status in (0, 400, 414, 417, 431, 501, 505)
