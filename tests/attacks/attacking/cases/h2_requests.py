"""2, 4, 5, 7, 8, 10, 14, 24. What one request of HTTP/2 says: malformed on its stream, refused, or served.

RFC 9113 sections 8.2 and 8.3: what the protocol does not allow resets the stream; what HTTP does not allow gets the
status that it has over HTTP/1.1. PortSwigger's "HTTP/2: the sequel is always worse" (2021): line ends in names and
values, pseudo-header fields as fields, Content-Length and Transfer-Encoding that another server behind would believe;
CVE-2021-36740 (Varnish: Content-Length against DATA), CVE-2021-31618 and CVE-2021-33193 (Apache httpd: methods and
limits), CVE-2023-33953 (gRPC), CVE-2024-24549 (Tomcat: limits of fields).
"""

from __future__ import annotations

import string

from ..http2 import GET, Fields, fields, without
from ..streams import StreamCase, answered, malformed, served, unique
from .lengths import WRONG as WRONG_LENGTHS
from .start_lines import GOOD_HOSTS, GOOD_METHODS, GOOD_TARGETS, WRONG_HOSTS, WRONG_METHODS, WRONG_TARGETS

TOKEN = set((string.ascii_lowercase + string.digits + "!#$%&'*+-.^_`|~").encode())
CONTROLS = [byte for byte in range(0x20) if byte != 0x09] + [0x7F]
ROOT = ("GET /", b"")
HELLO = ("POST /", b"hello")


def is_value(value: bytes) -> bool:
    """Whether it can be the value of a field at all (RFC 9113 section 8.2.1)."""
    return not set(value) & set(CONTROLS) and value.strip(b" \t") == value


def refused(name: object, block: Fields, *values: bytes, status: int = 400) -> StreamCase:
    """Refused, or malformed where one of the values is none."""
    return answered(name, status, block) if all(map(is_value, values)) else malformed(name, block)


def post(*more: tuple[bytes, bytes]) -> Fields:
    return fields(*more, method=b"POST")


def host(value: bytes) -> Fields:
    return without(b":authority", (b"host", value))


