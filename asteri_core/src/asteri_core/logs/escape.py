r"""Escaping, so that no byte a client sends can end a log line, leave its field, or reach the terminal as a command.

Everything that is not harmless becomes ``\xNN`` (in text from our own side also ``\uNNNN``). The backslash itself is
escaped in what a client sent, so an escape in the access log always stands for the byte it names. This module does not
shorten.
"""

from __future__ import annotations

import re
from json.encoder import encode_basestring_ascii

_TEXT_SAFE = bytes(code for code in range(0x20, 0x7F) if code not in b'"\\')
_WORD_SAFE = _TEXT_SAFE.replace(b" ", b"")
_TEXT_UNSAFE = re.compile(rb'[^ -~]|["\\]')
_WORD_UNSAFE = re.compile(rb'[^!-~]|["\\]')


def _hexadecimal(found: re.Match[bytes]) -> bytes:
    return b"\\x%02x" % found[0][0]


def text(value: bytes) -> bytes:
    """A value for a place between double quotes: quotes, backslashes, control and non-ASCII bytes are escaped."""
    # Deleting the safe bytes is ten times faster than searching for an unsafe one, and nearly all values are safe.
    if value.translate(None, _TEXT_SAFE):
        return _TEXT_UNSAFE.sub(_hexadecimal, value)
    return value


def word(value: bytes) -> bytes:
    """A value for a place between spaces: as `text`, and spaces are escaped too."""
    if value.translate(None, _WORD_SAFE):
        return _WORD_UNSAFE.sub(_hexadecimal, value)
    return value


def json_string(value: bytes) -> bytes:
    """A JSON string, quotes included, in ASCII. Bytes are taken as ISO 8859-1: each is one character, none is lost."""
    return encode_basestring_ascii(value.decode("latin-1")).replace("\x7f", "\\u007f").encode("ascii")


def printable(line: str) -> str:
    r"""A line of our own text, made safe: what `str.isprintable` refuses becomes ``\xNN`` or ``\uNNNN`` or longer.

    That covers line ends (U+2028 too), control characters, the marks that turn the writing direction, and surrogates.
    """
    if line.isprintable():
        return line
    return "".join([character if character.isprintable() else _named(ord(character)) for character in line])


def _named(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
