"""Workers that have lived long enough are replaced under load, and no request is lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Serve = Callable[..., Any]

LEAK = """
from app import answer

kept = []

def wsgi(environ, start_response):
    length = len(environ["wsgi.input"].read())
    kept.append(b"x" * 500_000)
    content = answer(environ["HTTP_X_MARK"].encode(), length)
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content]
"""


def test_workers_are_replaced_after_so_many_requests_and_none_is_lost(serve: Serve, model: Any, load: Any) -> None:
    with serve(model.app, *model.options, "-w", "2", "--max-requests", "30") as server:
        server.wait_for_log("worker ready", 2)
        with load(server.port) as running:
            server.wait_for_log("asks to be replaced", 4)
            server.wait_for_log("worker ready", 6)
            running.wait_for(20)
        assert running.lost == []
        assert running.refused == []
        assert len(running.pids) >= 4


def test_a_worker_is_replaced_at_the_limit_and_not_before(serve: Serve, ask: Any) -> None:
    with serve("app:wsgi", "--max-requests", "5") as server:
        [worker] = server.workers()
        for _ in range(5):
            assert ask(server).partition(b"\r\n\r\n")[2].startswith(b"%d " % worker)
        server.wait_for_log("asks to be replaced")
        server.wait_for_log("worker ready", 2)
        server.wait_for_log("worker 1 .* exited with status 0")
        assert not ask(server).partition(b"\r\n\r\n")[2].startswith(b"%d " % worker)


def test_the_jitter_draws_a_limit_for_each_worker(serve: Serve, ask: Any) -> None:
    lives = []
    with serve("app:wsgi", "--max-requests", "1", "--max-requests-jitter", "20") as server:
        last, count = b"", 0
        while len(lives) < 4:
            pid = ask(server).partition(b"\r\n\r\n")[2].split()[0]
            if pid == last:
                count += 1
                continue
            if last:
                lives.append(count)
            last, count = pid, 1
    # The last answers of a worker may come while its successor boots, so the upper limit is not exact.
    assert len(set(lives)) > 1, "four workers in a row have drawn the same of 21 limits"


def test_workers_are_replaced_after_so_many_seconds_under_load(serve: Serve, model: Any, load: Any) -> None:
    with serve(model.app, *model.options, "--max-lifetime", "1") as server:
        with load(server.port) as running:
            server.wait_for_log("asks to be replaced", 2)
            server.wait_for_log("worker ready", 3)
            running.wait_for(20)
        assert running.lost == []
        assert running.refused == []
        found = server.wait_for_log("asks to be replaced", 2)
        first, second = (float(re.search(r":(\d\d) ", line)[1]) for line in found[:2])
        assert 1 <= (second - first) % 60 <= 15


def test_the_jitter_of_the_lifetime_spreads_the_workers(serve: Serve) -> None:
    with serve("app:wsgi", "-w", "8", "--max-lifetime", "0.5", "--max-lifetime-jitter", "60000") as server:
        server.wait_for_log("worker ready", 8)
        # Each of the eight goes in the first seconds with a chance of one in twenty thousand for each of them.
        with pytest.raises(AssertionError, match="was not logged 2 times"):
            server.wait_for_log("asks to be replaced", 2, timeout=3)


def test_a_worker_that_takes_too_much_memory_is_replaced(serve: Serve, folder: Path, load: Any) -> None:
    (folder / "leak.py").write_text(LEAK)
    with serve("leak:wsgi", "--max-memory", "100M") as server:
        with load(server.port) as running:
            server.wait_for_log("asks to be replaced", 2, timeout=40)
            server.wait_for_log("worker ready", 3)
            running.wait_for(20)
        assert running.lost == []
        assert running.refused == []
        assert len(running.pids) >= 3
