"""Every case of the tables of HTTP/2, on a real server: what becomes of its streams, its connection, and what ran."""

from __future__ import annotations

import pytest
from attacking.cases import h2_frames, h2_requests
from attacking.streams import StreamCase, play
from attacking.target import Attacked

TABLES = [h2_requests, h2_frames]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case, id=f"{table.__name__.rpartition('.')[2]}: {case.name}".encode("unicode_escape").decode()[:120]
        )
        for table in TABLES
        for case in table.CASES
    ],
)
def test_case_of_http2(h2: Attacked, case: StreamCase) -> None:
    play(case, h2)
