"""7, 8, 9, 10. The request line and Host: forms of targets, authorities, versions, methods.

RFC 9112 section 3, RFC 9110 section 7.2; CVE-2023-45539 (HAProxy: ``#`` in a target), CVE-2016-8743 (Apache httpd:
white space in the request line).
"""

from __future__ import annotations

from ..case import Case, head, refused, served, unique

WRONG_TARGETS = [
    b"a", b"a:80", b"*", b"a/b", b"?a", b"#", b"/#", b"/a#b", b"/a?b#c", b"/\xc3\xa9", b"/\xff", b"/?\xe9", b"/\x01",
    b"/\x00", b"/\x7f", b"/\x1b[31m", b"/%00", b"/%00.png", b"/a?b=%00", b"/%", b"/%4", b"/%4g", b"/%g4", b"/%%34",
    b"/%u0041", b"/a%", b"\\a", b"ftp://a/", b"http:/a", b"http:a", b"http://", b"http:///", b"http://b/",
    b"http://a:80/", b"http://a@b/", b"http://a@a/", b"http://a b/", b"http://a%2f/", b"http://a,b/", b"http://[::1/",
    b"http://a:x/", b"http://a/#b", b"file:///etc/passwd", b"javascript:alert(1)", b"/a\tb", b"ws://a/", b"**", b"*a",
    b"http://a\\b/",
]  # fmt: skip
GOOD_TARGETS = [
    b"/", b"//", b"//b/c", b"/a/../b", b"/..%2f..%2fetc", b"/%2e%2e/", b"/a?b=c", b"/?", b"/??", b"/?a?b", b"/a;b=c",
    b"/%C3%A9", b"/%c3", b"/:80", b"/@", b"/*", b"/http://b/", b"/a|b", b"/{}", b'/"<>`^\\', b"/~", b"/a%20b", b"//[",
]  # fmt: skip
WRONG_HOSTS = [
    b"", b" ", b"a b", b"a/b", b"a/", b"u@a", b"u:p@a", b"a,b", b"a, a", b"a%2eb", b"%61", b"a:b", b"a:80x", b"a:-1",
    b"a:+80", b"a: 80", b"a:65536", b"a:99999", b"a:123456", b"a:1:2", b"::1", b"[::1", b"::1]", b"[1::2::3]", b"[]",
    b"[a]", b"[::1]x", b"[::1]:x", b"[::1%25eth0]", b"[v]", b":", b":80", b"a?b", b"a#b", b"\xe9", b"a\xff", b"a\\b",
    b"a\"b", b"<script>", b"a{b", b"a|b", b"a^b", b"a`b", b"http://a", b"a\tb", b"a" * 256, b"[" + b":" * 46 + b"]",
]  # fmt: skip
GOOD_HOSTS = [
    b"a", b"A.example", b"a.", b"a:", b"a:0", b"a:65535", b"127.0.0.1:80", b"[::1]", b"[::1]:80", b"[::ffff:1.2.3.4]",
    b"[v1.a:b]", b"xn--a", b"a_b", b"a-b~c", b"a!$&'()*+;=", b"a" * 255,
]  # fmt: skip
WRONG_VERSIONS = [
    b"HTTP/1.1 ", b" HTTP/1.1", b"HTTP/01.1", b"HTTP/1.01", b"HTTP/1.10", b"HTTP/11.1", b"HTTP/1", b"HTTP/1.",
    b"HTTP/.1",
    b"HTTP/", b"HTTP", b"H", b"", b"http/1.1", b"Http/1.1", b"HTTP/1,1", b"HTTP/1.1.1", b"HTTP/+1.1", b"HTTP/1.1\t",
    b"HTTP/1.1x", b"HTTP /1.1", b"HTTP/ 1.1", b"HTTP\\1.1", b"HTTPS/1.1", b"ICY/1.1", b"HTTP/1.\xb9", b"HTTP/a.b",
    b"HTTP/1.1\x00", b"HTTP/1.1 HTTP/1.1", b"XTTP/1.1",
]  # fmt: skip
UNKNOWN_VERSIONS = [b"HTTP/0.9", b"HTTP/0.0", b"HTTP/1.2", b"HTTP/1.9", b"HTTP/2.0", b"HTTP/3.0", b"HTTP/9.9"]
WRONG_METHODS = [
    b"",
    b"G/T",
    b"GET:",
    b"G(T",
    b"G\xc9T",
    b"G\x00T",
    b"\x00",
    b"G\tT",
    b'"GET"',
    b"[GET]",
    b"GET,",
    b"@",
    b"GET\x0b",
]
GOOD_METHODS = [b"GET", b"DELETE", b"PATCH", b"TRACE", b"M-SEARCH", b"VERSION-CONTROL", b"X!#$%&'*+-.^_`|~", b"A" * 32]

