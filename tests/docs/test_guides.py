"""What the guides for plugin authors write down is built, installed, checked by its own tests, and serves."""

from __future__ import annotations

import re
import socket
import sys
from pathlib import Path

import pytest
from asteri_core.testing import RunningServer, running_server
from written_packages import Package, files

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
GUIDES = ("writing-a-protocol", "writing-a-worker", "writing-an-interface")


def build(guide: str, folder: Path) -> Package:
    return Package(ROOT / "docs" / f"{guide}.md", folder)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Package]:
    return {guide: build(guide, tmp_path_factory.mktemp(guide)) for guide in GUIDES}


def talk(server: RunningServer, data: bytes) -> bytes:
    """Send all of ``data``, then EOF, and read to the end."""
    with server.connect() as peer:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: peer.recv(65536), b""))


GET = b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("guide", GUIDES)
def test_the_tests_on_the_page_pass(packages: dict[str, Package], guide: str) -> None:
    package = packages[guide]
    (test,) = package.source.glob("test_*.py")
    options = ("-q", "-p", "no:cacheprovider", "-W", "error", "--timeout", "30")
    assert re.search(r"\d passed", package.run(sys.executable, "-m", "pytest", *options, test.name))


@pytest.mark.parametrize("guide", GUIDES)
def test_the_plugin_on_the_page_is_listed_as_available(packages: dict[str, Package], guide: str) -> None:
    name = re.search(r'^name = "(.*)"', files(ROOT / "docs" / f"{guide}.md")["pyproject.toml"], re.MULTILINE)
    assert name is not None
    listed = packages[guide].run(sys.executable, "-m", "asteri", "--plugin", "list")
    assert f"({name[1]}) available" in listed


def test_the_protocol_on_the_page_serves_beside_http(packages: dict[str, Package]) -> None:
    environ = packages["writing-a-protocol"].environ
    with running_server("hello_wsgi:app", "--echo-limit", "9", cwd=EXAMPLES, environ=environ) as server:
        assert talk(server, b"ECHO\nhello\nfriends\n") == b"hello\nfriends\n"
        assert talk(server, b"ECHO\nhello, friends\n") == b"error: a line of more than 9 bytes\n"
        assert talk(server, GET).startswith(b"HTTP/1.1 200 OK\r\n")
        assert server.stop() == 0


def test_the_worker_model_on_the_page_serves_both_colours(packages: dict[str, Package]) -> None:
    environ = packages["writing-a-worker"].environ
    for app in ("hello_wsgi:app", "hello_asgi:app"):
        options = ("--worker-class", "thread-per-request")
        with running_server(app, *options, cwd=EXAMPLES, environ=environ) as server:
            assert talk(server, GET).startswith(b"HTTP/1.1 200 OK\r\n")
            assert server.stop() == 0


@pytest.mark.parametrize("model", ["sync", "asgi"])
def test_the_interface_on_the_page_serves(packages: dict[str, Package], model: str) -> None:
    package = packages["writing-an-interface"]
    options = ("--interface", "text-blocks", "--worker-class", model)
    with running_server("test_text_blocks:answer", *options, cwd=package.source, environ=package.environ) as server:
        assert talk(server, GET).endswith(b"GET /a\n\r\n0\r\n\r\n")
        assert server.stop() == 0
