"""Takes the chunked transfer coding off a request's body (RFC 9112 section 7.1): a table for all but the data.

    SIZE* [EXTENSION] CRLF  DATA CRLF  ...  0 CRLF  trailer section

Rules beyond the RFC's grammar, each against a reader that could see other borders than we do:

- a size has 1 to 16 hexadecimal digits, and no sign, prefix or white space around it;
- extensions keep their grammar (a CR in one is an error), without the white space that section 7.1.1 calls
  bad, and all size lines of a body together have a bound on what they spend on them;
- data ends with exactly CRLF;
- the size that takes the body above its limit is refused before its data comes, so that how the bytes were cut
  does not decide between this error and one in what follows;
- the trailer section has the grammar and the limits of a header section.
"""

from __future__ import annotations

from collections.abc import Iterable

from asteri_core.api import Header, RemoteProtocolError
from asteri_http.fields import keeps_trailer
from asteri_http.settings import HttpSettings

from .grammar import CONTENT, CR, FIELD, LF, TOKEN
from .parser import Scanner, split_fields

EXTENSIONS_LIMIT = 8192
"""Bytes of chunk extensions in one body. Nobody reads them, so more is a flood (RFC 9112 section 7.1.1)."""
SIZE_DIGITS = 16
"""Hexadecimal digits of a size: what 64 bits hold."""

_HEX = frozenset(b"0123456789abcdefABCDEF")
_QUOTE, _BACKSLASH, _SEMICOLON, _EQUALS = b'"\\;='
_QUOTED = CONTENT - {_QUOTE, _BACKSLASH}

(SIZE_START, SIZE, NAME_START, NAME, VALUE_START, TOKEN_VALUE, QUOTED, ESCAPED, QUOTED_END) = range(9)
LINE_LF, DATA_START, DATA_LF, FIRST_ERROR = range(9, 13)
DATA_END = 99  # not in the table: set when a chunk's data is complete

_ERRORS = (
    "expected a chunk size in hexadecimal digits",
    "expected a chunk extension as name[=value]",
    "expected CRLF after a chunk size",
    "expected CRLF after chunk data",
)
_IN_SIZE, _IN_EXTENSION, _IN_LINE_END, _IN_DATA_END = range(FIRST_ERROR, FIRST_ERROR + 4)


def _row(otherwise: int, *moves: tuple[Iterable[int], int]) -> bytes:
    row = [otherwise] * 256
    for bytes_, state in moves:
        for byte in bytes_:
            row[byte] = state
    return bytes(row)


_LINE_END = ([CR], LINE_LF)
_NEXT_EXTENSION = ([_SEMICOLON], NAME_START)
ROWS = (
    _row(_IN_SIZE, (_HEX, SIZE)),  # SIZE_START
    _row(_IN_SIZE, (_HEX, SIZE), _NEXT_EXTENSION, _LINE_END),  # SIZE
    _row(_IN_EXTENSION, (TOKEN, NAME)),  # NAME_START
    _row(_IN_EXTENSION, (TOKEN, NAME), ([_EQUALS], VALUE_START), _NEXT_EXTENSION, _LINE_END),  # NAME
    _row(_IN_EXTENSION, (TOKEN, TOKEN_VALUE), ([_QUOTE], QUOTED)),  # VALUE_START
    _row(_IN_EXTENSION, (TOKEN, TOKEN_VALUE), _NEXT_EXTENSION, _LINE_END),  # TOKEN_VALUE
    _row(_IN_EXTENSION, (_QUOTED, QUOTED), ([_BACKSLASH], ESCAPED), ([_QUOTE], QUOTED_END)),  # QUOTED
    _row(_IN_EXTENSION, (CONTENT, QUOTED)),  # ESCAPED
    _row(_IN_EXTENSION, _NEXT_EXTENSION, _LINE_END),  # QUOTED_END
    _row(_IN_LINE_END, ([LF], DATA_START)),  # LINE_LF
)
"""``ROWS[state][byte]`` inside a size line."""


