"""The shared policy by itself: authorities, targets, framing, fields, dates, settings; both twins of what has two."""

from __future__ import annotations

import pytest
from asteri_core.api import LocalProtocolError, RemoteProtocolError
from asteri_http.date import DateCache
from asteri_http.fields import TRAILERS_KEPT, TRAILERS_REFUSED, Role, check_trailers, options, response_role
from asteri_http.settings import HttpSettings
from asteri_http.status import PHRASES, WITHOUT_CONTENT, phrase


@pytest.mark.parametrize(
    ("name", "value", "role"),
    [
        (b"x", b"", Role.PLAIN),
        (b"X", b"a\tb \xff", Role.PLAIN),
        (b"Date", b"x", Role.DATE),
        (b"SERVER", b"x", Role.SERVER),
        (b"content-length", b"5", Role.CONTENT_LENGTH),
        (b"Connection", b"close", Role.CONNECTION),
        (b"transfer-encoding", b"chunked", Role.TRANSFER_ENCODING),
        (b"Keep-Alive", b"timeout=1", Role.HOP),
    ],
)
def test_a_response_field_has_a_role_and_keeps_it_when_asked_again(policy, name, value, role):
    assert [policy.response_role(name, value), policy.response_role(name, value)] == [role, role]


@pytest.mark.parametrize("byte", [byte for byte in range(256) if byte not in b"\t" and (byte < 32 or byte == 127)])
def test_a_control_byte_in_a_response_value_is_refused_each_time(policy, byte):
    for _ in range(2):
        with pytest.raises(LocalProtocolError):
            policy.response_role(b"x", b"a%cb" % byte)


@pytest.mark.parametrize("name", [b"", b" x", b"x ", b"x:", b"x\r\n", b"\xe9", b"x\x00", b"a b", b"(x)"])
def test_a_response_name_that_is_no_token_is_refused(policy, name):
    with pytest.raises(LocalProtocolError):
        policy.response_role(name, b"y")


@pytest.mark.parametrize("name", ["x", None, 5])
def test_a_response_name_that_is_not_bytes_is_refused(name):
    with pytest.raises(LocalProtocolError):
        response_role(name, b"y")


def test_ten_thousand_different_fields_leave_no_more_than_a_few_behind():
    from asteri_http import fields

    for number in range(10000):
        response_role(b"x", b"%d" % number)
    assert len(fields._CHECKED) <= 512
    response_role(b"x", b"large" * 100)
    assert (b"x", b"large" * 100) not in fields._CHECKED


def test_trailers_that_are_kept_may_be_sent():
    assert not TRAILERS_KEPT & TRAILERS_REFUSED
    check_trailers([(name, b"x") for name in TRAILERS_KEPT])


@pytest.mark.parametrize("name", sorted(TRAILERS_REFUSED))
def test_fields_of_the_head_are_no_trailers(policy, name):
    assert not policy.keeps_trailer(name)
    assert policy.refuses_trailer(name.title())
    with pytest.raises(LocalProtocolError):
        check_trailers([(name.title(), b"x")])


@pytest.mark.parametrize(
    ("name", "kept"),
    [(b"x-a", True), (b"x_a", False), (b"proxy", False), (b"proxy-authorization", True), (b"_", False)],
)
def test_names_that_pass_for_others_are_not_kept(policy, name, kept):
    assert policy.keeps_field(name) is kept


def test_options_are_read_in_lower_case_without_empty_members():
    assert options(b" Close ,, keep-ALIVE\t,") == [b"close", b"keep-alive"]


@pytest.mark.parametrize(
    ("value", "length"), [(b"0", 0), (b"007", 7), (b"0" * 19, 0), (b"9223372036854775807", 2**63 - 1)]
)
def test_a_content_length_is_digits(policy, value, length):
    assert policy.read_content_length(value) == length


@pytest.mark.parametrize("value", [b"9223372036854775808", b"9" * 19])
def test_a_content_length_that_a_reader_behind_us_could_not_hold_is_too_large(policy, value):
    with pytest.raises(RemoteProtocolError) as caught:
        policy.read_content_length(value)
    assert caught.value.status == 413


