"""Formats of the access log: a format is compiled once into one function that makes the line of an exchange.

`common`, `combined` and `json` have names; any other is written in gunicorn's atoms, ``%(h)s`` or ``%({accept}i)s``.
Data of a request is only ever inserted into the compiled template, never read as a template, and always escaped.
"""

from __future__ import annotations

import binascii
import os
import re
import time
from collections.abc import Callable

from ..errors import ConfigurationError
from ..sansio.connection import Exchange
from .escape import json_string, text, word

Line = Callable[[Exchange, float, float], bytes]
"""Exchange, its duration in seconds, the time of day in seconds since the epoch: the line, with its end."""

Piece = Callable[[Exchange, float, float], bytes]
"""The same for one atom."""

COMMON = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s'
NAMED = {"common": COMMON, "combined": COMMON + ' "%(f)s" "%(a)s"'}
JSON = "json"

_ATOM = re.compile(r"%(?:(%)|\(([^)]*)\)s)?")
_NAMED_ATOM = re.compile(r"\{([^{}]+)\}([ieo])")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


# -- what is known of an exchange, as raw bytes; empty when it is not there ------------------------------------------


def _host(exchange: Exchange) -> bytes:
    address = exchange.peer.address
    return (address if type(address) is str else address[0]).encode("utf-8", "surrogateescape")


def _user(exchange: Exchange) -> bytes:
    """The user name of Basic credentials (RFC 7617 section 2). It is what the client claims, checked by nobody here."""
    credentials = _request_header(exchange, b"authorization")
    if credentials[:6].lower() != b"basic ":
        return b""
    try:
        return binascii.a2b_base64(credentials[6:]).partition(b":")[0]
    except binascii.Error:
        return b""


def _request_header(exchange: Exchange, name: bytes) -> bytes:
    return b", ".join([value for found, value in exchange.headers if found == name])


def _response_header(exchange: Exchange, name: bytes) -> bytes:
    return b", ".join([value for found, value in exchange.response_headers if found.lower() == name])


def _path(exchange: Exchange) -> bytes:
    path = exchange.target.partition(b"?")[0]
    if path.startswith(b"/") or b"://" not in path:
        return path
    slash, rest = b"/", path.partition(b"://")[2]  # absolute form, RFC 9112 section 3.2.2
    return slash + rest.partition(slash)[2]


def _query(exchange: Exchange) -> bytes:
    return exchange.target.partition(b"?")[2]


def _protocol(exchange: Exchange) -> bytes:
    return b"HTTP/" + exchange.version.encode("utf-8", "replace")


def _method(exchange: Exchange) -> bytes:
    return exchange.method.encode("utf-8", "replace")


# -- atoms -----------------------------------------------------------------------------------------------------------


def _request_line(exchange: Exchange, duration: float, wall: float) -> bytes:
    # Escaped apart: a space within the target would otherwise shift the fields of the line.
    return b"%b %b %b" % (word(_method(exchange)), word(exchange.target), word(_protocol(exchange)))


def _clock() -> Piece:
    """``[31/Jan/2025:13:55:36 +0100]``, made once per second."""
    second, stamp = -1, b""

    def piece(exchange: Exchange, duration: float, wall: float) -> bytes:
        nonlocal second, stamp
        if int(wall) != second:
            second = int(wall)
            local = time.localtime(second)
            # strftime's %b would follow the locale; the format is fixed English.
            month = _MONTHS[local.tm_mon - 1]
            stamp = time.strftime(f"[%d/{month}/%Y:%H:%M:%S %z]", local).encode("ascii")
        return stamp

    return piece


def _data(fact: Callable[[Exchange], bytes], escape: Callable[[bytes], bytes], absent: bytes = b"-") -> Piece:
    return lambda exchange, duration, wall: escape(fact(exchange)) or absent


def _header(find: Callable[[Exchange, bytes], bytes], name: bytes) -> Piece:
    return lambda exchange, duration, wall: text(find(exchange, name)) or b"-"


def _environment(name: str) -> Piece:
    return lambda exchange, duration, wall: text(os.fsencode(os.environ.get(name, ""))) or b"-"


