"""Whatever is asked, the C policy answers as the Python one: the same result, or the same error in the same words."""

from __future__ import annotations

import ipaddress
import random

import pytest
from asteri_core.api import LocalProtocolError, RemoteProtocolError
from asteri_http.fields import TRAILERS_KEPT, TRAILERS_REFUSED

NAMES = [
    b"", b"x", b"X-A", b"x_a", b"_", b"proxy", b"Proxy", b"proxy-authorization", b"te", b"TE", b"Date", b"server",
    b"Content-Length", b"connection", b"Transfer-Encoding", b"keep-alive", b"Proxy-Connection", b"connections",
    b"dat\xc5", b"x-", b"x-a_b", b"X-a", b"a b", b"a:", b"\xc4ate", b"d\x41te", *TRAILERS_KEPT, *TRAILERS_REFUSED,
    *(name.title() for name in TRAILERS_REFUSED), *(bytes([byte]) for byte in range(256)),
]  # fmt: skip
VALUES = [
    b"",
    b"a",
    b"a\tb",
    b" a ",
    b"\xff" * 20,
    b"a\r\nb: c",
    b"a\x00",
    b"\x7f",
    *(b"a%cb" % byte for byte in range(256)),
]
AUTHORITIES = [
    b"", b":", b":80", b"a", b"a:", b"a:0", b"a:65535", b"a:65536", b"a:99999", b"a:000001", b"a:123456", b"a:1:2",
    b"a:b", b"a:+1", b"a: 1", b"u@a", b"a,b", b"a%41", b"A.b-c_d~e!$&'()*+;=", b"a" * 255, b"a" * 256,
    b"a" * 255 + b":1", b"a" * 300 + b"/", b"127.0.0.1", b"\xe9", b"a\n", b"a\x00", b"a/", b"a?", b"a#", b"a\\", b"[",
    b"[]", b"[]:1", b"[:]", b"[::]", b"[::1]", b"[::1]:80", b"[::1]:65536", b"[::1]a", b"[::1]:a", b"[::1", b"::1]",
    b"[[::1]]", b"[1::2::3]", b"[1:2:3:4:5:6:7:8]", b"[1:2:3:4:5:6:7]", b"[1:2:3:4:5:6:7:8:9]", b"[1:2:3:4:5:6:7::]",
    b"[::2:3:4:5:6:7:8]", b"[1::3:4:5:6:7:8]", b"[1:2:3:4::5:6:7:8]", b"[:1:2:3:4:5:6:7:8]", b"[:1::2]",
    b"[1:2:3:4:5:6:7:8:]", b"[1::2:]", b"[:::]", b"[1:::2]", b"[12345::]", b"[00001::]", b"[g::]", b"[AbCd::eF]",
    b"[::1.2.3.4]", b"[::1.2.3]", b"[::1.2.3.4.5]", b"[::1.2.3.256]", b"[::01.2.3.4]", b"[::00.2.3.4]", b"[::0.0.0.0]",
    b"[::1.2.3.4:5]", b"[1.2.3.4]", b"[1.2.3.4::]", b"[1:2:3:4:5:6:1.2.3.4]", b"[1:2:3:4:5:1.2.3.4]",
    b"[1:2:3:4:5:6:7:1.2.3.4]", b"[::2:3:4:5:6:1.2.3.4]", b"[::2:3:4:5:6:7:1.2.3.4]", b"[::a.2.3.4]",
    b"[::1.2.3.4444]", b"[::1..2.3]", b"[::.1.2.3]", b"[::1.2.3.]", b"[::" + b"0" * 43 + b"]",
    b"[::" + b"0" * 44 + b"]", b"[::1%25eth0]", b"[v1.a]", b"[V1F.a:b,c]:1", b"[v.a]", b"[v1.]", b"[v1a]",
    b"[v123456789.a]", b"[v12345678.a]", b"[vg.a]", b"[v1." + b"a" * 64 + b"]", b"[v1." + b"a" * 65 + b"]", b"[v1.a",
    b"[v", b"[v1", b"[v1.%41]", b"[v1.a]b", b"[v1.]]",
]  # fmt: skip
TARGETS = [
    b"", b"/", b"//", b"/a", b"/a?b", b"/?", b"/??", b"/a?b?c", b"?", b"*", b"**", b"/*", b"a", b"a:80", b"a:", b"123",
    b"[::1]", b"[::1]:80", b"/%", b"/%4", b"/%41", b"/%4g", b"/%g4", b"/%00", b"/%0", b"/%000", b"/%2500", b"/a#b",
    b"#", b"/%#", b"/#%", b"/\"<>\\^`{|}", b"/\x00", b"/\x7f", b"/\xe9", b"/ ", b"/%41%", b"/%41%zz", b"http:",
    b"http:/", b"http://", b"http:///", b"http://a", b"HTTP://A", b"https://a/b?c", b"httpS://a?b", b"http://a?",
    b"http://a/?", b"http://a:80/", b"http://a:99999/", b"http://u@a/", b"http://a,b/", b"http://[::1]/x",
    b"http://[::1/x", b"httpss://a/", b"httpx://a/", b"ftp://a/", b"xhttp://a/", b"http//a", b"http:a/",
    b"/" + b"a" * 300, b"a" * 300, b"http://" + b"a" * 300 + b"/", b"http://a/%00", b"http://a#b", b"https:",
    b"https:/", b"https://", b"https:/a", b"*?a", b"http://a*", b"\xe9",
]  # fmt: skip
METHODS = ["GET", "OPTIONS", "CONNECT", "options", "CONNECTS"]
LENGTHS = [
    b"", b"0", b"5", b"007", b"0" * 19, b"0" * 20, b"9" * 18, b"9" * 19, b"9" * 20, b"9" * 100, b"9223372036854775807",
    b"9223372036854775808", b"18446744073709551615", b"18446744073709551616", b"+1", b"-1", b" 1", b"1 ", b"1a", b"a1",
    b"1,1", b"1_0", b"0x1", b"\xb9", b"1\n", b"1\x00",
]  # fmt: skip
CODINGS = [
    b"", b",", b"chunked", b"Chunked", b"CHUNKED", b"chunked,", b",chunked", b"chunked,chunked", b"chunked, gzip",
    b"gzip, chunked", b"gzip,chunked", b"gzip \t, \tchunked", b"gzip", b"gzip ", b" gzip", b"gzip,,chunked",
    b"gzip chunked", b"chunked;q=1", b"chunked\x0b", b"\xa0chunked", b"identity", b"a,CHUNKED,b", b"chunkedx",
    b"chunke", b"a" * 100, b"(" * 100, b"chunked," * 20 + b"a", b"gzip,chunked ", b"chunked\x00", b"x-chunked, a",
]  # fmt: skip
LISTS = [
    b"", b",", b" ", b"close", b"Close", b" close ", b"\tclose\t,", b"x,close", b"x, CLOSE ,y", b"closed", b"clos",
    b"close x", b"x close", b"close;x", b"clo,se", b",,close,,", b"\x0bclose", b"close\x00", b"keep-alive, close",
    b"\xc3lose", b"c", b"lose,close",
]  # fmt: skip


