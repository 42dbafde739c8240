"""HTTP/2 with the clients that people use: curl, nghttp and h2load, on every worker model, with and without TLS."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from asteri_core.testing import RunningServer, running_server
from worker_models import MODELS, Model

APPLICATIONS = Path(__file__).parent / "applications"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    return folder


@pytest.fixture(scope="module", params=MODELS)
def server(
    request: pytest.FixtureRequest, interface: str, certificates: Path, implementation: str
) -> Iterator[RunningServer]:
    model: Model = request.param
    options = ("--certfile", str(certificates / "server.pem"), *model.options)
    with running_server(f"{interface}:app", "--interface", interface, *options, cwd=APPLICATIONS) as running:
        workers = running.workers()
        yield running
        assert running.workers() == workers
        assert running.stop() == 0


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=True).stdout


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_curl(server: RunningServer, certificates: Path, scheme: str) -> None:
    version = "--http2-prior-knowledge" if scheme == "http" else "--http2"
    curl = ("curl", "-s", version, "--cacert", str(certificates / "ca.pem"))
    base = f"{scheme}://localhost:{server.port}"
    assert said(*curl, "-w", " %{http_version} %{http_code}", f"{base}/hello") == "hello\n 2 200"
    assert said(*curl, "--data-binary", "a body", f"{base}/echo") == "a body"
    assert said(*curl, "-o", "/dev/null", "-w", "%{size_download}", f"{base}/download?size=5000000") == "5000000"


def test_curl_and_nghttp_change_over_from_http_1_1(server: RunningServer) -> None:
    base = f"http://localhost:{server.port}"
    both = said("curl", "-s", "--http2", "-w", " %{http_version}\n", f"{base}/hello", f"{base}/hello")
    assert both == "hello\n 2\nhello\n 2\n"
    assert re.findall(r"(200)\s+\S+ /download", said("nghttp", "-nsu", f"{base}/download?size=100000")) == ["200"]


def test_http_1_1_is_spoken_with_who_asks_for_it(server: RunningServer, certificates: Path) -> None:
    curl = ("curl", "-s", "--http1.1", "--cacert", str(certificates / "ca.pem"), "-w", " %{http_version}")
    assert said(*curl, f"https://localhost:{server.port}/hello") == "hello\n 1.1"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nghttp_gets_many_at_once(server: RunningServer, scheme: str) -> None:
    urls = [f"{scheme}://localhost:{server.port}/download?size={size}" for size in (1, 1000, 200_000)]
    table = said("nghttp", "-ns", "--no-verify-peer", *urls) if scheme == "https" else said("nghttp", "-ns", *urls)
    assert re.findall(r"(200)\s+\S+ /download", table) == ["200"] * 3


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_h2load_gets_an_answer_for_everything(server: RunningServer, scheme: str) -> None:
    summary = said("h2load", "-n", "600", "-c", "6", "-m", "20", f"{scheme}://localhost:{server.port}/hello")
    assert "600 succeeded, 0 failed, 0 errored, 0 timeout" in summary
    assert "status codes: 600 2xx" in summary
