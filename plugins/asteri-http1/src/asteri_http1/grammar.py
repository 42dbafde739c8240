"""The grammar of a request head and of a trailer section as a transition table (RFC 9112 sections 2.2, 3, 5 and 7.1.2).

``ROWS[state][byte]`` is the next state; a state of `FIRST_ERROR` and above is an error, described by
``ERRORS[state]``. A head starts in `START`, a trailer section in `FIELD`, and both end in `DONE`. Rules and
exceptions:

- Lines end with CRLF. A bare LF or a bare CR is refused (section 2.2 would allow a lone LF), because one
  reader's line end is another one's content.
- One empty line before the request line is skipped (section 2.2: some clients send one after a body).
- White space separates nothing but the three parts of the request line, one space each; none before a colon
  (section 5.1), no folded line (section 5.2).
- The table checks single bytes and the shape of lines. What names, values, target and version mean is
  checked after it.
"""

from __future__ import annotations

import string
from collections.abc import Iterable

TOKEN = frozenset((string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~").encode())
DIGITS = frozenset(b"0123456789")
VISIBLE = frozenset(range(0x21, 0x7F))
CONTENT = frozenset([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
CR, LF, SPACE, TAB, COLON = b"\r\n \t:"

# The states in which `parser` has something to do come last, so that it needs one comparison a byte.
(START, START_LF, LINE, METHOD, TARGET_START, TARGET, VERSION) = range(7)
VERSION_END = VERSION + 8
LINE_LF, NAME, VALUE, VALUE_LF, END_LF, FIELD, DONE, FIRST_ERROR = range(VERSION_END + 1, VERSION_END + 9)

ERRORS: dict[int, str] = {}
"""What is wrong, by error state."""


def _error(text: str) -> int:
    for state, known in ERRORS.items():
        if known == text:
            return state
    state = FIRST_ERROR + len(ERRORS)
    ERRORS[state] = text
    return state


def _row(otherwise: str, *moves: tuple[Iterable[int], int], cr: str = "", lf: str = "bare LF") -> bytes:
    """The next state for each byte: what the moves say, an error for CR and LF, another for the rest."""
    row = [_error(otherwise)] * 256
    row[CR] = _error(cr or otherwise)
    row[LF] = _error(lf)
    for bytes_, state in moves:
        for byte in bytes_:
            row[byte] = state
    return bytes(row)


_VERSION = "expected HTTP/ and a version after the target"
_VERSION_STEPS: list[Iterable[int]] = [b"H", b"T", b"T", b"P", b"/", DIGITS, b".", DIGITS]
_SHORT = "the request line ends before its version"

ROWS: dict[int, bytes] = {
    START: _row("a request starts with a method", (TOKEN, METHOD), ([CR], START_LF)),
    START_LF: _row("bare CR", ([LF], LINE)),
    LINE: _row("a request starts with a method", (TOKEN, METHOD)),
    METHOD: _row("invalid byte in the method", (TOKEN, METHOD), ([SPACE], TARGET_START), cr=_SHORT),
    TARGET_START: _row("expected a target after one space", (VISIBLE, TARGET), cr=_SHORT),
    TARGET: _row("invalid byte in the target", (VISIBLE, TARGET), ([SPACE], VERSION), cr=_SHORT),
    **{VERSION + step: _row(_VERSION, (expected, VERSION + step + 1)) for step, expected in enumerate(_VERSION_STEPS)},
    VERSION_END: _row("expected CRLF after the version", ([CR], LINE_LF)),
    LINE_LF: _row("bare CR", ([LF], FIELD)),
    FIELD: _row(
        "invalid byte in a field name",
        (TOKEN, NAME),
        ([SPACE, TAB], _error("folded line, or white space before a field name")),
        ([COLON], _error("empty field name")),
        ([CR], END_LF),
    ),
    NAME: _row(
        "invalid byte in a field name",
        (TOKEN, NAME),
        ([COLON], VALUE),
        ([SPACE, TAB], _error("white space between field name and colon")),
        cr="a field without a colon",
    ),
    VALUE: _row("control byte in a field value", (CONTENT, VALUE), ([CR], VALUE_LF)),
    VALUE_LF: _row("bare CR", ([LF], FIELD)),
    END_LF: _row("bare CR", ([LF], DONE)),
}