def calls() -> list[tuple[str, tuple[object, ...]]]:
    """Everything that is asked."""
    found: list[tuple[str, tuple[object, ...]]] = []
    for name in NAMES:
        found += [(question, (name,)) for question in ("keeps_field", "keeps_trailer", "refuses_trailer")]
        found.append(("response_role", (name, b"a")))
    for value in VALUES:
        found += [("is_value", (value,)), ("response_role", (b"X-Name", value))]
    found += [("check_authority", (value,)) for value in AUTHORITIES]
    found += [("read_target", (method, target)) for method in METHODS for target in TARGETS + AUTHORITIES]
    found += [("read_content_length", (value,)) for value in LENGTHS]
    found += [("check_transfer_encoding", (value, version)) for value in CODINGS for version in ("1.1", "1.0")]
    found += [("has_option", (value, member)) for value in LISTS for member in (b"close", b"keep-alive")]
    for target in [b"", b"a", b"A", b"a:80", b"a" * 255]:
        found += [("check_host", (target, host)) for host in [None, *AUTHORITIES]]
    return found


def outcome(policy: object, question: str, arguments: tuple[object, ...]) -> object:
    try:
        return getattr(policy, question)(*arguments)
    except (LocalProtocolError, RemoteProtocolError) as error:
        return type(error), str(error), getattr(error, "status", None)


QUESTIONS = sorted({question for question, _ in calls()})


@pytest.mark.parametrize("question", QUESTIONS)
def test_both_twins_say_the_same(python_policy, native_policy, question):
    for _, arguments in (call for call in calls() if call[0] == question):
        expected = outcome(python_policy, question, arguments)
        assert outcome(native_policy, question, arguments) == expected, arguments


def test_an_address_in_brackets_is_judged_as_the_standard_library_does(native_policy):
    chance = random.Random(1)
    groups = ["0", "1", "ffff", "12345", "", "", ":", "1.2.3.4", "01", "255.255.255.255", "256.1.1.1", "g"]
    seen = set()
    for _ in range(30000):
        text = ":".join(chance.choices(groups, weights=[9, 9, 9, 1, 3, 3, 1, 2, 2, 1, 1, 1], k=chance.randint(1, 9)))
        try:
            ipaddress.IPv6Address(text)
            good = len(text) <= 45
        except ValueError:
            good = False
        refused = isinstance(outcome(native_policy, "check_authority", (b"[%b]" % text.encode(),)), tuple)
        assert refused is not good, text
        seen.add(good)
    assert seen == {True, False}


def test_random_bytes_are_judged_alike(python_policy, native_policy):
    chance = random.Random(2)
    alphabet = b'/?#%*:.@[]vV,;= \t\x00\xe9aAfF0159httpchunkedclose"-_'
    for _ in range(5000):
        data = bytes(chance.choices(alphabet, k=chance.randint(0, 20)))
        for question, arguments in (
            ("check_authority", (data,)),
            ("read_target", ("GET", b"/" + data)),
            ("read_target", ("OPTIONS", b"http://" + data)),
            ("read_content_length", (data,)),
            ("check_transfer_encoding", (data, "1.1")),
            ("has_option", (data, b"close")),
            ("response_role", (data, data)),
        ):
            expected = outcome(python_policy, question, arguments)
            assert outcome(native_policy, question, arguments) == expected, (question, arguments)
