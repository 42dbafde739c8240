"""From Python: `asteri.run` is what the command line does, `asteri.Server` serves inside somebody else's process."""

from __future__ import annotations

import os
import signal
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from asteri_core.errors import ConfigurationError, PluginError
from asteri_core.testing import RunningServer, running_server
from http1_client import Answer, Peer

import asteri

SERVED = Path(__file__).parent / "served"


def running(kind: str, cwd: Path = SERVED, **environ: str) -> AbstractContextManager[RunningServer]:
    """``served/run_script.py`` as a process."""
    command = (sys.executable, str(SERVED / "run_script.py"), kind)
    return running_server("run_script:app", cwd=cwd, environ={"PYTHONPATH": str(SERVED), **environ}, command=command)


def get(server: RunningServer) -> Answer:
    with Peer(server.connect()) as peer:
        return peer.get("/")


def test_run_serves_a_named_application_with_workers() -> None:
    with running("name") as server:
        server.wait_for_log("worker ready", 2)
        workers = server.workers()
        loaded_by, answered_by = map(int, get(server).body.split())
        assert len(workers) == 2
        assert loaded_by == answered_by
        assert answered_by in workers
        assert server.stop() == 0


def test_run_serves_an_application_that_is_loaded_already_and_a_reload_keeps_it() -> None:
    with running("object") as server:
        server.wait_for_log("worker ready", 2)
        before = server.workers()
        loaded_by, answered_by = map(int, get(server).body.split())
        assert loaded_by == server.pid
        assert answered_by in before
        server.signal(signal.SIGHUP)
        server.wait_for_log("worker ready", 4)
        server.wait_for_log("exited with status 0", 2)
        loaded_by, answered_by = map(int, get(server).body.split())
        assert loaded_by == server.pid
        assert answered_by not in before
        assert server.stop() == 0


def test_run_reads_the_file_it_is_told_and_its_arguments_come_first(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('server_header = "from the file"\ndate_header = false\n')
    with running("file", tmp_path, ASTERI_SERVER_HEADER="from the environment") as server:
        answer = get(server)
        assert answer.values(b"server") == [b"from the call"]
        assert answer.values(b"date") == []


def plain(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [environ["PATH_INFO"].encode()]


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"keep_alife": 1}, ConfigurationError, "keep_alive"),
        ({"workers": "many"}, ConfigurationError, "workers"),
        ({"worker_class": "gtread"}, PluginError, "gthread"),
        ({"interface": "wsg"}, PluginError, "wsgi"),
        ({"http": ["one"]}, PluginError, "1"),
    ],
)
def test_run_raises_what_is_wrong_with_its_arguments(
    settings: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        asteri.run(plain, bind="127.0.0.1:0", **settings)


def fetch(url: str) -> tuple[bytes, str | None]:
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read(), response.headers["Server"]


def test_two_servers_in_one_process_have_settings_of_their_own() -> None:
    with (
        asteri.Server(plain, bind="127.0.0.1:0", server_header="one") as one,
        asteri.Server(plain, bind="127.0.0.1:0", server_header="two", worker_class="gthread") as two,
    ):
        assert fetch(one.url + "/a") == (b"/a", "one")
        assert fetch(two.url + "/b") == (b"/b", "two")


def test_a_server_can_be_run_from_any_thread() -> None:
    answers: list[tuple[bytes, str | None]] = []

    def serve() -> None:
        with asteri.Server(plain, bind="127.0.0.1:0") as server:
            answers.append(fetch(server.url + "/thread"))

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join(20)
    assert answers == [(b"/thread", "asteri")]


def test_a_server_leaves_the_signals_of_its_process_alone() -> None:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE)
    before = [signal.getsignal(number) for number in numbers]
    with asteri.Server(plain, bind="127.0.0.1:0") as server:
        fetch(server.url)
        assert [signal.getsignal(number) for number in numbers] == before


def test_a_server_reads_neither_the_environment_nor_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "asteri.toml").write_text('server_header = "from the file"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASTERI_SERVER_HEADER", "from the environment")
    with asteri.Server(plain, bind="127.0.0.1:0") as server:
        assert fetch(server.url)[1] == "asteri"
    assert os.getcwd() == str(tmp_path)
