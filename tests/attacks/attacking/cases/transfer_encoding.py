"""1. Transfer-Encoding: only ``chunked``, alone and in HTTP/1.1, is a coding; whatever else it says is refused.

RFC 9112 section 6.1; CVE-2024-1135 and CVE-2024-6827 (gunicorn: an unknown coding was ignored, and the body read by
its other length), CVE-2019-16786 (waitress: the same), CVE-2019-16789 (waitress: ``\\x0bchunked``), CVE-2022-32213
and CVE-2022-32215 (Node.js: malformed and folded codings).
"""

from __future__ import annotations

import itertools

from ..case import Case, head, refused, served, unique

BODY = b"5\r\nhello\r\n0\r\n\r\n"

MALFORMED = [
    b"", b",", b"chunked,", b",chunked", b"chunked, chunked", b"chunked,chunked", b"chunked, gzip",
    b"chunked, identity", b"chunked;q=1", b"chunked;", b"chunked ;", b"chunked; chunked", b"chunked\x80",
    b"\xa0chunked", b"chunked\xa0", b"\xe3\x80\x80chunked", b"chunke\xc4\x8f", b'"chunked"', b"'chunked' x",
    b"chunked chunked", b"gzip chunked", b"chun ked", b"chun\tked", b"chunked:", b"chunked: chunked", b"chunked=1",
    b"{chunked}", b"[chunked]", b"(chunked)", b"chunked (comment)", b"<chunked>", b"chunked/1", b"chunked\\",
    b"\\chunked", b"chunked@", b"chunked?", b"gzip;q=1, chunked", b"CHUNKED, chunked", b"chunked, CHUNKED",
    b"chunked\t, chunked", b", , chunked", b"chunked,,", b"gzip, , chunked", b"chunked, x, chunked",
    b"Transfer-Encoding: chunked", b"chunked\xff", b"\xef\xbb\xbfchunked", b"chunked, identity, chunked", b'""',
    b"chunked\xc2\xa0", b"chunked, trailers", b"chunked , gzip", b"=chunked", b"chunked,\t", b"\xcb\x9achunked",
]  # fmt: skip
CONTROLLED = [
    position % byte
    for byte in [byte for byte in range(0x20) if byte not in (0x09, 0x0A, 0x0D)] + [0x7F]
    for position in (b"chunked%c", b"%cchunked")
]
UNKNOWN = [
    b"gzip", b"deflate", b"identity", b"compress", b"br", b"zstd", b"x-gzip", b"x-chunked", b"xchunked", b"chunkedx",
    b"chunked-", b"-chunked", b"gzip, chunked", b"gzip,chunked", b"gzip ,\tchunked", b"identity, chunked",
    b"identity,chunked", b"x, y, chunked", b"chunke", b"hunked", b"chunked1", b"1chunked", b"'chunked'", b"`chunked`",
    b"chunked.", b".chunked", b"chunked!", b"chunked*", b"*", b"cow", b"chunk", b"c", b"chunked_", b"_chunked",
    b"chunked|", b"chunked~", b"chunked^", b"chunked$", b"#chunked", b"%chunked", b"%63hunked", b"chunked+gzip",
    b"chunked&", b"0", b"none", b"null", b"trailers", b"GZIP", b"Identity", b"chunkedchunked", b"ch-unked", b"5",
]  # fmt: skip
GOOD_SPELLINGS = [b" chunked", b"chunked", b"\tchunked", b"  chunked  ", b" CHUNKED", b" cHuNkEd\t", b" Chunked "]

POST = b"POST / HTTP/1.1"


def _one(value: bytes, status: int) -> Case:
    return refused(value, head(b"Transfer-Encoding: " + value, first=POST) + BODY, status)


def _two(first: bytes, second: bytes) -> Case:
    lines = (b"Transfer-Encoding: " + first, b"Transfer-Encoding: " + second)
    return refused(f"two fields {first!r} {second!r}", head(*lines, first=POST) + BODY)


CASES = unique(
    [
        *(_one(value, 400) for value in MALFORMED + CONTROLLED),
        *(_one(value, 501) for value in UNKNOWN),
        *(_two(*pair) for pair in itertools.product([b"chunked", b"gzip", b"identity", b""], repeat=2)),
        *(
            served(f"good {value!r}", head(b"Transfer-Encoding:" + value, first=POST) + BODY, ("POST /", b"hello"))
            for value in GOOD_SPELLINGS
        ),
        *(
            refused(f"HTTP/1.0 {value!r}", head(b"Transfer-Encoding: " + value, first=b"POST / HTTP/1.0") + BODY)
            for value in (b"chunked", b"gzip", b"identity", b"")
        ),
        *(
            refused(f"name {name!r}", head(name + b" chunked", first=POST) + BODY)
            for name in (
                b"Transfer-Encoding :", b"Transfer-Encoding\t:", b" Transfer-Encoding:", b"Transfer Encoding:",
                b"Transfer-Encoding\x00:", b"Transfer-Encoding\x0b:", b"\xefTransfer-Encoding:", b"Transfer-Encoding;",
            )
        ),
        *(
            refused(f"name {name!r}", head(name + b": gzip", first=POST) + BODY, 501)
            for name in (b"transfer-encoding", b"TRANSFER-ENCODING", b"Transfer-encoding", b"tRANSFER-eNCODING")
        ),
        refused("folded", head(b"Transfer-Encoding:", b" chunked", first=POST) + BODY),
        refused("folded with a tab", head(b"Transfer-Encoding: x,", b"\tchunked", first=POST) + BODY),
        refused("bare LF before it", head(b"X: y\nTransfer-Encoding: chunked", first=POST) + BODY),
        refused("bare CR before it", head(b"X: y\rTransfer-Encoding: chunked", first=POST) + BODY),
        refused("bare LF behind it", head(b"Transfer-Encoding: chunked\nX: y", first=POST) + BODY),
        refused("with GET", head(b"Transfer-Encoding: xchunked") + BODY, 501),
        refused("with OPTIONS", head(b"Transfer-Encoding: chunked, x", first=b"OPTIONS * HTTP/1.1") + BODY),
        # An underscore is no dash: dropped, so what looks like a body is the next request, and none.
        Case(
            "underscore",
            head(b"Transfer_Encoding: chunked", first=POST) + BODY,
            (200, 400),
            (("POST /", b""),),
        ),
    ]
)  # fmt: skip
