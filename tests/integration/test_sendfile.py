"""Files leave by sendfile on every worker model and with every interface that can say so, over the bridges too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from asteri_core.testing import running_server
from http1_client import Peer, request
from worker_models import MODELS, Model

CONTENT = os.urandom(3_000_000)

APPLICATIONS = '''
"""Counts what is sent by sendfile, for the line that /sent answers with."""

import os

sent = 0
real = os.sendfile


def counted(*arguments):
    global sent
    count = real(*arguments)
    sent += count
    return count


os.sendfile = counted


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    if environ["PATH_INFO"] == "/sent":
        return [b"%d" % sent]
    return environ["wsgi.file_wrapper"](open("content", "rb"))


async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/sent":
        await send({"type": "http.response.body", "body": b"%d" % sent})
    elif scope["path"] == "/path":
        await send({"type": "http.response.pathsend", "path": os.path.abspath("content")})
    else:
        with open("content", "rb") as file:
            await send({"type": "http.response.zerocopysend", "file": file})
'''


@pytest.mark.parametrize(("interface", "targets"), [("wsgi", ["/wrapper"]), ("asgi", ["/path", "/descriptor"])])
@pytest.mark.parametrize("model", MODELS)
def test_a_file_is_sent_by_the_system(tmp_path: Path, model: Model, interface: str, targets: list[str]) -> None:
    (tmp_path / "files.py").write_text(APPLICATIONS)
    (tmp_path / "content").write_bytes(CONTENT)
    options = (*model.options, "--lifespan", "off")
    with running_server(f"files:{interface}", *options, cwd=tmp_path) as server, Peer(server.connect()) as peer:
        for count, target in enumerate(targets, 1):
            peer.send(request("GET", target))
            assert peer.answer().body == CONTENT
            assert peer.get("/sent").body == b"%d" % (count * len(CONTENT))
