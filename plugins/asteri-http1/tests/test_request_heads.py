"""Request heads: what is refused, with which status, and that neither the application nor a later request ever runs."""

from __future__ import annotations

import pytest

GOOD = b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n"


def head(*lines: bytes, request_line: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: a") -> bytes:
    return b"\r\n".join([line for line in (request_line, host, *lines) if line]) + b"\r\n\r\n"


def request(line: bytes) -> bytes:
    return head(request_line=line)


REFUSED: dict[str, tuple[bytes, int]] = {
    # 5. lines and bytes
    "bare LF after the request line": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    "bare LF after a field": (b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
    "bare LF as the last line": (b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    "bare CR after the request line": (b"GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
    "bare CR in a value": (head(b"X: a\rb"), 400),
    "CR CR LF": (b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400),
    "bare CR as the last line": (b"GET / HTTP/1.1\r\nHost: a\r\n\rX", 400),
    "folded line": (head(b"X: a", b" b"), 400),
    "folded line with a tab": (head(b"X: a", b"\tb"), 400),
    "white space before the first field": (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    "space before the colon": (head(b"X : a"), 400),
    "tab before the colon": (head(b"X\t: a"), 400),
    "space before the colon of Content-Length": (head(b"Content-Length : 5"), 400),
    "empty field name": (head(b": a"), 400),
    "field without a colon": (head(b"X"), 400),
    "two empty lines first": (b"\r\n\r\n" + head(), 400),
    "bare LF first": (b"\n" + head(), 400),
    "space first": (b" " + head(), 400),
    "TLS ClientHello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "SSH": (b"SSH-2.0-OpenSSH_9.6\r\n", 400),
    # 9. versions
    "no version": (b"GET /\r\n\r\n", 400),
    "no target": (b"GET\r\n\r\n", 400),
    "space behind the version": (request(b"GET / HTTP/1.1 "), 400),
    "two digits": (request(b"GET / HTTP/01.1"), 400),
    "minor of two digits": (request(b"GET / HTTP/1.10"), 400),
    "version in lower case": (request(b"GET / http/1.1"), 400),
    "comma": (request(b"GET / HTTP/1,1"), 400),
    "HTTPS": (request(b"GET / HTTPS/1.1"), 400),
    "0.9": (request(b"GET / HTTP/0.9"), 505),
    "1.2": (request(b"GET / HTTP/1.2"), 505),
    "2.0": (request(b"GET / HTTP/2.0"), 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "two spaces before the target": (request(b"GET  / HTTP/1.1"), 400),
    "two spaces before the version": (request(b"GET /  HTTP/1.1"), 400),
    "tab instead of the space": (request(b"GET\t/ HTTP/1.1"), 400),
    # 10. methods
    "method with a slash": (request(b"G/T / HTTP/1.1"), 400),
    "method with a colon": (request(b"GET: / HTTP/1.1"), 400),
    "method with a raw byte": (request(b"G\xc9T / HTTP/1.1"), 400),
    "method of 33 bytes": (request(b"A" * 33 + b" / HTTP/1.1"), 501),
    # 7. targets
    "authority form for GET": (request(b"GET a:80 HTTP/1.1"), 400),
    "asterisk for GET": (request(b"GET * HTTP/1.1"), 400),
    "fragment": (request(b"GET /a#b HTTP/1.1"), 400),
    "raw non-ASCII": (request(b"GET /\xc3\xa9 HTTP/1.1"), 400),
    "control byte in the target": (request(b"GET /\x01 HTTP/1.1"), 400),
    "DEL in the target": (request(b"GET /\x7f HTTP/1.1"), 400),
    "%00": (request(b"GET /%00 HTTP/1.1"), 400),
    "%00 in the query": (request(b"GET /?a=%00 HTTP/1.1"), 400),
    "incomplete percent-encoding": (request(b"GET /%4 HTTP/1.1"), 400),
    "no path": (request(b"GET a HTTP/1.1"), 400),
    "unknown scheme": (request(b"GET ftp://a/ HTTP/1.1"), 400),
    "absolute form of another host": (request(b"GET http://b/ HTTP/1.1"), 400),
    "absolute form without a host": (request(b"GET http:/// HTTP/1.1"), 400),
    "absolute form with user information": (head(request_line=b"GET http://u@a/ HTTP/1.1", host=b"Host: u@a"), 400),
    "CONNECT with a path": (request(b"CONNECT / HTTP/1.1"), 400),
    "CONNECT without a port": (request(b"CONNECT a HTTP/1.1"), 400),
    "CONNECT": (head(request_line=b"CONNECT a:443 HTTP/1.1", host=b"Host: a:443"), 501),
    # 8, 4. Host
    "no Host": (head(host=b"X: a"), 400),
    "empty Host": (head(host=b"Host:"), 400),
    "two Host": (head(b"Host: a"), 400),
    "two Host in different case": (head(b"hOST: b"), 400),
    "Host with a path": (head(host=b"Host: a/b"), 400),
    "Host with user information": (head(host=b"Host: u@a"), 400),
    "Host with a space": (head(host=b"Host: a b"), 400),
    "Host with a comma": (head(host=b"Host: a,b"), 400),
    "Host with a percent sign": (head(host=b"Host: a%2eb"), 400),
    "Host with a letter as port": (head(host=b"Host: a:b"), 400),
    "Host with port 65536": (head(host=b"Host: a:65536"), 400),
    "Host with two colons": (head(host=b"Host: a:1:2"), 400),
    "Host as bare IPv6": (head(host=b"Host: ::1"), 400),
    "Host with an unclosed bracket": (head(host=b"Host: [::1"), 400),
    "Host with a wrong IPv6": (head(host=b"Host: [1::2::3]"), 400),
    "Host with a raw byte": (head(host=b"Host: \xe9"), 400),
    "HTTP/1.0 with two Host": (head(b"Host: a", request_line=b"GET / HTTP/1.0"), 400),
    # 2. Content-Length
    **{
        f"Content-Length {value!r}": (head(b"Content-Length:" + value) + b"hello", 400)
        for value in (
            b"+5", b"-5", b"5_0", b"0x5", b"5, 5", b"5,5", b"5 5", b"", b"5;", b"five", b"5.0", b"1e1", b"\xb2",
            b"\xd9\xa5", b"0" * 23, b"9" * 23, b"9" * 20,
        )
    },
    "two equal Content-Length": (head(b"Content-Length: 5", b"Content-Length: 5") + b"hello", 400),
    "two different Content-Length": (head(b"Content-Length: 5", b"Content-Length: 6") + b"hello!", 400),
    "Content-Length above the limit": (head(b"Content-Length: 104857601"), 413),
    "Content-Length of 19 digits": (head(b"Content-Length: 9223372036854775808"), 413),
    # 3. both
    "both": (head(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
    "both, the other way round": (head(b"Transfer-Encoding: chunked", b"Content-Length: 5") + b"0\r\n\r\n", 400),
    "both, with HTTP/1.0": (
        head(b"Transfer-Encoding: chunked", b"Content-Length: 5", request_line=b"POST / HTTP/1.0") + b"0\r\n\r\n",
        400,
    ),
    "Transfer-Encoding with HTTP/1.0": (
        head(b"Transfer-Encoding: chunked", request_line=b"POST / HTTP/1.0") + b"0\r\n\r\n",
        400,
    ),
    "two Content-Type": (head(b"Content-Type: a/b", b"Content-Type: a/b"), 400),
    # 14. expectations
    "unknown expectation": (head(b"Expect: 200-ok"), 417),
    "two expectations": (head(b"Expect: 100-continue, x", b"Content-Length: 1") + b"x", 417),
    # 23. limits
    "too many fields": (head(*[b"X: a"] * 100), 431),
    "field too long": (head(b"X: " + b"a" * 8188), 431),
    "target too long": (request(b"GET /" + b"a" * 8180 + b" HTTP/1.1"), 414),
    "method without an end": (b"G" * 8193, 414),
    "name without an end": (b"GET / HTTP/1.1\r\n" + b"X" * 8193, 431),
    "too large a head": (head(*[b"X: " + b"a" * 8000] * 9), 431),
}  # fmt: skip

CODINGS: dict[bytes, int] = {
    **dict.fromkeys(
        [
            b"", b",", b"chunked,", b",chunked", b"chunked, chunked", b"chunked,chunked", b"chunked, gzip",
            b"chunked, identity", b"chunked;q=1", b"chunked;", b"chunked\x0b", b"\x0bchunked", b"chunked\x0c",
            b"chunked\x00", b"chunked\x80", b"\xa0chunked", b"chunked\xa0", b'"chunked"', b"'chunked' x",
            b"chunked chunked", b"gzip chunked", b"chun ked", b"chunked:", b"chunked=1", b"{chunked}", b"[chunked]",
            b"(chunked)", b"<chunked>", b"chunked/1", b"chunked\\", b"chunked@", b"chunked?", b"gzip;q=1, chunked",
            b"CHUNKED, chunked", b"chunked\t, chunked", b", , chunked", b"chunked,,", b"chunked\x7f", b"\x01chunked",
        ],
        400,
    ),
    **dict.fromkeys(
        [
            b"gzip", b"deflate", b"identity", b"compress", b"br", b"xchunked", b"chunkedx", b"chunked-", b"-chunked",
            b"gzip, chunked", b"gzip,chunked", b"identity, chunked", b"x, y, chunked", b"chunke", b"hunked",
            b"chunked1", b"1chunked", b"'chunked'", b"`chunked`", b"chunked.", b"chunked!", b"chunked*", b"cow",
            b"chunk", b"c", b"chunked_", b"chunked|", b"chunked~", b"chunked^", b"chunked$", b"#chunked", b"%chunked",
        ],
        501,
    ),
}  # fmt: skip

SMALL_LIMITS = {"limit_request_line": 40, "limit_request_field_size": 40, "limit_request_fields": 4}


def assert_refused(talk, status: int) -> None:
    assert talk.statuses == [status]
    assert talk.seen == []
    assert talk.started == []
    assert talk.closed
    assert [error.status for error in talk.failed] == [status]
    assert b"\r\nconnection: close\r\n" in talk.output


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_head_is_answered_and_the_application_sees_nothing(dialogue, name):
    data, status = REFUSED[name]
    assert_refused(dialogue().feed(data), status)
    assert_refused(dialogue().feed_all(data[index : index + 1] for index in range(len(data))), status)


@pytest.mark.parametrize("name", [name for name, (data, _) in REFUSED.items() if len(data) < 200])
def test_a_bad_head_is_refused_however_it_is_cut_and_nothing_behind_it_runs(same_for_every_cut, name):
    data, status = REFUSED[name]
    assert_refused(same_for_every_cut(data + GOOD), status)


@pytest.mark.parametrize("value", CODINGS, ids=repr)
@pytest.mark.parametrize("name", [b"Transfer-Encoding", b"transfer-encoding", b"TRANSFER-ENCODING"])
def test_a_transfer_encoding_other_than_chunked_is_refused(dialogue, name, value):
    data = head(name + b": " + value, request_line=b"POST / HTTP/1.1") + b"5\r\nhello\r\n0\r\n\r\n" + GOOD
    assert_refused(dialogue().feed(data), CODINGS[value])
    assert_refused(dialogue().feed_all(data[index : index + 1] for index in range(len(data))), CODINGS[value])


@pytest.mark.parametrize("first", [b"chunked", b"gzip", b"identity", b""])
@pytest.mark.parametrize("second", [b"chunked", b"gzip", b"identity", b""])
def test_a_second_transfer_encoding_is_refused(dialogue, first, second):
    data = head(b"Transfer-Encoding: " + first, b"Transfer-Encoding: " + second) + b"0\r\n\r\n" + GOOD
    assert_refused(dialogue().feed(data), 400)


@pytest.mark.parametrize("value", [b"chunked", b"CHUNKED", b"cHuNkEd", b" chunked", b"chunked ", b"\tchunked\t"])
def test_chunked_alone_is_the_one_transfer_encoding(same_for_every_cut, value):
    data = head(b"Transfer-Encoding:" + value, request_line=b"POST / HTTP/1.1") + b"5\r\nhello\r\n0\r\n\r\n"
    talk = same_for_every_cut(data)
    assert [seen[3] for seen in talk.seen] == [b"hello"]
    assert not talk.closed


CONTROLS = [byte for byte in range(0x20) if byte != 0x09] + [0x7F]


@pytest.mark.parametrize("byte", CONTROLS, ids=hex)
def test_a_control_byte_in_a_value_is_refused_at_that_byte(dialogue, byte):
    assert_refused(dialogue().feed(head(b"X: a%cb" % byte)), 400)
    start = b"GET / HTTP/1.1\r\nX: a"
    if byte != 0x0D:
        assert_refused(dialogue().feed_all([start, bytes([byte])]), 400)
    else:
        assert_refused(dialogue().feed_all([start, b"\r", b"b"]), 400)


NOT_TOKEN = sorted(set(range(256)) - set(b"!#$%&'*+-.^_`|~:0123456789") - set(range(65, 91)) - set(range(97, 123)))


@pytest.mark.parametrize("byte", NOT_TOKEN, ids=hex)
def test_a_byte_that_is_no_token_in_a_name_is_refused(dialogue, byte):
    assert_refused(dialogue().feed(head(b"X%cY: a" % byte)), 400)
    assert_refused(dialogue().feed(head(b"%cY: a" % byte)), 400)
    assert_refused(dialogue().feed_all([b"GET / HTTP/1.1\r\nX", b"%cY" % byte]), 400)


@pytest.mark.parametrize(
    ("line", "path", "query", "authority"),
    [
        (b"GET / HTTP/1.1", b"/", b"", b"a"),
        (b"GET /a?b=c HTTP/1.1", b"/a", b"b=c", b"a"),
        (b"GET //b/c HTTP/1.1", b"//b/c", b"", b"a"),
        (b"GET /a/../b HTTP/1.1", b"/a/../b", b"", b"a"),
        (b"GET /%C3%A9?%20 HTTP/1.1", b"/%C3%A9", b"%20", b"a"),
        (b"GET /? HTTP/1.1", b"/", b"", b"a"),
        (b"GET /?a?b HTTP/1.1", b"/", b"a?b", b"a"),
        (b"GET /{}|^\"<> HTTP/1.1", b"/{}|^\"<>", b"", b"a"),
        (b"GET /http://b/ HTTP/1.1", b"/http://b/", b"", b"a"),
        (b"GET http://a/b?c HTTP/1.1", b"/b", b"c", b"a"),
        (b"GET HTTP://A HTTP/1.1", b"/", b"", b"A"),
        (b"GET https://a?b HTTP/1.1", b"/", b"b", b"a"),
        (b"OPTIONS * HTTP/1.1", b"*", b"", b"a"),
        (b"OPTIONS http://a HTTP/1.1", b"*", b"", b"a"),
        (b"OPTIONS /a HTTP/1.1", b"/a", b"", b"a"),
        (b"M-SEARCH /a HTTP/1.1", b"/a", b"", b"a"),
        (b"get /a HTTP/1.1", b"/a", b"", b"a"),
        (b"A" * 32 + b" /a HTTP/1.1", b"/a", b"", b"a"),
    ],
)  # fmt: skip
def test_a_target_is_split(same_for_every_cut, line, path, query, authority):
    talk = same_for_every_cut(request(line))
    assert talk.statuses == [200]
    exchange = talk.started[0]
    method, target, _ = line.split(b" ")
    assert (exchange.method.encode(), exchange.target) == (method, target)
    assert (exchange.raw_path, exchange.query, exchange.authority) == (path, query, authority)
    assert not talk.closed


@pytest.mark.parametrize(
    "host",
    [
        b"a",
        b"a:",
        b"a:0",
        b"a:65535",
        b"A.b-c_d~e",
        b"127.0.0.1:80",
        b"[::1]",
        b"[::1]:80",
        b"[v1.a:b]",
        b"a.",
        b"a!$&'()*+;=",
    ],
)
def test_a_host_is_taken_as_it_is(dialogue, host):
    talk = dialogue().feed(head(host=b"Host: " + host))
    assert talk.statuses == [200]
    assert talk.started[0].authority == host


def test_names_are_lower_case_and_values_without_the_space_around_them(same_for_every_cut):
    talk = same_for_every_cut(head(b"X-ABC:  a b \t", b"accept:*/*", b"X-Empty:", b"X-Blank:  ", b"X-High: \xe9\xff"))
    assert talk.started[0].headers == [
        (b"host", b"a"),
        (b"x-abc", b"a b"),
        (b"accept", b"*/*"),
        (b"x-empty", b""),
        (b"x-blank", b""),
        (b"x-high", b"\xe9\xff"),
    ]


def test_fields_of_one_name_stay_apart_and_in_order(dialogue):
    talk = dialogue().feed(head(b"X: 1", b"Y: 2", b"X: 3", b"Cookie: a=b", b"Cookie: c=d"))
    assert talk.started[0].headers[1:] == [
        (b"x", b"1"), (b"y", b"2"), (b"x", b"3"), (b"cookie", b"a=b"), (b"cookie", b"c=d"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "field",
    [
        b"X_Real_IP: 1", b"X_Forwarded-For: 1", b"Script_Name: /a", b"PATH_INFO: /a", b"Remote_User: root",
        b"Content_Length: 5", b"Transfer_Encoding: chunked", b"_: 1", b"Proxy: http://b/", b"pROXY: b", b"Host_: b",
    ],
)  # fmt: skip
def test_a_field_that_could_pass_for_another_one_is_dropped(dialogue, field):
    talk = dialogue().feed(head(field, b"X: kept"))
    assert talk.statuses == [200]
    assert talk.started[0].headers == [(b"host", b"a"), (b"x", b"kept")]
    assert not talk.started[0].has_body


def test_one_empty_line_before_a_request_is_skipped(same_for_every_cut):
    assert same_for_every_cut(b"\r\n" + head() + b"\r\n" + head()).statuses == [200, 200]


def test_the_same_head_again_gives_a_list_of_its_own(dialogue):
    talk = dialogue().feed(head())
    talk.started[0].headers.append((b"x", b"1"))
    assert talk.feed(head()).started[1].headers == [(b"host", b"a")]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request(b"GET /" + b"a" * 26 + b" HTTP/1.1"), 200),  # a line of 40 bytes
        (request(b"GET /" + b"a" * 27 + b" HTTP/1.1"), 414),
        (head(b"X: " + b"a" * 37), 200),  # a field of 40 bytes
        (head(b"X: " + b"a" * 38), 431),
        (head(*[b"X: a"] * 3), 200),  # 4 fields with Host
        (head(*[b"X: a"] * 4), 431),
    ],
)
def test_limits_hold_to_the_byte(same_for_every_cut, data, status):
    assert same_for_every_cut(data, **SMALL_LIMITS).statuses == [status]


@pytest.mark.parametrize(("size", "status"), [(119, 200), (120, 200), (121, 431)])
def test_the_limit_of_the_whole_head_holds_to_the_byte(same_for_every_cut, size, status):
    data = head(b"X: %b" % (b"a" * (size - len(head(b"X: ")))))
    assert len(data) == size
    assert same_for_every_cut(data, limit_request_head=120).statuses == [status]


def test_a_limit_before_a_bad_byte_wins_however_it_is_cut(same_for_every_cut):
    assert_refused(same_for_every_cut(b"G" * 50 + b"\x00", **SMALL_LIMITS), 414)
    assert_refused(same_for_every_cut(b"G" * 42 + b"\x00", **SMALL_LIMITS), 400)


def test_the_answer_to_a_bad_head_request_has_no_content(dialogue):
    for start in (b"", b"\r\n"):
        talk = dialogue().feed(start + b"HEAD / HTTP/1.1\r\n\r\n")
        assert talk.statuses == [400]
        assert talk.output.endswith(b"\r\n\r\n")


def test_the_answer_to_a_bad_request_shows_nothing_of_it(dialogue):
    talk = dialogue().feed(request(b"GET /<script>#x HTTP/1.1"))
    assert talk.output.endswith(b"\r\n\r\n400 Bad Request\n")


def test_twice_the_head_takes_no_more_than_about_twice_the_steps(dialogue):
    """Linear time, measured in executed lines instead of seconds: a clock would make the test depend on the machine."""
    import sys

    def steps(size: int) -> int:
        data = head(*[b"X-%d: %b" % (index, b"a" * 100) for index in range(size)])
        talk = dialogue(limit_request_fields=10000, limit_request_head=1 << 20)
        count = 0

        def trace(frame, event, argument):
            nonlocal count
            count += 1
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            talk.feed_all(data[index : index + 7] for index in range(0, len(data), 7))
        finally:
            sys.settrace(before)
        assert talk.statuses == [200]
        return count

    assert steps(40) < 2.5 * steps(20)