@pytest.mark.parametrize("value", [b"", b"+1", b"-1", b" 1", b"1 ", b"1_0", b"0x1", b"1,1", b"1" * 20, b"\xb9", b"1\n"])
def test_anything_else_is_no_content_length(policy, value):
    with pytest.raises(RemoteProtocolError) as caught:
        policy.read_content_length(value)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("value", "version", "status"),
    [
        (b"chunked", "1.0", 400), (b"gzip", "1.1", 501), (b"gzip, chunked", "1.1", 501),
        (b"chunked, gzip", "1.1", 400), (b"chunked;a", "1.1", 400), (b"chunked\n", "1.1", 400),
    ],
)  # fmt: skip
def test_only_chunked_alone_is_a_transfer_encoding(policy, value, version, status):
    policy.check_transfer_encoding(b"Chunked", "1.1")
    with pytest.raises(RemoteProtocolError) as caught:
        policy.check_transfer_encoding(value, version)
    assert caught.value.status == status


@pytest.mark.parametrize(
    "value",
    [
        b"", b":80", b"a:b", b"a:99999", b"a:123456", b"a b", b"a/b", b"a?b", b"a#b", b"u@a", b"a,b", b"a%41", b"[::1",
        b"::1]", b"[]", b"[::1]a", b"[g::]", b"[1:2:3]", b"a\x00", b"a\n", b"\xc3\xa9", b"a" * 256, b"a\\b", b'"a"',
        b"<a>", b"a|b", b"[::1%25eth0]",
    ],
)  # fmt: skip
def test_an_authority_is_a_host_and_perhaps_a_port(policy, value):
    with pytest.raises(RemoteProtocolError) as caught:
        policy.check_authority(value)
    assert caught.value.status == 400


def test_the_target_and_the_host_field_agree_without_regard_to_case(policy):
    assert policy.check_host(b"A:80", b"a:80") == b"A:80"
    assert policy.check_host(b"", b"a") == b"a"
    assert policy.check_host(b"a", None) == b"a"
    assert policy.check_host(b"", None) == b""
    for host in (b"a:81", b"b", b"a"):
        with pytest.raises(RemoteProtocolError):
            policy.check_host(b"a:80", host)


@pytest.mark.parametrize("target", [b"123", b"a", b"a:", b"[::1]", b"[v1.a:1]"])
def test_connect_names_a_host_and_a_port(policy, target):
    assert policy.read_target("CONNECT", b"a:1") == (b"", b"", b"a:1")
    with pytest.raises(RemoteProtocolError, match="CONNECT needs host:port"):
        policy.read_target("CONNECT", target)


@pytest.mark.parametrize("byte", [byte for byte in range(256) if not 0x20 < byte < 0x7F or byte == 0x23])
def test_a_raw_byte_in_a_target_is_refused(policy, byte):
    for target in (b"/a%cb", b"/?a%cb", b"/%%41%c", b"http://a/%c"):
        with pytest.raises(RemoteProtocolError):
            policy.read_target("GET", target % byte)


def test_a_date_is_made_once_a_second():
    walls = [0.0, 0.9, 1.0, 1.5, 0.5]
    cache = DateCache(lambda: walls.pop(0))
    first, again, next_second, same, stepped_back = [cache.value() for _ in range(5)]
    assert first == b"Thu, 01 Jan 1970 00:00:00 GMT"
    assert again is first
    assert next_second == b"Thu, 01 Jan 1970 00:00:01 GMT"
    assert same is next_second
    assert stepped_back == first


def test_phrases_are_those_of_rfc_9110():
    assert [phrase(status) for status in (200, 413, 414, 422, 431, 299)] == [
        b"OK", b"Content Too Large", b"URI Too Long", b"Unprocessable Content", b"Request Header Fields Too Large", b"",
    ]  # fmt: skip
    assert set(PHRASES) >= WITHOUT_CONTENT


def test_settings_have_the_documented_defaults():
    assert HttpSettings() == HttpSettings(
        keep_alive=5,
        header_timeout=10,
        body_timeout=30,
        body_min_rate=240,
        limit_request_line=8190,
        limit_request_fields=100,
        limit_request_field_size=8190,
        limit_request_head=65536,
        limit_request_body=104857600,
        server_header="asteri",
        date_header=True,
        root_path="",
    )


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("server_header", ["a\r\nX: y", "\x00", "é"], {"": "", "a/1 b": "a/1 b"}),
        ("root_path", ["api", "/api/", "/", "/a?b", "/a#b"], {"": "", "/api": "/api", "/a/b": "/a/b"}),
    ],
)
def test_checked_settings_refuse_what_would_break_a_response(name, bad, good):
    (check,) = [
        field.metadata["asteri.setting"].check
        for field in HttpSettings.__dataclass_fields__.values()
        if field.name == name
    ]
    for value in bad:
        with pytest.raises(ValueError, match="expected"):
            check(value)
    for value, kept in good.items():
        assert check(value) == kept
