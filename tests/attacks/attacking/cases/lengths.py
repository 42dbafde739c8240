"""2, 3. Content-Length: one field of 1 to 19 digits; and never together with Transfer-Encoding.

RFC 9110 section 8.6, RFC 9112 section 6.3; CVE-2022-24761 (waitress) and CVE-2022-24801 (Twisted): ``+5`` and ``0x5``
were numbers; CVE-2023-40225 (HAProxy) and CVE-2023-40175 (puma): an empty value.
"""

from __future__ import annotations

from ..case import Case, head, refused, served, unique

POST = b"POST / HTTP/1.1"
WRONG = [
    b"+5", b"-5", b"5_0", b"0_5", b"0x5", b"0X5", b"0o5", b"0b1", b"5, 5", b"5,5", b"5,", b",5", b"5 5", b"5\t5", b"",
    b" ", b"5;", b"5;q=1", b"five", b"5.0", b"5.", b".5", b"5e0", b"1e1", b"5L", b"5u", b"5h", b"#5", b"(5)", b'"5"',
    b"'5'", b"\xb2", b"\xd9\xa5", b"\xef\xbc\x95", b"5\xa0", b"\xa05", b"5\x00", b"\x005", b"5\x0b", b"\x0b5",
    b"5\x0c", b"\x0c5", b"5\x1f", b"5\x7f", b"0" * 20, b"0" * 22 + b"5", b"0" * 23, b"9" * 20, b"9" * 23, b"9" * 4000,
    b"18446744073709551621", b"NaN", b"inf", b"null", b"true", b"--5", b"+-5", b"- 5", b"5-", b"5+", b"5\\", b"%35",
]  # fmt: skip


def _length(value: bytes) -> bytes:
    return head(b"Content-Length:" + value, first=POST)


CASES = unique(
    [
        *(refused(value, _length(b" " + value) + b"hello") for value in WRONG),
        *(
            served(f"good {value!r}", _length(value) + b"hello", ("POST /", b"hello"))
            for value in (b"5", b" 5", b"\t5", b" 5 ", b" 5\t ", b" 05", b" 0000000000000000005")
        ),
        *(served(f"zero {value!r}", _length(value), ("POST /", b"")) for value in (b"0", b" 00", b" " + b"0" * 19)),
        served("without", head(first=POST), ("POST /", b"")),
        # 2^63 - 1 and 2^63 fit into 19 digits; both are above the limit of a body.
        refused("2^63 - 1", _length(b"9223372036854775807") + b"hello", 413),
        refused("2^63", _length(b"9223372036854775808") + b"hello", 413),
        refused("one above the limit of a body", _length(b"104857601") + b"hello", 413),
        *(
            refused(
                f"two fields {first!r} {second!r}",
                head(b"Content-Length: " + first, b"Content-Length: " + second, first=POST) + b"hello",
            )
            for first, second in ((b"5", b"5"), (b"5", b"6"), (b"0", b"5"), (b"5", b"0"), (b"5", b"05"), (b"", b"5"))
        ),
        refused("two fields apart", head(b"Content-Length: 5", b"X: y", b"content-length: 5", first=POST) + b"hello"),
        refused("space before the colon", head(b"Content-Length : 5", first=POST) + b"hello"),
        refused("folded", head(b"Content-Length:", b" 5", first=POST) + b"hello"),
        refused("folded second line", head(b"Content-Length: 5", b" 0", first=POST) + b"hello"),
        refused("bare CR before it", head(b"X: y\rContent-Length: 5", first=POST) + b"hello"),
        # An underscore is no dash: dropped, so the body is read as the next request, and is none.
        Case("underscore", head(b"Content_Length: 5", first=POST) + b"\x00hell", (200, 400), (("POST /", b""),)),
        Case("body longer than its length", _length(b"3") + b"hel\x00lo", (200, 400), (("POST /", b"hel"),)),
        Case("body shorter than its length", _length(b"9") + b"hello", (400,), half_close=True),
        # 3. Both together: CVE-2022-24790 (puma); RFC 9112 section 6.3 leaves it to the server, which refuses.
        *(
            refused(f"both {name}", head(*lines, first=first) + b"5\r\nhello\r\n0\r\n\r\n")
            for name, lines, first in (
                ("length first", (b"Content-Length: 15", b"Transfer-Encoding: chunked"), POST),
                ("coding first", (b"Transfer-Encoding: chunked", b"Content-Length: 15"), POST),
                ("length zero", (b"Transfer-Encoding: chunked", b"Content-Length: 0"), POST),
                ("length empty", (b"Transfer-Encoding: chunked", b"Content-Length:"), POST),
                ("length wrong", (b"Transfer-Encoding: chunked", b"Content-Length: x"), POST),
                ("coding unknown", (b"Transfer-Encoding: x", b"Content-Length: 15"), POST),
                ("coding empty", (b"Transfer-Encoding:", b"Content-Length: 15"), POST),
                ("coding identity", (b"Transfer-Encoding: identity", b"Content-Length: 15"), POST),
                ("in HTTP/1.0", (b"Transfer-Encoding: chunked", b"Content-Length: 15"), b"POST / HTTP/1.0"),
                ("with GET", (b"Transfer-Encoding: chunked", b"Content-Length: 15"), b"GET / HTTP/1.1"),
                ("named in Connection", (b"Connection: content-length", b"Content-Length: 5",
                                         b"Transfer-Encoding: chunked"), POST),
                ("in other letters", (b"CONTENT-LENGTH: 15", b"tRaNsFeR-eNcOdInG: chunked"), POST),
            )
        ),
    ]
)  # fmt: skip
