"""Formats of the access log: what each atom says, what is refused, and that no client can forge a line."""

from __future__ import annotations

import base64
import json
import os
import re
from typing import Any

import pytest
from asteri_core.api import ConfigurationError
from asteri_core.logs.formats import compile_format
from asteri_core.sansio.connection import Peer

WALL = 1738328136.25  # 2025-01-31 12:55:36.25 UTC


def basic(user: bytes) -> tuple[bytes, bytes]:
    return b"authorization", b"Basic " + base64.b64encode(user + b":secret")


CASES = {
    "h": ("%(h)s", {}, "192.0.2.1"),
    "h v6": ("%(h)s", {"peer": Peer(("2001:db8::1", 1), ("::1", 80))}, "2001:db8::1"),
    "h of an unnamed unix socket": ("%(h)s", {"peer": Peer("", "/run/app.sock")}, "-"),
    "h of a named unix socket": ("%(h)s", {"peer": Peer("/run/client", "/run/app.sock")}, "/run/client"),
    "l": ("%(l)s", {}, "-"),
    "u without credentials": ("%(u)s", {}, "-"),
    "u": ("%(u)s", {"headers": [basic(b"alice")]}, "alice"),
    "u of another scheme": ("%(u)s", {"headers": [(b"authorization", b"Bearer YWJjOg==")]}, "-"),
    "u that is not base64": ("%(u)s", {"headers": [(b"authorization", b"Basic a")]}, "-"),
    "r": ("%(r)s", {}, "GET /path?query=1 HTTP/1.1"),
    "r of HTTP/2": ("%(r)s", {"version": "2"}, "GET /path?query=1 HTTP/2"),
    "m": ("%(m)s", {"method": "PURGE"}, "PURGE"),
    "U": ("%(U)s", {}, "/path"),
    "U absolute form": ("%(U)s", {"target": b"http://example.org/a/b?c"}, "/a/b"),
    "U absolute form without path": ("%(U)s", {"target": b"http://example.org"}, "/"),
    "U with a URL in the query": ("%(U)s", {"target": b"/go?to=http://example.org/a"}, "/go"),
    "U asterisk form": ("%(U)s", {"target": b"*"}, "*"),
    "q": ("%(q)s", {}, "query=1"),
    "q absent": ("%(U)s?%(q)s", {"target": b"/"}, "/?"),
    "H": ("%(H)s", {"version": "1.0"}, "HTTP/1.0"),
    "s": ("%(s)s", {"status": 404}, "404"),
    "s without an answer": ("%(s)s", {"status": 0}, "-"),
    "B": ("%(B)s", {"sent": 0}, "0"),
    "b": ("%(b)s", {}, "512"),
    "b empty": ("%(b)s", {"sent": 0}, "-"),
    "f": ("%(f)s", {"headers": [(b"referer", b"http://example.org/")]}, "http://example.org/"),
    "f absent": ("%(f)s", {}, "-"),
    "a": ("%(a)s", {"headers": [(b"user-agent", b"curl/8 (x)")]}, "curl/8 (x)"),
    "T": ("%(T)s", {}, "1"),
    "M": ("%(M)s", {}, "1250"),
    "D": ("%(D)s", {}, "1250000"),
    "L": ("%(L)s", {}, "1.250000"),
    "p": ("%(p)s", {}, f"<{os.getpid()}>"),
    "i": ("%({X-Token}i)s", {"headers": [(b"x-token", b"a"), (b"x-token", b"b")]}, "a, b"),
    "i absent": ("%({X-Token}i)s", {}, "-"),
    "o": ("%({content-type}o)s", {"response_headers": [(b"Content-Type", b"text/plain")]}, "text/plain"),
    "o twice": ("%({set-cookie}o)s", {"response_headers": ((b"set-cookie", b"a"), (b"set-cookie", b"b"))}, "a, b"),
    "e": ("%({ASTERI_TEST_REGION}e)s", {}, "eu 1"),
    "e absent": ("%({ASTERI_TEST_NOWHERE}e)s", {}, "-"),
    "percent": ("100%% %(m)s", {}, "100% GET"),
    "literal text": ("é\t<%(m)s>", {}, "é\t<GET>"),
}


