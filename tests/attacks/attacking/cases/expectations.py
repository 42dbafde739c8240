"""14. ``Expect``: what nobody expects is refused, and what comes late or never changes no border.

RFC 9110 section 10.1.1.
"""

from __future__ import annotations

from ..case import Case, head, refused, served, unique

POST = b"POST /read HTTP/1.1"
EXPECT = b"Expect: 100-continue"

CASES = unique(
    [
        *(
            refused(f"value {value!r}", head(b"Expect: " + value, b"Content-Length: 5", first=POST) + b"hello", 417)
            for value in (b"", b"200-ok", b"100", b"100-continue, x", b"100-continue;q=1", b"100-continued", b"a=b")
        ),
        refused("two", head(EXPECT, EXPECT, b"Content-Length: 5", first=POST) + b"hello", 417),
        served("in other letters", head(b"eXPECT: 100-CONTINUE", b"Content-Length: 5", first=POST) + b"hello",
               ("POST /read", b"hello")),
        served("the body comes at once", head(EXPECT, b"Content-Length: 5", first=POST) + b"hello",
               ("POST /read", b"hello")),
        served("chunks come at once",
               head(EXPECT, b"Transfer-Encoding: chunked", first=POST) + b"5\r\nhello\r\n0\r\n\r\n",
               ("POST /read", b"hello")),
        served("with no body", head(EXPECT, first=b"GET /read HTTP/1.1"), ("GET /read", b"")),
        served("with an empty body", head(EXPECT, b"Content-Length: 0", first=POST), ("POST /read", b"")),
        # HTTP/1.0 knows no expectations: ignored, even wrong ones.
        Case("in HTTP/1.0", head(EXPECT, b"Content-Length: 5", first=b"POST /read HTTP/1.0") + b"hello", (200,),
             (("POST /read", b"hello"),)),
        Case("unknown in HTTP/1.0", head(b"Expect: x", first=b"GET /read HTTP/1.0"), (200,), (("GET /read", b""),)),
        Case("cut in the body", head(EXPECT, b"Content-Length: 9", first=POST) + b"hello", (400,), half_close=True),
        Case("cut before the body", head(EXPECT, b"Content-Length: 9", first=POST), (400,), half_close=True),
    ]
)  # fmt: skip
