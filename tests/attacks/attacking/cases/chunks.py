"""6. Chunks: the grammar of sizes, extensions, ends and trailers.

RFC 9112 section 7.1; CVE-2025-43859 (h11: any two bytes ended a chunk), CVE-2022-24761 (waitress: ``+5``, ``0x5``,
``5_0`` as size), CVE-2024-52304 (aiohttp: line ends in an extension), CVE-2025-22871 (Go: bare LF behind a size),
CVE-2023-46589 (Tomcat: a trailer section above the limit was the next request).
"""

from __future__ import annotations

from ..case import Case, head, refused, served, unique

POST = head(b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.1")
END = b"0\r\n\r\n"
WRONG_SIZES = [
    b"", b" ", b"+5", b"-5", b"0x5", b"0X5", b"x5", b"5_0", b"5 ", b" 5", b"5\t", b"\t5", b"5h", b"g", b"5.0", b"5,5",
    b'"5"', b"5\x00", b"\x005", b"\x0b5", b"5\x0b", b"\xb2", b"\xef\xbc\x95", b"5\xa0", b"0" * 16 + b"5",
    b"1" + b"0" * 16,
    b"f" * 17, b"-0", b"+0", b"0x0", b"0x", b"00x0", b"- 5", b"5 5", b"\\5", b"5\r", b"5\n\r", b"five", b"%35", b"5=",
    b"5:", b"(5)",
]  # fmt: skip
WRONG_EXTENSIONS = [
    b";", b"; ", b";=b", b";a=", b";a b", b";a =b", b";a= b", b' ;a=b', b"; a=b", b";a=b c", b';a="b', b';a="b"c',
    b";a\rb", b";a\nb", b";a=\rb", b';a="\r"', b';a="\n"', b';a="\x00"', b';a="\x7f"', b';a="\\', b";a\x00", b";a=\x00",
    b";a;;b", b";a=b=c", b";a,b", b";\xe9", b";a=\xe9", b"\r", b";a\r", b";a=b\n\nGET /later HTTP/1.1",
]  # fmt: skip
GOOD_EXTENSIONS = [b";a", b";a=b", b';a="b"', b";a;b;c=d", b';a="\\""', b';a=";\\\\"', b';a="\xe9 \t"', b';a=1;b="2";c']
WRONG_ENDS = [b"", b"\n", b"\r", b"\r\r\n", b"\n\r", b"XX", b"X\r\n", b" \r\n", b"\r\nX", b"\n\n", b"\x00\x00", b"\r\r"]
WRONG_TRAILERS = [
    b"GET /later HTTP/1.1\r\nHost: a\r\n", b"X : y\r\n", b": y\r\n", b"X\r\n", b"X: y\n", b"X: y\r", b" X: y\r\n",
    b"X: y\r\n z\r\n", b"X: a\x00b\r\n", b"X\x00: y\r\n", b"\n", b"\rX", b"X: y\r\r\n", b"POST / HTTP/1.1\r\n",
]  # fmt: skip

CASES = unique(
    [
        *(refused(f"size {size!r}", POST + size + b"\r\nhello\r\n" + END) for size in WRONG_SIZES),
        refused("size behind a bare LF", POST + b"5\nhello\r\n" + END),
        refused("size behind a bare CR", POST + b"5\rhello\r\n" + END),
        refused("last size behind a bare LF", POST + b"5\r\nhello\r\n0\n\r\n"),
        *(
            served(f"good size {size!r}", POST + size + b"\r\nhello12345\r\n" + END, ("POST /", b"hello12345"))
            for size in (b"a", b"A", b"0A", b"0" * 15 + b"a")
        ),
        *(refused(f"extension {text!r}", POST + b"5" + text + b"\r\nhello\r\n" + END) for text in WRONG_EXTENSIONS),
        *(refused(f"last extension {text!r}", POST + b"0" + text + b"\r\n\r\n") for text in WRONG_EXTENSIONS[:8]),
        *(
            served(f"good extension {text!r}", POST + b"5" + text + b"\r\nhello\r\n" + END, ("POST /", b"hello"))
            for text in GOOD_EXTENSIONS
        ),
        *(
            refused(f"data behind 'hello' ends with {end!r}", POST + b"5\r\nhello" + end + b"1\r\nX\r\n" + END)
            for end in WRONG_ENDS
        ),
        refused("data longer than its size", POST + b"4\r\nhello\r\n" + END),
        refused("data shorter than its size", POST + b"6\r\nhello\r\n" + END),
        refused("no data, no end", POST + b"\r\n" + END),
        refused("a request instead of a size", POST),
        refused("last chunk without its empty line, then a request", POST + b"0\r\n"),
        *(refused(f"trailer {text!r}", POST + b"0\r\n" + text + b"\r\n") for text in WRONG_TRAILERS),
        refused("100 trailers and one", POST + b"0\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
        served("100 trailers", POST + b"0\r\n" + b"X: y\r\n" * 100 + b"\r\n", ("POST /", b"")),
        refused("a trailer above the limit of a field", POST + b"0\r\nX: " + b"y" * 8188 + b"\r\n\r\n", 431),
        refused("trailers above the limit of a head", POST + b"0\r\n" + (b"X: " + b"y" * 8000 + b"\r\n") * 9, 431),
        *(
            served(f"trailer {name.decode()} changes nothing", POST + b"5\r\nhello\r\n0\r\n" + name + b": 9\r\n\r\n",
                   ("POST /", b"hello"))
            for name in (b"Content-Length", b"Transfer-Encoding", b"Host", b"Connection", b"Authorization", b"X-Sum")
        ),
        refused("extensions of 8 KiB and a byte", POST + b"5;" + b"a" * 8192 + b"\r\nhello\r\n" + END),
        served("extensions of 8 KiB", POST + b"5;" + b"a" * 8191 + b"\r\nhello\r\n" + END, ("POST /", b"hello")),
        refused("extensions of 8 KiB and a byte in many chunks", POST + b"1;aaaaaaa\r\nX\r\n" * 1025 + END),
        Case("cut in a size", POST + b"5", (400,), half_close=True),
        Case("cut in the data", POST + b"5\r\nhel", (400,), half_close=True),
        Case("cut before the last line", POST + b"5\r\nhello\r\n0\r\n", (400,), half_close=True),
        served("then a good one", POST + b"5\r\nhello\r\n" + END + head(), ("POST /", b"hello"), ("GET /", b"")),
        served("two in a row", (POST + b"5\r\nhello\r\n" + END) * 2, ("POST /", b"hello"), ("POST /", b"hello")),
    ]
)  # fmt: skip