class ChunkDecoder:
    """The body of one request."""

    __slots__ = (
        "_block",
        "_digits",
        "_extensions",
        "_left",
        "_limits",
        "_promised",
        "_scanner",
        "_size",
        "_state",
        "done",
        "trailers",
    )

    def __init__(self, limits: HttpSettings) -> None:
        self._limits = limits
        self._state = SIZE_START
        self._size = 0
        self._digits = 0
        self._left = 0
        self._promised = 0
        """The content that all sizes so far have announced."""
        self._extensions = 0
        self._scanner: Scanner | None = None
        self._block = bytearray()
        self.done = False
        self.trailers: list[Header] = []

    def decode(self, data: bytes) -> tuple[bytes, int]:
        """The content in ``data`` and the index behind what belongs to the body. Sets `done` and `trailers` at its end.

        Raises `RemoteProtocolError` (400, 413 for a body above its limit, 431 in the trailer section).
        """
        pieces: list[bytes] = []
        index, end = 0, len(data)
        while index < end and not self.done:
            if self._left:
                piece = data[index : index + self._left]
                pieces.append(piece)
                self._left -= len(piece)
                index += len(piece)
                if not self._left:
                    self._state = DATA_END
            elif self._scanner is not None:
                index = self._read_trailers(data, index)
            elif self._state >= DATA_LF:
                index = self._read_data_end(data, index)
            else:
                index = self._read_size(data, index)
        return (pieces[0] if len(pieces) == 1 else b"".join(pieces)), index

    def _read_size(self, data: bytes, start: int) -> int:
        state = self._state
        for index in range(start, len(data)):
            byte = data[index]
            state = ROWS[state][byte]
            if state == SIZE:
                self._digits += 1
                if self._digits > SIZE_DIGITS:
                    raise RemoteProtocolError(f"a chunk size of more than {SIZE_DIGITS} digits")
                self._size = self._size << 4 | _DIGIT_VALUES[byte]
            elif state == DATA_START:
                self._start_data()
                return index + 1
            elif state >= FIRST_ERROR:
                raise RemoteProtocolError(f"{_ERRORS[state - FIRST_ERROR]}, found {data[index : index + 1]!r}")
            elif state != LINE_LF:
                self._extensions += 1
                if self._extensions > EXTENSIONS_LIMIT:
                    raise RemoteProtocolError(f"more than {EXTENSIONS_LIMIT} bytes of chunk extensions")
        self._state = state
        return len(data)

    def _start_data(self) -> None:
        self._left = self._size
        self._promised += self._size
        if self._promised > self._limits.limit_request_body > 0:
            raise RemoteProtocolError(f"a body of more than {self._limits.limit_request_body} bytes", 413)
        if not self._left:
            self._scanner = Scanner(self._limits, FIELD)
        self._state = SIZE_START
        self._size = self._digits = 0

    def _read_data_end(self, data: bytes, index: int) -> int:
        expected = CR if self._state == DATA_END else LF
        if data[index] != expected:
            raise RemoteProtocolError(f"{_ERRORS[_IN_DATA_END - FIRST_ERROR]}, found {data[index : index + 1]!r}")
        self._state = DATA_LF if expected == CR else SIZE_START
        return index + 1

    def _read_trailers(self, data: bytes, index: int) -> int:
        scanner = self._scanner
        if scanner is None:
            return index
        end = scanner.scan(data, index)
        if end < 0:
            self._block += data[index:]
            return len(data)
        self._block += data[index:end]
        for name, value in split_fields(bytes(self._block[:-2])):
            lower = name.lower()
            if keeps_trailer(lower):
                self.trailers.append((lower, value))
        self.done = True
        return end


_DIGIT_VALUES = {byte: int(chr(byte), 16) for byte in _HEX}
