"""Every case of the tables, on a real server: the answers, what the application saw, what becomes of the connection."""

from __future__ import annotations

import pytest
from attacking.case import Case, play
from attacking.cases import chunks, expectations, lengths, lines, start_lines, transfer_encoding
from attacking.target import Attacked

TABLES = [transfer_encoding, lengths, lines, chunks, start_lines, expectations]


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
def test_case(attack_by_any_transport: Attacked, case: Case) -> None:
    play(case, attack_by_any_transport)


def test_the_table_of_codings_has_two_hundred_values() -> None:
    assert len(transfer_encoding.CASES) >= 200