@pytest.mark.parametrize(("format", "facts", "expected"), CASES.values(), ids=CASES.keys())
def test_atom_says(
    format: str, facts: dict[str, Any], expected: str, finished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTERI_TEST_REGION", "eu 1")
    line = compile_format(format)(finished(**facts), 1.25, WALL)
    assert line.decode() == expected + "\n"


def test_time_is_the_local_time_of_the_common_log_format_whatever_the_locale(finished: Any) -> None:
    line = compile_format("%(t)s")
    stamps = [line(finished(), 0.0, WALL + seconds).decode() for seconds in (0, 0.5, 1)]
    assert re.fullmatch(r"\[\d\d/(Jan|Feb)/2025:\d\d:\d\d:36 [+-]\d{4}\]\n", stamps[0])
    assert stamps[0] == stamps[1] != stamps[2]


def test_combined_is_common_with_referer_and_user_agent(finished: Any) -> None:
    exchange = finished(headers=[(b"referer", b"http://a/"), (b"user-agent", b"curl"), basic(b"bob")])
    common = compile_format("common")(exchange, 0.0, WALL).decode()
    combined = compile_format("combined")(exchange, 0.0, WALL).decode()
    pattern = r'192\.0\.2\.1 - bob \[[^]]+\] "GET /path\?query=1 HTTP/1\.1" 200 512\n'
    assert re.fullmatch(pattern, common)
    assert combined == common[:-1] + ' "http://a/" "curl"\n'


def test_json_has_every_fact(finished: Any) -> None:
    headers = [(b"host", b"a.example"), (b"referer", b"http://a/"), (b"user-agent", b"curl"), basic(b"bob")]
    line = compile_format("json")(finished(headers=headers), 1.25, WALL)
    assert json.loads(line) == {
        "time": "2025-01-31T12:55:36.250Z",
        "remote_addr": "192.0.2.1",
        "user": "bob",
        "method": "GET",
        "path": "/path",
        "query": "query=1",
        "protocol": "HTTP/1.1",
        "status": 200,
        "bytes": 512,
        "duration": 1.25,
        "host": "a.example",
        "referer": "http://a/",
        "user_agent": "curl",
        "pid": os.getpid(),
    }


def test_json_says_null_for_what_is_not_there(finished: Any) -> None:
    entry = json.loads(compile_format("json")(finished(status=0, peer=Peer("", "")), 0.0, WALL))
    assert [entry[key] for key in ("remote_addr", "user", "status", "host", "referer", "user_agent")] == [None] * 6


# -- forging: ATTACKS 17 ---------------------------------------------------------------------------------------------

HOSTILE = {
    "newline": (b'x\n192.0.2.9 - - [] "GET /', rb"x\x0a192.0.2.9 - - [] \x22GET /"),
    "carriage return": (b"a\rb", rb"a\x0db"),
    "escape": (b"\x1b[2J\x1b]0;title\x07", rb"\x1b[2J\x1b]0;title\x07"),
    "quote": (b'" 200 1 "', rb"\x22 200 1 \x22"),
    "backslash": (rb"\x41", rb"\x5cx41"),
    "NUL and DEL": (b"\0\x7f", rb"\x00\x7f"),
    "C1 control": (b"\x9b31m", rb"\x9b31m"),
    "UTF-8": ("é\u2028".encode(), rb"\xc3\xa9\xe2\x80\xa8"),
    "format of the log": (b"%(s)s %({cookie}i)s %s %d %%", b"%(s)s %({cookie}i)s %s %d %%"),
    "braces": (b"{0} {exchange.peer}", b"{0} {exchange.peer}"),
}


@pytest.mark.parametrize(("value", "escaped"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_header_is_escaped_in_one_line(value: bytes, escaped: bytes, finished: Any) -> None:
    exchange = finished(headers=[(b"user-agent", value)], response_headers=[(b"x", value)])
    assert compile_format('"%(a)s" "%({x}o)s"')(exchange, 0.0, WALL) == b'"%b" "%b"\n' % (escaped, escaped)


@pytest.mark.parametrize(("value", "escaped"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_user_and_target_cannot_leave_their_field(value: bytes, escaped: bytes, finished: Any) -> None:
    exchange = finished(target=value, headers=[basic(value)])
    line = compile_format("%(u)s %(r)s")(exchange, 0.0, WALL)
    user, method, target, version = line.rstrip(b"\n").split(b" ")
    # The user of Basic credentials ends at the first colon; none of the cases has one.
    assert (user, target) == (escaped.replace(b" ", rb"\x20"),) * 2
    assert (method, version) == (b"GET", b"HTTP/1.1")


@pytest.mark.parametrize("value", [value for value, _ in HOSTILE.values()], ids=HOSTILE.keys())
def test_hostile_value_round_trips_through_one_line_of_json(value: bytes, finished: Any) -> None:
    headers = [(b"user-agent", value), (b"host", value), (b"referer", value), basic(value)]
    line = compile_format("json")(finished(target=value, headers=headers), 0.0, WALL)
    entry = json.loads(line)
    assert {entry[key].encode("latin-1") for key in ("user_agent", "host", "referer", "user")} == {value}
    assert re.fullmatch(rb"[ -~]+\n", line)


def test_every_byte_stays_in_its_line_in_every_format(finished: Any) -> None:
    value = bytes(range(256))
    exchange = finished(target=value, method=value.decode("latin-1"), headers=[(b"referer", value), basic(value)])
    for format in ("common", "combined", "json", "%(h)s %(m)s %(U)s %(q)s %({referer}i)s"):
        assert re.fullmatch(rb"[ -~]+\n", compile_format(format)(exchange, 0.0, WALL)), format


# -- formats that are refused ----------------------------------------------------------------------------------------

REFUSED = {
    "unknown atom": ("%(z)s", r"unknown atom %\(z\)s; valid are a B b D f H h"),
    "unknown kind of header": ("%({a}x)s", r"unknown atom %\(\{a\}x\)s; valid are .*\{header\}i"),
    "nameless header": ("%({}i)s", r"unknown atom"),
    "unclosed": ("%(h", r"'%\(h' where %\(atom\)s or %% was expected"),
    "no s": ("%(h)d", r"'%\(h\)d' where"),
    "bare percent": ("100% %(h)s", r"'% %\(h\)s' where"),
    "unknown name": ("combind", r"'combind' is neither common, combined, json nor made of atoms"),
    "empty": ("", r"'' is neither"),
    "two lines": ("%(h)s\n%(s)s", r"control characters: a request is logged on one line"),
    "escape sequence": ("\x1b[1m%(h)s", r"control characters"),
}


@pytest.mark.parametrize(("format", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_invalid_format_is_refused_and_the_valid_ones_are_named(format: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        compile_format(format)
