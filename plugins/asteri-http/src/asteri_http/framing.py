"""The framing of a request's content: Content-Length and Transfer-Encoding (RFC 9110 section 8.6, RFC 9112 section 6).

Two readers that disagree on where a request ends are request smuggling, so exactly one spelling of each is
accepted: one Content-Length of 1 to 19 digits below 2^63 (RFC 9112 section 6.3 would allow a repeated equal one:
refused), or one Transfer-Encoding that is ``chunked`` and nothing else, in HTTP/1.1. Both together are
refused (RFC 9112 section 6.1 leaves that to the server).
"""

from __future__ import annotations

import re

from asteri_core.api import RemoteProtocolError

from .fields import TOKEN

_DIGITS = re.compile(rb"[0-9]{1,19}")
"""2^63 has 19 digits."""
_CODING = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_CODINGS = re.compile(rb"%b(?:[ \t]*,[ \t]*%b)*" % (_CODING, _CODING))


def read_content_length(value: bytes) -> int:
    """The length a Content-Length field declares.

    Raises `RemoteProtocolError`: 400 unless it is 1 to 19 digits, 413 for 2^63 and more, which some reader behind us
    could take for another length.
    """
    if _DIGITS.fullmatch(value) is None:
        raise RemoteProtocolError(f"expected 1 to 19 digits as Content-Length, found {value[:64]!r}")
    length = int(value)
    if length >> 63:
        raise RemoteProtocolError(f"a Content-Length of 2^63 bytes or more, found {value[:64]!r}", 413)
    return length


def check_transfer_encoding(value: bytes, version: str) -> None:
    """Raises `RemoteProtocolError` unless a request's Transfer-Encoding is exactly ``chunked`` in HTTP/1.1.

    400 for what is malformed or has ``chunked`` elsewhere than alone at the end; 501 (RFC 9112 section 6.1) for a
    well-formed coding that is not supported.
    """
    if version != "1.1":
        # RFC 9112 section 6.1: an HTTP/1.0 message with Transfer-Encoding has faulty framing.
        raise RemoteProtocolError(f"Transfer-Encoding is not part of HTTP/{version}")
    if value.lower() == b"chunked":
        return
    if _CODINGS.fullmatch(value) is None:
        raise RemoteProtocolError(f"expected chunked as Transfer-Encoding, found {value[:64]!r}")
    codings = [coding.lower() for coding in TOKEN.findall(value)]
    if b"chunked" in codings[:-1]:
        raise RemoteProtocolError(f"chunked must be the last transfer coding, and once, found {value[:64]!r}")
    raise RemoteProtocolError(f"transfer codings other than chunked are not supported, found {value[:64]!r}", 501)
