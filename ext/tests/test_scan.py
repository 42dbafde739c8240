"""asteri/scan.h: every version accepts the bytes that the RFCs name, finds the first other one, and reads no byte more.

The scalar loop over the table defines the meaning; the vector versions are those this machine can run.
"""

from __future__ import annotations

import string
from pathlib import Path

import pytest

VISIBLE = frozenset(range(0x21, 0x7F))
CLASSES = {
    "token": (1, frozenset((string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~").encode())),
    "visible": (2, VISIBLE),
    "value": (4, frozenset([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])),
    "uri": (8, VISIBLE - frozenset(b"#%")),
}


def flags_of_this_machine() -> dict[str, list[str]]:
    """What to compile for: what a package has, the loop alone, and what else this machine can run."""
    facts = Path("/proc/cpuinfo")
    wider = {"avx2": ["-mavx2"]} if facts.exists() and " avx2 " in facts.read_text() else {}
    return {"baseline": [], "scalar": ["-DASTERI_SCAN_SCALAR"], **wider}


@pytest.fixture(scope="module", params=flags_of_this_machine().items(), ids=lambda item: item[0])
def driver(request, compiled):
    return compiled("scan_driver", [Path(__file__).with_name("scan_driver.c")], "-O2", *request.param[1])


@pytest.mark.parametrize(("number", "allowed"), CLASSES.values(), ids=CLASSES)
def test_every_byte_is_judged_as_the_class_says_wherever_it_stands(driver, number, allowed):
    good = bytes(sorted(allowed)) * 2
    for byte in range(256):
        for position in (0, 1, 15, 16, 17, 31, 32, 40, 63):
            run = good[:position] + bytes([byte]) + good[:64]
            expected = len(run) if byte in allowed else position
            assert driver.scan(number, run, 0) == expected, (byte, position)
            assert driver.scan_scalar(number, run, 0) == expected, (byte, position)


@pytest.mark.parametrize(("number", "allowed"), CLASSES.values(), ids=CLASSES)
def test_a_run_of_any_length_from_any_index_ends_at_its_end_or_the_first_other_byte(driver, guarded, number, allowed):
    good = (bytes(sorted(allowed)) * 2)[:100]
    for size in range(len(good) + 1):
        for place in (guarded.at_end, guarded.at_start):
            data = place(good[:size])
            for start in range(max(0, size - 40), size + 1):
                assert driver.scan(number, data, start) == size
        for bad in range(max(0, size - 40), size):
            data = guarded.at_end(good[:bad] + b"\x00" + good[bad + 1 : size])
            assert driver.scan(number, data, 0) == bad
            assert driver.scan(number, data, bad) == bad
            assert driver.scan(number, data, bad + 1) == size


@pytest.mark.parametrize(
    "before", [b"", b"a", b"\r\n", b"a\r\nb\r\n", b"\r\r\n\n\r", b"\n\n\n", b"\r\n\ra\r\n\n", b"\n\r\n"]
)
@pytest.mark.parametrize("after", [b"", b"a", b"\r\n\r\n", b"\n" * 40])
def test_the_end_of_a_head_is_the_first_empty_line_wherever_it_stands(driver, guarded, before, after):
    for filler in range(70):
        data = b"x" * filler + before + b"\r\n\r\n" + after
        end = data.index(b"\r\n\r\n") + 4
        expected = end, data[:end].count(b"\n")
        assert driver.head_end(guarded.at_end(data)) == expected
        assert driver.head_end(guarded.at_start(data)) == expected


@pytest.mark.parametrize(
    "almost", [b"", b"\r\n", b"\r\n\r", b"\n\r\n", b"\r\n\n", b"\r\n\r\r\n", b"\r\n\rx\n", b"\n\n\n\n"]
)
def test_without_an_empty_line_there_is_no_end(driver, guarded, almost):
    for size in range(70):
        for data in (b"x" * size + almost, almost + b"x" * size):
            assert driver.head_end(guarded.at_end(data))[0] == 0
            assert driver.head_end(guarded.at_start(data))[0] == 0