LENGTHS = [
    # 2
    *(
        answered(f"length {value!r}", 400, post((b"content-length", value)), b"hello")
        if is_value(value)
        else malformed(f"length {value!r}", post((b"content-length", value)), b"hello")
        for value in WRONG_LENGTHS
    ),
    *(
        served(f"good length {value!r}", post((b"content-length", value)), HELLO, body=b"hello")
        for value in (b"5", b"05", b"0000000000000000005")
    ),
    served("length zero", post((b"content-length", b"0")), ("POST /", b""), body=b""),
    served("length zero and no DATA", post((b"content-length", b"0")), ("POST /", b"")),
    malformed("a length and no DATA", post((b"content-length", b"5"))),
    malformed("DATA shorter than the length", post((b"content-length", b"6")), b"hello"),
    malformed("DATA longer than the length", post((b"content-length", b"4")), b"hello"),
    malformed("DATA longer than a length of zero", post((b"content-length", b"0")), b"hello"),
    malformed("no DATA, but a frame, and a length", post((b"content-length", b"5")), b""),
    malformed("GET with a length", fields((b"content-length", b"5"))),
    *(
        StreamCase(
            f"length {size} is above the limit of a body",
            lambda peer, size=size: peer.head(1, post((b"content-length", b"%d" % size)), False),
            {1: 413},
        )
        for size in (104857601, 2**63 - 1, 2**63)
    ),
]
FIELDS = [
    # 4
    *(
        answered(f"two {name.decode()} {first!r} {second!r}", 400, fields((name, first), (name, second)))
        for name, first, second in (
            (b"host", b"a", b"a"),
            (b"host", b"a", b"b"),
            (b"content-length", b"0", b"0"),
            (b"content-length", b"0", b"5"),
            (b"content-type", b"a/b", b"a/b"),
        )
    ),
    served("two of another name", fields((b"x", b"1"), (b"x", b"2")), ROOT),
    # 5
    *(malformed(f"byte {byte:#04x} in a value", fields((b"x", b"a%cb" % byte))) for byte in CONTROLS),
    *(malformed(f"byte {byte:#04x} first in a value", fields((b"x", b"%cb" % byte))) for byte in [*CONTROLS, 9, 32]),
    *(malformed(f"byte {byte:#04x} last in a value", fields((b"x", b"a%c" % byte))) for byte in [*CONTROLS, 9, 32]),
    *(
        malformed(f"byte {byte:#04x} in a name", fields((b"x%cy" % byte, b"a")))
        for byte in range(256)
        if byte not in TOKEN
    ),
    *(
        served(f"byte {byte:#04x} in a value is content", fields((b"x", b"a%cb" % byte)), ROOT)
        for byte in (0x09, 0x20, 0x21, 0x22, 0x7E, 0x80, 0x85, 0xA0, 0xFF)
    ),
    *(
        malformed(
            f"byte {byte:#04x} in {name.decode()}", [(one, b"a%cb" % byte if one == name else v) for one, v in GET]
        )
        for byte in (0x00, 0x0A, 0x0D, 0x7F)
        for name, _ in GET
    ),
    malformed("an empty name", fields((b"", b"a"))),
    malformed("a line of a head as a value", fields((b"x", b"a\r\ntransfer-encoding: chunked"))),
    malformed("a request as a name", fields((b"x: y\r\n\r\nget /later http/1.1\r\n", b"a"))),
    malformed("a request as a path", fields(path=b"/ HTTP/1.1\r\nhost: a\r\n\r\nGET /later")),
    malformed("a space in a name", fields((b"x y", b"a"))),
    malformed("a colon in a name", fields((b"x:y", b"a"))),
    # 24
    *(
        malformed(f"upper case {name.decode()}", fields((name, b"a")))
        for name in (b"X", b"Host", b"hosT", b"Content-Length", b"Transfer-Encoding", b"X-Forwarded-For")
    ),
    malformed("upper case :METHOD", [(b":METHOD", b"GET"), *GET[1:]]),
    *(
        malformed(f"of a connection: {name.decode()}: {value.decode()}", fields((name, value)))
        for name, value in (
            (b"connection", b"close"),
            (b"connection", b"x"),
            (b"connection", b""),
            (b"proxy-connection", b"keep-alive"),
            (b"keep-alive", b"timeout=5"),
            (b"transfer-encoding", b"chunked"),
            (b"transfer-encoding", b"identity"),
            (b"transfer-encoding", b""),
            (b"upgrade", b"h2c"),
            (b"upgrade", b"websocket"),
            (b"te", b"gzip"),
            (b"te", b"trailers, gzip"),
            (b"te", b""),
            (b"te", b"chunked"),
        )
    ),
    malformed(
        "transfer-encoding with a body", post((b"transfer-encoding", b"chunked")), b"0\r\n\r\nGET /later HTTP/1.1"
    ),
    served("te: trailers", fields((b"te", b"trailers")), ROOT),
    served("cookies in crumbs", fields((b"cookie", b"a=b"), (b"cookie", b"c=d")), ROOT),
]
PSEUDO = [
    # 24
    *(malformed(f"no {name.decode()}", without(name)) for name in (b":method", b":scheme", b":path")),
    answered("no :authority and no host", 400, without(b":authority")),
    served("host and no :authority", host(b"a"), ROOT),
    *(malformed(f"two {name.decode()}", [*GET, (name, value)]) for name, value in GET),
    *(malformed(f"two {name.decode()} that differ", [(name, b"b"), *GET]) for name, _ in GET),
    *(
        malformed(
            f"{name.decode()} behind a field", [*[one for one in GET if one[0] != name], (b"x", b"y"), (name, value)]
        )
        for name, value in GET
    ),
    malformed("all behind a field", [(b"x", b"y"), *GET]),
    served("in another order", GET[::-1], ROOT),
    *(
        malformed(f"unknown {name.decode()}", [*GET, (name, b"200")])
        for name in (b":status", b":x", b":", b":host", b"::path", b":path:", b":Path", b": path", b":connection")
    ),
    malformed("none at all", [(b"x", b"y")]),
    malformed("nothing at all", []),
    malformed("an empty :path", fields(path=b"")),
    malformed("an empty :method", fields(method=b"")),
    *(
        malformed(f"scheme {scheme!r}", fields(scheme=scheme))
        for scheme in (b"", b"://", b"http://evil/", b"http:", b"http evil", b"1http", b"http/", b"h\xc3\xa9", b"*")
    ),
    *(
        served(f"scheme {scheme!r} is not believed", fields(scheme=scheme), ROOT)
        for scheme in (b"https", b"HTTP", b"ftp", b"javascript")
    ),
    answered(":authority against host", 400, fields((b"host", b"b"))),
    answered(":authority against an empty host", 400, fields((b"host", b""))),
    answered(":authority against host with a port", 400, fields((b"host", b"a:81"))),
    served(":authority and the same host", fields((b"host", b"a")), ROOT),
    answered("CONNECT", 501, [(b":method", b"CONNECT"), (b":authority", b"a:443")]),
    malformed("CONNECT with :scheme and :path", fields(method=b"CONNECT")),
    malformed("CONNECT with :path", [(b":method", b"CONNECT"), (b":path", b"/"), (b":authority", b"a:443")]),
    malformed(":protocol without CONNECT", [*GET, (b":protocol", b"websocket")]),
    malformed(":protocol with POST", [(b":method", b"POST"), *GET[1:], (b":protocol", b"websocket")]),
    malformed("an empty :protocol", [(b":method", b"CONNECT"), *GET[1:], (b":protocol", b"")]),
    malformed("two :protocol", [(b":method", b"CONNECT"), *GET[1:], *[(b":protocol", b"websocket")] * 2]),
    malformed(
        ":protocol and no :path", [(b":method", b"CONNECT"), *without(b":path")[1:], (b":protocol", b"websocket")]
    ),
]
TARGETS = [
    # 7
    *(refused(f"target {target!r}", fields(path=target), target) for target in WRONG_TARGETS),
    *(refused(f"absolute target {target!r}", fields(path=target)) for target in (b"http://a/", b"https://a/")),
    *(
        served(f"target {target!r}", fields(path=target), (f"GET {target.decode()}", b""))
        for target in GOOD_TARGETS
        if not target.endswith(b"?")
    ),
    *(
        answered(f"* with {method.decode()}", 400, fields(method=method, path=b"*"))
        for method in (b"GET", b"POST", b"TRACE", b"options")
    ),
    # 8
    *(refused(f"authority {value!r}", fields(authority=value), value) for value in WRONG_HOSTS),
    *(refused(f"host {value!r}", host(value), value) for value in WRONG_HOSTS),
    *(served(f"good authority {value!r}", fields(authority=value), ROOT) for value in GOOD_HOSTS),
    *(served(f"good host {value!r}", host(value), ROOT) for value in GOOD_HOSTS),
    # 10
    *(malformed(f"method {method!r}", fields(method=method)) for method in WRONG_METHODS),
    *(
        served(f"good method {method!r}", fields(method=method), (f"{method.decode()} /", b""))
        for method in GOOD_METHODS
    ),
    answered("method of 33 bytes", 501, fields(method=b"A" * 33)),
    answered("method of 8000 bytes", 501, fields(method=b"A" * 8000)),
    # 14
    *(
        refused(f"expect {value!r}", post((b"expect", value)), value, status=417)
        for value in (b"", b"200-ok", b"100", b"100-continue, x", b"100-continue;q=1", b"100-continued", b"a=b")
    ),
    served("expect with no body", fields((b"expect", b"100-continue")), ROOT),
    served("expect in other letters", post((b"expect", b"100-CONTINUE")), HELLO, body=b"hello"),
]
CASES = unique([*LENGTHS, *FIELDS, *PSEUDO, *TARGETS])