CASES = unique(
    [
        # 7
        *(refused(f"target {target!r}", head(first=b"GET " + target + b" HTTP/1.1")) for target in WRONG_TARGETS),
        *(
            served(f"target {target!r}", head(first=b"GET " + target + b" HTTP/1.1"), (f"GET {target.decode()}", b""))
            for target in GOOD_TARGETS
            if not target.endswith(b"?")
        ),
        *(
            refused(f"* with {method.decode()}", head(first=method + b" * HTTP/1.1"))
            for method in (b"POST", b"HEAD", b"TRACE", b"options")
        ),
        *(
            refused(f"CONNECT {target!r}", head(first=b"CONNECT " + target + b" HTTP/1.1", host=b"Host: " + target))
            for target in (b"/", b"*", b"a", b"a:", b"http://a/", b"u@a:1", b"a:x", b"a:65536", b":1")
        ),
        refused("CONNECT", head(first=b"CONNECT a:443 HTTP/1.1", host=b"Host: a:443"), 501),
        refused("absolute form against Host", head(first=b"GET http://b/ HTTP/1.1")),
        refused("absolute form without Host", head(first=b"GET http://a/ HTTP/1.1", host=b"")),
        refused("two spaces before the target", head(first=b"GET  / HTTP/1.1")),
        refused("two spaces before the version", head(first=b"GET /  HTTP/1.1")),
        refused("tab before the target", head(first=b"GET\t/ HTTP/1.1")),
        refused("tab before the version", head(first=b"GET /\tHTTP/1.1")),
        # 8
        *(refused(f"host {host!r}", head(host=b"Host: " + host)) for host in WRONG_HOSTS),
        *(served(f"good host {host!r}", head(host=b"Host: " + host), ("GET /", b"")) for host in GOOD_HOSTS),
        refused("no host", head(host=b"")),
        Case("no host in HTTP/1.0", head(first=b"GET / HTTP/1.0", host=b""), (200,), (("GET /", b""),)),
        refused("wrong host in HTTP/1.0", head(first=b"GET / HTTP/1.0", host=b"Host: a/b")),
        # 9
        *(refused(f"version {version!r}", head(first=b"GET / " + version)) for version in WRONG_VERSIONS),
        *(refused(f"version {version!r}", head(first=b"GET / " + version), 505) for version in UNKNOWN_VERSIONS),
        refused("no version", b"GET /\r\n\r\n"),
        refused("no target", b"GET\r\n\r\n"),
        refused("no preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n", 505),
        Case("HTTP/1.0", head(first=b"GET / HTTP/1.0"), (200,), (("GET /", b""),)),
        served("HTTP/1.0 keep-alive", head(b"Connection: keep-alive", first=b"GET / HTTP/1.0"), ("GET /", b"")),
        Case("close", head(b"Connection: close") + head(), (200,), (("GET /", b""),)),
        Case("close in a list", head(b"Connection: x, CLOSE ,y") + head(), (200,), (("GET /", b""),)),
        Case("close in a second", head(b"Connection: x", b"Connection: close") + head(), (200,), (("GET /", b""),)),
        # 10
        *(refused(f"method {method!r}", head(first=method + b" / HTTP/1.1")) for method in WRONG_METHODS),
        *(
            served(f"good method {method!r}", head(first=method + b" / HTTP/1.1"), (f"{method.decode()} /", b""))
            for method in GOOD_METHODS
        ),
        refused("method of 33 bytes", head(first=b"A" * 33 + b" / HTTP/1.1"), 501),
        refused("method of 8000 bytes", head(first=b"A" * 8000 + b" / HTTP/1.1"), 501),
        refused("method of 9000 bytes", head(first=b"A" * 9000 + b" / HTTP/1.1"), 414),
    ]
)  # fmt: skip
