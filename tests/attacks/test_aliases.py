"""18. No field of a client passes for another one, or for a word of the server's.

CVE-2015-0219 (Django: ``X_Auth_User`` was ``X-Auth-User``); "httpoxy" (CVE-2016-5385 and its relatives: ``Proxy``
became ``HTTP_PROXY``); RFC 3875 section 4.1 for the variables.
"""

from __future__ import annotations

import pytest
from attacking.case import head
from attacking.target import Attacked

FORGED = b"forged"
ALIASES = [
    b"X_Forwarded_For", b"X-Forwarded_For", b"x_real_ip", b"Script_Name", b"SCRIPT_NAME", b"PATH_INFO", b"Path_Info",
    b"REMOTE_USER", b"Remote_User", b"REMOTE_ADDR", b"HTTP_HOST", b"HTTP_X_A", b"Content_Length", b"CONTENT_TYPE",
    b"Transfer_Encoding", b"Proxy", b"PROXY", b"pRoXy", b"HTTP_PROXY", b"_", b"__", b"X_", b"_X", b"wsgi_input",
    b"SERVER_NAME", b"REQUEST_METHOD", b"Host_",
]  # fmt: skip
"""Dropped, whatever they say."""
WITH_DASHES = [
    b"Script-Name",
    b"Path-Info",
    b"Remote-User",
    b"Remote-Addr",
    b"Server-Name",
    b"Request-Method",
    b"Http-Host",
]
"""Fields like any other: they must not become the variable of that name."""


def seen_facts(attack: Attacked, *lines: bytes, target: bytes = b"/echo") -> dict:
    attack.records()
    with attack.client() as client:
        client.send(head(*lines, first=b"GET %b HTTP/1.1" % target))
        assert client.response().status == 200
    [record] = [record for record in attack.records() if record["kind"] == "request"]
    return record


@pytest.mark.parametrize("name", ALIASES, ids=lambda name: name.decode())
def test_a_field_that_could_pass_for_another_is_not_shown(attack: Attacked, name: bytes) -> None:
    record = seen_facts(attack, name + b": " + FORGED, b"X-Kept: kept")
    assert FORGED.decode() not in repr(record)
    assert "kept" in repr(record)


@pytest.mark.parametrize("name", WITH_DASHES, ids=lambda name: name.decode())
def test_a_field_named_like_a_variable_is_only_a_field(attack: Attacked, name: bytes) -> None:
    record = seen_facts(attack, name + b": " + FORGED)
    if attack.target.interface == "asgi":
        assert [name.decode().lower(), "forged"] in record["headers"]
        del record["headers"]
    else:
        assert record["environ"].pop("HTTP_" + name.decode().upper().replace("-", "_")) == "forged"
    assert "forged" not in repr(record)


def test_a_real_field_and_its_alias_do_not_mix(attack: Attacked) -> None:
    lines = (b"X-Real-IP: true", b"X_Real_IP: forged", b"x_real-ip: forged", b"X-REAL_IP: forged")
    for order in (lines, lines[::-1]):
        record = seen_facts(attack, *order)
        assert "forged" not in repr(record)
        assert "true" in repr(record)


def test_the_path_cannot_name_where_the_application_is(attack: Attacked) -> None:
    record = seen_facts(attack, target=b"/a%2f..%2fb//c;d?SCRIPT_NAME=/x")
    if attack.target.interface == "asgi":
        assert (record["path"], record["root"]) == ("/a/../b//c;d", "")
    else:
        environ = record["environ"]
        assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("", "/a/../b//c;d")
        assert environ["REMOTE_ADDR"] == "127.0.0.1"
        assert "REMOTE_USER" not in environ
