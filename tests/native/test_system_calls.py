"""How many system calls the native path makes for a request: one to receive, one to send, and its share of the wait."""

from __future__ import annotations

from pathlib import Path

import pytest
from asteri_core.testing import running_server
from http1_client import Peer, request
from tracing import traced
from worker_models import Model, models

APPLICATIONS = Path(__file__).parents[1] / "integration" / "applications"
REQUESTS = 500
OTHERS = 60
"""What is not of a request: heart-beats, and the one connection's beginning and end."""
COMBINATIONS = [
    pytest.param(model, interface, id=f"{model.name}-{interface}")
    for model in models()
    for interface, name in (("wsgi", "sync"), ("asgi", "asgi"))
    if model.name == name
]


@pytest.mark.parametrize(("model", "interface"), COMBINATIONS)
def test_a_request_costs_one_receive_and_one_send(tmp_path: Path, model: Model, interface: str) -> None:
    environ = {"ASTERI_IMPL": "native"}
    with running_server(f"{interface}:app", *model.options, cwd=APPLICATIONS, environ=environ) as server:
        (pid,) = server.workers()
        with traced(pid, tmp_path) as calls, Peer(server.connect()) as peer:
            for _ in range(REQUESTS):
                peer.send(request("GET", "/hello"))
                assert peer.answer().status == 200
    assert calls.count("epoll_wait", "epoll_pwait", "epoll_pwait2") <= REQUESTS + OTHERS
    assert calls.count("recvfrom", "read") <= REQUESTS + OTHERS
    assert calls.count("sendto", "sendmsg", "write", "writev") <= REQUESTS + OTHERS
    assert len(calls.made) <= 3 * REQUESTS + 3 * OTHERS


def test_a_connection_with_one_request_costs_six_calls_and_its_share_of_the_wait(tmp_path: Path) -> None:
    environ = {"ASTERI_IMPL": "native"}
    with running_server("wsgi:app", cwd=APPLICATIONS, environ=environ) as server:
        (pid,) = server.workers()
        with traced(pid, tmp_path) as calls:
            for _ in range(REQUESTS):
                with Peer(server.connect()) as peer:
                    peer.send(request("GET", "/hello", "Connection: close"))
                    assert peer.answer().status == 200
    assert calls.count("epoll_wait", "epoll_pwait", "epoll_pwait2") <= 2 * REQUESTS + OTHERS
    # accept4, epoll_ctl, recv, send (with what follows: the end), epoll_ctl, close; accept4 when none is left
    assert len(calls.made) <= (7 + 2) * REQUESTS + 3 * OTHERS
