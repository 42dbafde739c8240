"""What h2load prints is read, and refused when an answer was bad or content is missing."""

from __future__ import annotations

import pytest
from comparison.client import BadAnswer
from comparison.h2load import read
from comparison.loads import Load

PRINTED = """\
finished in 3.01s, 1000.00 req/s, 500.00KB/s
requests: 3000 total, 3040 started, 3000 done, 3000 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 3000 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 1.50MB (1600000) total, 30.00KB (30000) headers (space savings 90.00%), 1.43MB (1500000) data
"""


def test_the_figures_are_read() -> None:
    assert read(PRINTED, 500) == Load(3000, 1_500_000, 3.01)


@pytest.mark.parametrize(
    ("found", "instead", "said"),
    [
        ("0 failed", "1 failed", "not every request"),
        ("0 errored", "1 errored", "not every request"),
        ("0 timeout", "1 timeout", "not every request"),
        ("0 5xx", "1 5xx", "not every request"),
        ("3000 succeeded", "0 succeeded", "no request was answered"),
        ("(1500000) data", "(1499999) data", "expected 1500000 bytes"),
        ("finished in", "ended in", "has no figures"),
    ],
)
def test_a_load_with_bad_answers_is_refused(found: str, instead: str, said: str) -> None:
    with pytest.raises(BadAnswer, match=said):
        read(PRINTED.replace(found, instead), 500)
