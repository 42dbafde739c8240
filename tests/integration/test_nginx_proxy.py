"""nginx in front, by ``proxy_pass`` over TCP, over a unix socket and over TLS, on every worker model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme
from asteri_core.testing import running_server
from proxies import free_ports, nginx
from websocket_client import over_http1
from worker_models import MODELS, Model

APPLICATIONS = Path(__file__).parent / "applications"
SERVER = """
map $http_upgrade $going_on {{ default upgrade; '' ''; }}
map $uri $client {{ default 192.0.2.7; ~^/added/ $proxy_add_x_forwarded_for; ~^/silent/ ''; }}
upstream asteri {{ server {to}; keepalive 4; }}
server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1; proxy_set_header Connection $going_on; proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Host $host; proxy_set_header X-Forwarded-Host elsewhere.example;
    proxy_set_header X-Forwarded-For $client; proxy_set_header X-Forwarded-Proto https;
    location / {{ proxy_pass {scheme}://asteri; }}
    location /straight/ {{ proxy_request_buffering off; proxy_buffering off; proxy_pass {scheme}://asteri/; }}
    location /added/ {{ proxy_pass {scheme}://asteri/; }}
    location /silent/ {{ proxy_pass {scheme}://asteri/; }}
}}
"""


@pytest.fixture(scope="module", params=["tcp", "unix", "tls"])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module", params=MODELS)
def client(
    request: pytest.FixtureRequest, transport: str, interface: str, tmp_path_factory: pytest.TempPathFactory,
    implementation: str,
) -> Iterator[httpx.Client]:  # fmt: skip
    model: Model = request.param
    folder = tmp_path_factory.mktemp("nginx")
    certificate = folder / "server.pem"
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    options = ("--interface", interface, "--bind", f"unix:{folder}/app.sock", "--certfile", str(certificate))
    with running_server(f"{interface}:app", *options, *model.options, cwd=APPLICATIONS) as server:
        to = f"unix:{folder}/app.sock" if transport == "unix" else f"127.0.0.1:{server.port}"
        scheme = "https" if transport == "tls" else "http"
        workers = server.workers()
        with (
            free_ports(1) as [port],
            nginx(folder, SERVER.format(to=to, port=port, scheme=scheme), [port]),
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as made,
        ):
            yield made
        assert server.workers() == workers


def test_the_application_sees_who_the_proxy_says_its_client_is(client: httpx.Client) -> None:
    for _ in range(5):
        assert client.get("/whoami").text == "192.0.2.7 0 https 127.0.0.1"


def test_what_a_client_says_of_itself_is_not_believed(client: httpx.Client) -> None:
    lies = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "elsewhere.example"}
    assert client.get("/added/whoami", headers=lies).text == "127.0.0.1 0 https 127.0.0.1"


@pytest.mark.parametrize("transport", ["tcp", "tls"], indirect=True, scope="module")
def test_the_proxy_keeps_its_connections(client: httpx.Client) -> None:
    # Where the proxy does not say who its client is, the client is the proxy, with the port of its connection.
    peers = set()
    for number in range(10):
        assert client.post("/digest", content=bytes(number)).status_code == 200
        peers.add(client.get("/silent/whoami").text)
    assert len(peers) == 1
    assert peers.pop().split()[1] != "0"


@pytest.mark.parametrize("prefix", ["", "/straight"])
def test_bodies_of_every_size_go_both_ways(client: httpx.Client, prefix: str) -> None:
    for size in (1, 1000, 3_000_000):
        body = bytes(range(251)) * (size // 251 + 1)
        digest = hashlib.sha256(body).hexdigest()
        assert client.post(f"{prefix}/digest", content=body).text == digest
        assert client.post(f"{prefix}/digest", content=iter([body[:7], body[7:]])).text == digest
    assert len(client.get(f"{prefix}/download?size=3000000").content) == 3_000_000


@pytest.mark.parametrize("prefix", ["", "/straight"])
def test_answers_of_every_kind_come_back(client: httpx.Client, prefix: str) -> None:
    assert client.head(f"{prefix}/download?size=1000").headers["content-length"] == "1000"
    assert client.get(f"{prefix}/empty").status_code == 204
    assert client.get(f"{prefix}/stream").text == "".join(f"piece {number}\n" for number in range(5))
    assert client.get(f"{prefix}/cookies").headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert client.get(f"{prefix}/error").status_code == 500


def test_a_websocket_goes_through(client: httpx.Client) -> None:
    import socket

    port = client.base_url.port
    with over_http1(lambda alpn: socket.create_connection(("127.0.0.1", port), 20), "/ws/echo") as peer:
        for message in ("text", b"bytes" * 20_000):
            peer.send(message)
            assert peer.receive() == message
        assert peer.close() == 1000
