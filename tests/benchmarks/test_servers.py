"""Servers are started, checked and stopped; the bare C server answers as an application would; rounds turn."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from comparison import client, idle, measure, servers
from comparison.client import BadAnswer
from comparison.contenders import CONTENDERS, LIMIT, Contender, Files
from comparison.figures import Figure
from comparison.scenarios import SCENARIOS, Scenario

[limit_contender] = [one for one in CONTENDERS if one.name == LIMIT]
BY_NAME = {one.name: one for one in SCENARIOS}
CORES = os.sched_getaffinity(0)


@pytest.fixture(scope="module")
def limit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = servers.build("epoll.c", tmp_path_factory.mktemp("limit"))
    assert program is not None
    return program


def arguments(limit: Path, scenario: Scenario, port: int) -> list[str]:
    return limit_contender.arguments(scenario, port, Files(Path(), limit, *[Path()] * 4))


@pytest.mark.parametrize("name", ["wsgi-500b-40", "asgi-12kb-1", "wsgi-close", "asgi-pipelined", "wsgi-2-workers"])
def test_the_limit_passes_the_check(limit: Path, name: str) -> None:
    scenario, port = BY_NAME[name], servers.free_port()
    with servers.running(arguments(limit, scenario, port), port, CORES, scenario.workers):
        checked = client.check(port, scenario, keeps=True)
    assert (len(checked.content), checked.dated) == (scenario.size, True)


def test_the_limit_finds_the_end_of_a_head_that_comes_in_pieces(limit: Path) -> None:
    scenario, port = BY_NAME["wsgi-500b-1"], servers.free_port()
    with servers.running(arguments(limit, scenario, port), port, CORES), client.connect(port) as connection:
        with connection.makefile("rb") as stream:
            for piece in (b"GET / HTTP/1.1\r", b"\nHost: a\r\n", b"\r", b"\n", b"GET / HTTP/1.1\r\n\r\r\n\r\n"):
                connection.sendall(piece)
            answers = [client.read_answer(stream) for _ in range(2)]
        connection.settimeout(client.MOMENT)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert [len(one.content) for one in answers] == [500, 500]


def test_idle_connections_are_held_and_those_that_ended_are_seen(limit: Path) -> None:
    scenario, port = BY_NAME["wsgi-500b-1"], servers.free_port()
    with (
        servers.running(arguments(limit, scenario, port), port, CORES),
        idle.holding(port, 20, client.request(scenario, port)) as connections,
    ):
        idle.check_open(connections)
        connections[7].shutdown(socket.SHUT_WR)
        assert connections[7].recv(1) == b""
        with pytest.raises(BadAnswer, match="closed 1 of 20"):
            idle.check_open(connections)


def test_a_server_that_does_not_listen_says_its_last_words() -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such option')"]
    with (
        pytest.raises(BadAnswer, match="ended with 1 instead of listening: no such option"),
        servers.running(command, servers.free_port(), CORES),
    ):
        pass


def test_what_a_server_has_started_is_stopped_with_it() -> None:
    port = servers.free_port()
    child = f"import socket, signal; s = socket.create_server(('127.0.0.1', {port})); signal.pause()"
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]).wait()"
    with servers.running([sys.executable, "-c", parent], port, CORES, processes=2):
        pass
    with pytest.raises(ConnectionRefusedError):
        client.connect(port)


@pytest.mark.parametrize(("number", "order"), [(0, "abc"), (1, "bca"), (2, "cab"), (3, "abc")])
def test_each_round_begins_with_another(number: int, order: str) -> None:
    contenders = [Contender(name=name, interfaces=("wsgi",), command="", distributions=()) for name in "abc"]
    assert "".join(one.name for one in measure.turned(contenders, number)) == order


def test_a_plan_gives_one_worker_one_core_and_two_workers_two() -> None:
    plan = measure.Plan(1, 1, (2, 3), 1, Files(*[Path()] * 6), Path())
    assert (plan.cores(1), plan.cores(2)) == ({2}, {2, 3})


def test_who_does_not_start_is_left_out_and_the_others_are_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def one_round(contender: Contender, scenario: Scenario, plan: measure.Plan) -> tuple[Figure, client.Checked]:
        asked.append(contender.name)
        if contender.name == "bad":
            raise BadAnswer("it ended")
        return {"rate": 10.0 * len(contender.name)}, client.Checked(b"", 1, contender.name != "peer")

    asked: list[str] = []
    monkeypatch.setattr(measure, "one_round", one_round)
    contenders = [
        Contender(name="missing", interfaces=("wsgi",), command="", distributions=("no-such-distribution",)),
        Contender(name="bad", interfaces=("wsgi",), command="", distributions=()),
        Contender(name="asteri", interfaces=("wsgi",), command="", distributions=("asteri",)),
        Contender(name="peer", interfaces=("wsgi",), command="", distributions=()),
    ]
    plan = measure.Plan(2, 1, (0, 1), 1, Files(*[Path()] * 6), Path())
    found = measure.run(BY_NAME["wsgi-500b-1"], contenders, plan)
    assert asked == ["bad", "asteri", "peer", "peer", "asteri"]
    assert found.left_out == {"missing": "not installed: no-such-distribution", "bad": "it ended"}
    assert (found.baseline, [row.server for row in found.rows]) == ("asteri", ["asteri", "peer"])
    assert [row.dated for row in found.rows] == [True, False]
    assert found.rows[1].ratios["rate"].median == pytest.approx(4 / 6)
