"""Files leave by sendfile on every worker model and with every interface that can say so, over the bridges too."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from asteri_core.testing import running_server
from http1_client import Peer, request
from tracing import traced
from worker_models import MODELS, Model

CONTENT = os.urandom(3_000_000)

APPLICATIONS = """
import os


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return environ["wsgi.file_wrapper"](open("content", "rb"))


async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/path":
        await send({"type": "http.response.pathsend", "path": os.path.abspath("content")})
    else:
        with open("content", "rb") as file:
            await send({"type": "http.response.zerocopysend", "file": file})
"""


@pytest.mark.parametrize(("interface", "targets"), [("wsgi", ["/wrapper"]), ("asgi", ["/path", "/descriptor"])])
@pytest.mark.parametrize("model", MODELS)
def test_a_file_is_sent_by_the_system(tmp_path: Path, model: Model, interface: str, targets: list[str]) -> None:
    (tmp_path / "files.py").write_text(APPLICATIONS)
    (tmp_path / "content").write_bytes(CONTENT)
    options = (*model.options, "--lifespan", "off")
    with running_server(f"files:{interface}", *options, cwd=tmp_path) as server:
        (pid,) = server.workers()
        with traced(pid, tmp_path, "sendfile") as calls, Peer(server.connect()) as peer:
            for target in targets:
                peer.send(request("GET", target))
                assert peer.answer().body == CONTENT
            until = time.monotonic() + 20
            while sent(calls.look()) < len(targets) * len(CONTENT) and time.monotonic() < until:
                time.sleep(0.01)
    assert sent(calls.made) == len(targets) * len(CONTENT)


def sent(calls: list[tuple[str, int]]) -> int:
    return sum(result for _, result in calls if result > 0)
