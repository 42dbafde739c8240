"""The load of WebSocket on a real server: right answers count, wrong ones are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from asteri_core.testing import RunningServer, running_server
from comparison import websocket
from comparison.client import BadAnswer
from comparison.scenarios import APPS, KB, Scenario

UPPER = """
async def app(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": message["bytes"].upper()})
"""


def scenario(size: int, deflate: bool) -> Scenario:
    return Scenario(
        name="one", title="One", interface="asgi", application="plain_asgi:echo", transport="websocket", body=size,
        deflate=deflate, connections=3,
    )  # fmt: skip


@pytest.fixture(scope="module")
def server():
    with running_server("plain_asgi:echo", cwd=APPS) as running:
        yield running


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("size", [125, 16 * KB])
def test_messages_come_back_and_are_counted(server: RunningServer, size: int, deflate: bool) -> None:
    one = scenario(size, deflate)
    checked = websocket.check(server.port, one)
    load = websocket.run(server.port, 3, size, deflate, 0.2)
    assert load.requests > 0
    assert load.bytes == load.requests * checked.size
    assert 0 < load.p50 <= load.p99


def test_another_message_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(UPPER)
    with running_server("app:app", "--lifespan", "off", cwd=tmp_path) as running:
        with pytest.raises(BadAnswer, match="expected the message of 125 bytes back"):
            websocket.check(running.port, scenario(125, False))
        with pytest.raises(BadAnswer):
            websocket.run(running.port, 1, 125, False, 0.1)
