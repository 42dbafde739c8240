"""4, 5. Duplicates of fields that may come once, line ends, and every byte that has no place in a field.

RFC 9112 sections 2.2 and 5; CVE-2019-16785 (waitress: bare LF), CVE-2023-30589 (Node.js: bare CR), CVE-2021-22959
(Node.js: space before the colon), CVE-2023-25725 (HAProxy: empty field name), CVE-2022-32215 (Node.js: folded lines).
"""

from __future__ import annotations

import string

from ..case import Case, head, refused, served, unique

TOKEN = set((string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~").encode())
CONTROLS = [byte for byte in range(0x20) if byte != 0x09] + [0x7F]

CASES = unique(
    [
        # 4
        *(
            refused(f"two {name.decode()}", head(name + b": " + value, name.lower() + b": " + value, host=host))
            for name, value, host in (
                (b"Host", b"a", b""),
                (b"Content-Length", b"0", b"Host: a"),
                (b"Content-Type", b"a/b", b"Host: a"),
                (b"Transfer-Encoding", b"chunked", b"Host: a"),
            )
        ),
        refused("two Host that differ", head(b"Host: b")),
        refused("two Host, one empty", head(b"Host:")),
        served("two of another name", head(b"X: 1", b"X: 2"), ("GET /", b"")),
        # 5
        *(refused(f"byte {byte:#04x} in a value", head(b"X: a%cb" % byte)) for byte in CONTROLS),
        *(refused(f"byte {byte:#04x} first in a value", head(b"X:%cb" % byte)) for byte in CONTROLS),
        *(refused(f"byte {byte:#04x} last in a value", head(b"X: b%c" % byte)) for byte in CONTROLS if byte != 0x0D),
        *(
            refused(f"byte {byte:#04x} in a name", head(b"X%cY: a" % byte))
            for byte in range(256)
            if byte not in TOKEN and byte != 0x3A
        ),
        *(
            refused(f"byte {byte:#04x} first in a name", head(b"%cY: a" % byte))
            for byte in range(256)
            if byte not in TOKEN
        ),
        *(
            served(f"byte {byte:#04x} in a value is content", head(b"X: a%cb" % byte), ("GET /", b""))
            for byte in (0x09, 0x20, 0x21, 0x22, 0x7E, 0x80, 0x85, 0xA0, 0xFF)
        ),
        refused("bare LF after the request line", b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
        refused("bare LF everywhere", b"GET / HTTP/1.1\nHost: a\n\n"),
        refused("bare LF after a field", head(b"X: y\nZ: z")),
        refused("bare LF for the last line", b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
        refused("bare LF for the last two", b"GET / HTTP/1.1\r\nHost: a\n\n"),
        refused("bare CR after the request line", b"GET / HTTP/1.1\rHost: a\r\n\r\n"),
        refused("bare CR after a field", head(b"X: y\rZ: z")),
        refused("bare CR for the last line", b"GET / HTTP/1.1\r\nHost: a\r\n\rX"),
        refused("CR CR LF", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
        refused("CR CR LF after a field", head(b"X: y\r")),
        refused("LF CR", b"GET / HTTP/1.1\n\rHost: a\r\n\r\n"),
        refused("folded with a space", head(b"X: y", b" z")),
        refused("folded with a tab", head(b"X: y", b"\tz")),
        refused("folded and empty", head(b"X: y", b" ")),
        refused("folded first line", b"GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n"),
        refused("space before the colon", head(b"X : y")),
        refused("tab before the colon", head(b"X\t: y")),
        refused("empty name", head(b": y")),
        refused("empty name and value", head(b":")),
        refused("no colon", head(b"X")),
        refused("no colon, like a request line", head(b"GET /later HTTP/1.1")),
        refused("two empty lines first", b"\r\n\r\n" + head()),
        refused("bare LF first", b"\n" + head()),
        refused("space first", b" " + head()),
        refused("NUL first", b"\x00" + head()),
        refused("TLS ClientHello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        refused("SSH", b"SSH-2.0-OpenSSH_9.6\r\n"),
        refused("PROXY header nobody asked for", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + head()),
        served("one empty line first", b"\r\n" + head(), ("GET /", b"")),
        # RFC 9112 section 2.2: one empty line is skipped, before every request.
        served("one empty line between", head() + b"\r\n" + head(), ("GET /", b""), ("GET /", b"")),
        Case("two empty lines between", head() + b"\r\n\r\n" + head(), (200, 400), (("GET /", b""),)),
        Case("a head that never ends", b"GET / HTTP/1.1\r\nHost: a\r\n", (400,), half_close=True),
        Case("nothing at all", b"", (), half_close=True),
        Case("an empty line only", b"\r\n", (), half_close=True),
    ]
)
