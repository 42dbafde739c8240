"""Processor time and memory of a process tree: what counts as the tree, and that real time is seen."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from comparison.usage import Cpu, Process, clock, cpu, members, memory, read_pss, read_stat


def process(pid: int, parent: int, session: int = 1) -> Process:
    return Process(pid, parent, session, 0, 0)


def test_a_line_of_stat_is_read_whatever_the_name_is() -> None:
    tick = 1 / os.sysconf("SC_CLK_TCK")
    line = "17 (a) R (b c) S 3 17 5 0 -1 4194304 9 0 0 0 200 100 7 7 20 0 1 0 99 1000 10"
    assert read_stat(line) == Process(17, 3, 5, 200 * tick, 100 * tick)


def test_a_zombie_is_no_process() -> None:
    assert read_stat("17 (name) Z 3 17 5 0 -1 4194304 9 0 0 0 200 100 7 7 20 0 1 0 99 0 0") is None


def test_descendants_and_orphans_of_the_session_are_the_tree() -> None:
    processes = [
        process(1, 0),
        process(10, 1, session=10),
        process(11, 10, session=10),
        process(12, 11, session=12),
        process(13, 1, session=10),
        process(14, 1),
        process(15, 14, session=15),
    ]
    assert {one.pid for one in members(10, processes)} == {10, 11, 12, 13}


def test_time_is_that_between_two_looks() -> None:
    before = Cpu(10.0, 6.0, 4.0, frozenset({1, 2}))
    used = Cpu(12.5, 8.0, 4.5, frozenset({1, 2, 3})).since(before)
    assert (used.total, used.user, used.system) == (2.5, 2.0, 0.5)
    assert used.user_share == 0.8


def test_a_process_that_ended_spoils_the_figures() -> None:
    with pytest.raises(ValueError, match="1 of the server's processes ended"):
        Cpu(12.0, 8.0, 4.0, frozenset({1})).since(Cpu(10.0, 6.0, 4.0, frozenset({1, 2})))


def test_no_time_has_no_share() -> None:
    assert Cpu(0, 0, 0, frozenset()).user_share == 0


def test_the_proportional_set_size_is_read() -> None:
    text = "00400000-7fff [rollup]\nRss:  9000 kB\nPss:  1234 kB\nPss_Anon: 5 kB\nShared_Clean: 7 kB\n"
    assert read_pss(text) == 1234 * 1024


def test_the_time_and_the_memory_of_descendants_count() -> None:
    """The child burns half a second and holds 64 MB; its parent, whose tree is asked for, only waits."""
    burn = "import time\nx = b'x' * (64 << 20)\nwhile time.process_time() < 0.5: pass\nprint(flush=True)\ninput()"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        used, held = cpu(running.pid), memory(running.pid)
        running.communicate(b"\n")
    assert len(used.pids) == 2
    assert 0.5 <= used.total < 10
    assert used.user + used.system == pytest.approx(used.total, abs=0.1)
    assert held > 64 << 20


def test_the_clock_of_a_process_is_finer_than_a_tick() -> None:
    first = clock(os.getpid())
    sum(range(2000))
    assert 0 < clock(os.getpid()) - first < 0.01
