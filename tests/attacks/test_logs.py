"""17. Log forging: what a client says cannot begin a line of the logs, nor colour a terminal.

CVE-2020-7694 (uvicorn: escape sequences in the access log), CVE-2009-4492 (WEBrick) and CVE-2013-1862 (Apache httpd).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attacking.case import head
from attacking.target import Attacked, attacked, targets

FORMATS = {
    "combined": "combined",
    "json": "json",
    "atoms": '%(h)s "%(r)s" %(s)s %(U)s %(q)s "%({user-agent}i)s" "%({x-word}i)s"',
}
WORDS = [
    b"%(h)s", b"%s%s%n", b'" 200 1 "', b"\\", b"\\n", b'\\"', b"%0a127.0.0.1", b"%0d%0aforged", b"%1b[31m", b"%(a)s{0}",
    b"'", b"</script>", b"${jndi:ldap://a/b}", b"`id`", b"%e2%80%ae", b"%(", b"%",
]  # fmt: skip
IN_FIELDS = [b"\xe2\x80\xa8forged", b"\x85forged", b"\xc2\x9b31m", b"\xff\xfe", b"\tforged", b"\xe2\x80\xaeforged"]
"""Line separators, control characters beyond ASCII, and bytes that are no UTF-8: allowed in a field's value."""
PASSES = {0x0A, *range(0x20, 0x7F)}


@pytest.fixture(scope="module", params=[(target, name) for target in targets("sync") for name in FORMATS], ids=str)
def logged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Attacked, Path]]:
    """A server that writes both logs, and the folder they are in."""
    folder = tmp_path_factory.mktemp("logs")
    target, name = request.param
    options = ["--access-logfile", str(folder / "access.log"), "--access-logformat", FORMATS[name]]
    with attacked(target, folder, *options) as attack:
        yield attack, folder


def test_no_word_of_a_client_forges_the_access_log(logged: tuple[Attacked, Path]) -> None:
    attack, folder = logged
    sent = 0
    for word in WORDS + IN_FIELDS:
        target = word if word in WORDS and word not in (b"%(h)s", b"%s%s%n", b"%(a)s{0}", b"%(", b"%") else b"x"
        fields = [name + b": " + word for name in (b"User-Agent", b"Referer", b"X-Word", b"Authorization")]
        with attack.client() as client:
            client.send(head(*fields, first=b"GET /?" + target.replace(b" ", b"+") + b" HTTP/1.1"))
            assert client.response().status == 200
            sent += 1
    assert attack.get("/last").status == 200
    sent += 1
    log = folder / "access.log"
    while b"/last" not in log.read_bytes():
        assert attack.get("/last").status == 200
        sent += 1
    attack.check_alive()
    for number, line in enumerate(log.read_bytes().split(b"\n")[:-1]):
        assert set(line) <= PASSES, line
        assert b"127.0.0.1" in line.partition(b"%0a")[0], (number, line)
        assert not line.startswith(b"forged")
    assert len(log.read_bytes().split(b"\n")) - 1 <= sent


def test_no_word_of_a_client_forges_the_error_log(logged: tuple[Attacked, Path]) -> None:
    attack, _ = logged
    before = len(attack.server.lines)
    bad = [
        b"GET /\x1b[31mforged HTTP/1.1\r\n\r\n",
        head(b"X\x1b[31m: y"),
        head(host=b"Host: \x85forged\xff"),
        head(first=b"GET /%00\xe2\x80\xa8forged HTTP/1.1"),
        head(b"Transfer-Encoding: \xe2\x80\xaeforged"),
        head(b"Content-Length: \xc2\x9b31m"),
        head(b"Expect: \xe2\x80\xa8forged"),
        b"\x1b]0;forged\x07\r\n\r\n",
        head(b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.1") + b"\x1b[2Jforged\r\n",
        # The application's errors name the target.
        head(first=b"GET /respond/%0aforged%1b[31m'\" HTTP/1.1"),
    ]
    for data in bad:
        with attack.client() as client:
            client.send(data)
            assert client.response().status >= 400
    attack.server.wait_for_log("GET '?/respond/")
    for line in attack.server.lines[before:]:
        assert line.isprintable(), line
        assert not line.startswith("forged")
        assert line.startswith(("[", " ")), line
