"""Debian's Chromium, without a window: a hundred resources by HTTP/2 and a WebSocket, on every worker model."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import trustme
from asteri_core.testing import running_server
from worker_models import MODELS, Model

APPLICATIONS = Path(__file__).parent / "applications"
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors",
    "--no-first-run", "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


@pytest.mark.timeout(120)
@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
@pytest.mark.parametrize("model", MODELS)
def test_a_page_with_a_hundred_resources_and_a_websocket(tmp_path: Path, model: Model, interface: str) -> None:
    certificate = tmp_path / "server.pem"
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    options = ("--interface", interface, "--certfile", str(certificate), *model.options)
    with running_server(f"{interface}:app", *options, cwd=APPLICATIONS) as server:
        workers = server.workers()
        browser = subprocess.Popen(
            [
                shutil.which("chromium") or "chromium", *FLAGS, f"--user-data-dir={tmp_path}/profile",
                f"https://localhost:{server.port}/page",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            [line] = server.wait_for_log("reported: ", timeout=90)
        finally:
            os.killpg(browser.pid, signal.SIGKILL)
            browser.wait(20)
        found = json.loads(line.partition("reported: ")[2])
        assert found["resources"] == {"right": 100, "protocols": ["h2"]}
        assert found["conversation"].pop("extensions").startswith("permessage-deflate")
        assert found["conversation"] == {"same": True, "code": 1000}
        assert server.workers() == workers
        assert server.stop() == 0
        assert not [line for line in server.lines if "ERROR" in line or "Traceback" in line], server.lines[-20:]
