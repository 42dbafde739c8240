"""The quick client: asks and counts as it should, and refuses every answer that is not the right one."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from comparison import client, quick, servers
from comparison.client import BadAnswer, Checked
from comparison.contenders import CONTENDERS, LIMIT, Files
from comparison.loads import Load
from comparison.scenarios import SCENARIOS, Scenario, filled

[limit] = [one for one in CONTENDERS if one.name == LIMIT]
BY_NAME = {one.name: one for one in SCENARIOS}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
GOOD = HEAD + filled(500)
CORE = min(os.sched_getaffinity(0))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = servers.build("client.c", tmp_path_factory.mktemp("client"))
    assert built is not None
    return built


@pytest.fixture
def served() -> Iterator[Callable[[list[bytes]], int]]:
    """Starts a server that answers each request on a connection with the next list of pieces, and then closes it."""
    listener = socket.create_server((client.HOST, 0))
    threads: list[threading.Thread] = []

    def answer(pieces: list[bytes]) -> None:
        connection, _ = listener.accept()
        with connection:
            for piece in pieces:
                connection.recv(4096)
                for part in piece.split(b"|"):
                    connection.sendall(part)
            connection.recv(4096)

    def start(pieces: list[bytes]) -> int:
        threads.append(threading.Thread(target=answer, args=[pieces]))
        threads[-1].start()
        port: int = listener.getsockname()[1]
        return port

    yield start
    for thread in threads:
        thread.join(20)
    listener.close()


@pytest.mark.parametrize("name", ["wsgi-500b-quick", "asgi-12kb-quick"])
def test_every_answer_of_a_good_server_is_counted(program: Path, tmp_path: Path, name: str) -> None:
    scenario, port = BY_NAME[name], servers.free_port()
    server = servers.build("epoll.c", tmp_path)
    assert server is not None
    arguments = limit.arguments(scenario, port, Files(Path(), server, *[Path()] * 4))
    with servers.running(arguments, port, os.sched_getaffinity(0)):
        checked = client.check(port, scenario, keeps=True)
        load = quick.load(program, port, scenario, checked, 1, CORE)
    assert load.requests >= scenario.connections
    assert load.bytes == load.requests * checked.size
    assert 1 <= load.seconds < 20
    assert 0 < load.p50 <= load.p99


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([GOOD], "a connection has ended"),
        ([GOOD[:200] + b"|" + GOOD[200:]], "a connection has ended"),
        ([GOOD, GOOD.replace(b"200 OK", b"500 OK")], "not what it has to be"),
        ([GOOD.replace(b"asteri", b"astery")], "not what it has to be"),
        ([GOOD[:-1] + b"|x"], "not what it has to be"),
        ([GOOD + b"\n"], "not what it has to be"),
    ],
)
def test_a_bad_answer_ends_the_load(
    program: Path, served: Callable[[list[bytes]], int], pieces: list[bytes], said: str
) -> None:
    scenario = Scenario(name="one", title="One", interface="wsgi", application="plain_wsgi:small", connections=1)
    with pytest.raises(BadAnswer, match=said):
        quick.load(program, served(pieces), scenario, Checked(filled(500), len(GOOD), dated=False), 20, CORE)


def test_the_figures_are_read() -> None:
    assert quick.read("figures requests=7 duration=3000500 p50=95 p99=210\n", 600) == Load(7, 4200, 3.0005, 95, 210)


@pytest.mark.parametrize(
    ("text", "said"), [("", "has no figures"), ("figures requests=0 duration=1 p50=0 p99=0\n", "no request")]
)
def test_a_load_without_figures_or_answers_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadAnswer, match=said):
        quick.read(text, 600)