_ATOMS: dict[str, Piece] = {
    "h": _data(_host, word),
    "u": _data(_user, word),
    "t": _clock(),
    "r": _request_line,
    "m": _data(_method, word),
    "U": _data(_path, word),
    "q": _data(_query, word, absent=b""),
    "H": _data(_protocol, word),
    "s": lambda exchange, duration, wall: b"%d" % exchange.status if exchange.status else b"-",
    "B": lambda exchange, duration, wall: b"%d" % exchange.sent,
    "b": lambda exchange, duration, wall: b"%d" % exchange.sent if exchange.sent else b"-",
    "f": _header(_request_header, b"referer"),
    "a": _header(_request_header, b"user-agent"),
    "T": lambda exchange, duration, wall: b"%d" % duration,
    "M": lambda exchange, duration, wall: b"%d" % (duration * 1e3),
    "D": lambda exchange, duration, wall: b"%d" % (duration * 1e6),
    "L": lambda exchange, duration, wall: b"%.6f" % duration,
    "p": lambda exchange, duration, wall: b"<%d>" % os.getpid(),
}
_LITERAL_ATOMS = {"l": "-"}
"""The identity of RFC 1413 (identd) is never asked for."""


# -- compiling -------------------------------------------------------------------------------------------------------


def compile_format(format: str) -> Line:
    """The function that makes the lines of a format. Raises `ConfigurationError` for one that is not valid."""
    if format == JSON:
        return _json_line()
    if "%" not in format and format not in NAMED:
        raise ConfigurationError(
            f"access log format {format!r} is neither {', '.join(NAMED)}, {JSON} nor made of atoms such as %(h)s"
        )
    found = _parse(NAMED.get(format, format))
    template = b"".join([part.replace(b"%", b"%%") if isinstance(part, bytes) else b"%b" for part in found])
    pieces = [part[1] for part in found if not isinstance(part, bytes)]

    def line(exchange: Exchange, duration: float, wall: float) -> bytes:
        return template % tuple([piece(exchange, duration, wall) for piece in pieces])

    return line


def parts(format: str) -> list[bytes | tuple[str, Piece]] | None:
    """A valid format as literal bytes and atoms, each atom with the function that defines it; the line's end is the
    last of them. None for a format that is not made of atoms."""
    return None if format == JSON else _parse(NAMED.get(format, format))


def _parse(format: str) -> list[bytes | tuple[str, Piece]]:
    if not format.replace("\t", "").isprintable():
        raise ConfigurationError(
            f"access log format {format!r} has control characters: a request is logged on one line"
        )
    found_parts: list[bytes | tuple[str, Piece]] = []
    literal = ""
    end = 0
    for found in _ATOM.finditer(format):
        literal += format[end : found.start()]
        end = found.end()
        percent, atom = found.groups()
        if percent or atom in _LITERAL_ATOMS:
            literal += "%" if percent else _LITERAL_ATOMS[atom]
            continue
        if literal:
            found_parts.append(literal.encode())
            literal = ""
        found_parts.append((atom or "", _piece(atom, format, found.start())))
    found_parts.append((literal + format[end:] + "\n").encode())
    return found_parts


def _piece(atom: str | None, format: str, position: int) -> Piece:
    if atom is None:
        raise ConfigurationError(
            f"access log format has {format[position : position + 8]!r} where %(atom)s or %% was expected"
        )
    if atom in _ATOMS:
        return _ATOMS[atom]
    named = _NAMED_ATOM.fullmatch(atom)
    if named is None:
        valid = " ".join(sorted([*_ATOMS, *_LITERAL_ATOMS], key=lambda name: (name.lower(), name)))
        raise ConfigurationError(
            f"access log format has the unknown atom %({atom})s; valid are {valid}, and {{header}}i of the request, "
            "{header}o of the response, {VARIABLE}e of the environment"
        )
    name, kind = named.groups()
    if kind == "e":
        return _environment(name)
    find = _request_header if kind == "i" else _response_header
    return _header(find, name.lower().encode("utf-8"))


def _json_line() -> Line:
    second, stamp = -1, b""
    template = (
        b'{"time":"%b.%03dZ","remote_addr":%b,"user":%b,"method":%b,"path":%b,"query":%b,"protocol":%b,"status":%b,'
        b'"bytes":%d,"duration":%.6f,"host":%b,"referer":%b,"user_agent":%b,"pid":%d}\n'
    )

    def line(exchange: Exchange, duration: float, wall: float) -> bytes:
        nonlocal second, stamp
        if int(wall) != second:
            second = int(wall)
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode("ascii")
        return template % (
            stamp,
            int(wall % 1 * 1000),
            _json_value(_host(exchange)),
            _json_value(_user(exchange)),
            json_string(_method(exchange)),
            json_string(_path(exchange)),
            json_string(_query(exchange)),
            json_string(_protocol(exchange)),
            b"%d" % exchange.status if exchange.status else b"null",
            exchange.sent,
            duration,
            _json_value(_request_header(exchange, b"host")),
            _json_value(_request_header(exchange, b"referer")),
            _json_value(_request_header(exchange, b"user-agent")),
            os.getpid(),
        )

    return line


def _json_value(value: bytes) -> bytes:
    return json_string(value) if value else b"null"
