"""The scoreboard: what one process writes, another reads; the layout is the documented one."""

from __future__ import annotations

import os
import struct

import pytest
from asteri_core.sansio.lifecycle import State
from asteri_core.scoreboard import BUCKETS, CURRENT_SIZE, SLOT_SIZE, Scoreboard


@pytest.fixture
def scoreboard():
    board = Scoreboard(4)
    yield board
    board.close()


def test_a_child_writes_and_the_parent_reads(scoreboard):
    pid = os.fork()
    if pid == 0:
        slot = scoreboard[2]
        slot.claim(os.getpid(), 10.0, generation=3)
        slot.set_state(State.READY)
        slot.beat(11.5)
        slot.set_connections(7)
        slot.add_accepted(9)
        slot.begin_request(3, b"GET /")
        slot.end_request(2, 0.25, 503, 100)
        slot.ask_recycle()
        os._exit(0)
    os.waitpid(pid, 0)
    seen = scoreboard[2].snapshot()
    assert (seen.pid, seen.state, seen.generation) == (pid, State.READY, 3)
    assert (seen.booted, seen.heartbeat) == (10.0, 11.5)
    assert (seen.requests, seen.active, seen.connections, seen.accepted) == (1, 2, 7, 9)
    assert (seen.errors, seen.sent, seen.recycle, seen.busy) == (1, 100, True, 0.25)
    assert seen.current == b"GET /"
    assert [one.pid for one in scoreboard.snapshots()] == [pid]


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.0, 0), (1e-6, 1), (2e-6, 2), (3.5e-6, 2), (4e-6, 3), (0.001, 10), (1.0, 20), (1000.0, BUCKETS - 1)],
)
def test_a_duration_is_counted_in_the_bucket_of_its_power_of_two(scoreboard, seconds, bucket):
    scoreboard[0].end_request(0, seconds, 200, 0)
    latency = scoreboard[0].snapshot().latency
    assert latency[bucket] == 1
    assert sum(latency) == 1


@pytest.mark.parametrize(("status", "errors"), [(200, 0), (499, 0), (500, 1), (503, 1)])
def test_only_server_errors_count_as_errors(scoreboard, status, errors):
    scoreboard[0].end_request(0, 0.0, status, 0)
    assert scoreboard[0].snapshot().errors == errors


@pytest.mark.parametrize("length", [0, 1, CURRENT_SIZE - 1, CURRENT_SIZE, CURRENT_SIZE + 1])
def test_the_current_request_is_cut_to_its_field(scoreboard, length):
    scoreboard[1].begin_request(1, b"x" * length)
    assert scoreboard[1].snapshot().current == b"x" * min(length, CURRENT_SIZE)
    assert scoreboard[2].snapshot().current == b""


def test_claiming_wipes_what_the_former_worker_left(scoreboard):
    scoreboard[0].claim(41, 1.0)
    scoreboard[0].end_request(0, 1.0, 500, 5)
    scoreboard[0].ask_recycle()
    scoreboard[0].claim(42, 2.0, generation=1)
    seen = scoreboard[0].snapshot()
    assert (seen.pid, seen.requests, seen.errors, seen.recycle, seen.state) == (42, 0, 0, False, State.BOOTING)


def test_a_cleared_slot_is_free(scoreboard):
    scoreboard[3].claim(41, 1.0)
    scoreboard[3].clear()
    assert scoreboard[3].pid == 0
    assert scoreboard.snapshots() == []


def test_the_layout_is_the_documented_table(scoreboard):
    slot = scoreboard[1]
    slot.claim(123, 4.0, generation=5)
    slot.set_state(State.DRAINING)
    slot.beat(6.0)
    slot.set_connections(8)
    slot.add_accepted(9)
    slot.end_request(6, 0.5, 500, 10)
    slot.begin_request(7, b"GET /x")
    slot.ask_recycle()
    fields = struct.unpack_from("=3q2d7qd29qq168s", slot.buffer)
    assert fields[:12] == (123, State.DRAINING, 5, 4.0, 6.0, 1, 7, 8, 9, 1, 10, 1)
    assert fields[12] == 0.5
    assert fields[14 + 19] == 1  # half a second: under 2**19 µs
    assert fields[42:] == (6, b"GET /x".ljust(168, b"\0"))
    assert struct.calcsize("=3q2d7qd29qq168s") == len(slot.buffer) == SLOT_SIZE


def test_slots_are_indexed_iterated_and_counted(scoreboard):
    assert len(scoreboard) == 4
    assert [slot.index for slot in scoreboard] == [0, 1, 2, 3]
    assert scoreboard[2] is list(scoreboard)[2]
