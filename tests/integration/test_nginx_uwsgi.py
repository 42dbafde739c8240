"""nginx in front, by ``uwsgi_pass`` over TCP and over a unix socket, on every worker model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from asteri_core.testing import running_server
from proxies import free_ports, nginx
from worker_models import MODELS, Model

APPLICATIONS = Path(__file__).parent / "applications"


@pytest.fixture(scope="module", params=["tcp", "unix"])
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
    bind = ("--bind", f"unix:{folder}/app.sock")
    with running_server(
        f"{interface}:app", "--interface", interface, *model.options, *bind, cwd=APPLICATIONS
    ) as server:
        to = f"127.0.0.1:{server.port}" if transport == "tcp" else f"unix:{folder}/app.sock"
        location = f"location / {{ include /etc/nginx/uwsgi_params; uwsgi_pass {to}; }}"
        workers = server.workers()
        with (
            free_ports(1) as [port],
            nginx(folder, f"server {{ listen 127.0.0.1:{port}; {location} }}", [port]),
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as made,
        ):
            yield made
        assert server.workers() == workers


def test_requests_and_bodies_of_every_size_reach_the_application(client: httpx.Client) -> None:
    assert client.get("/hello").text == "hello\n"
    for size in (1, 1000, 1_000_000):
        body = bytes(range(251)) * (size // 251 + 1)
        assert client.post("/digest", content=body).text == hashlib.sha256(body).hexdigest()


def test_a_chunked_upload_is_counted_by_nginx(client: httpx.Client) -> None:
    assert client.post("/echo", content=iter([b"one, ", b"two"])).content == b"one, two"


def test_answers_of_every_kind_come_back(client: httpx.Client) -> None:
    assert client.head("/download?size=1000").headers["content-length"] == "1000"
    assert client.get("/empty").status_code == 204
    assert client.get("/stream").text == "".join(f"piece {number}\n" for number in range(5))
    assert client.get("/cookies").headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert client.get("/error").status_code == 500
    assert len(client.get("/download?size=3000000").content) == 3_000_000


def test_a_field_that_comes_again_is_no_error(client: httpx.Client) -> None:
    fields = [("Accept-Language", "de"), ("Accept-Language", "en"), ("Cookie", "a=1"), ("Cookie", "b=2")]
    assert client.get("/hello", headers=fields).text == "hello\n"
