"""One anonymous shared mapping with a slot for every worker: what a worker tells, and everybody may read.

The arbiter makes it before the first fork. A slot has one writer: the worker, which claims it first thing after the
fork. The arbiter clears it when the worker is gone, or before it has come. Every field is eight bytes wide and aligned,
so a reader never sees half a number; two fields read together may be a few nanoseconds apart, and nothing here depends
on more. The current request's text alone may be caught in mid-change: it is for eyes, not for decisions.

    offset  type       field
         0  int64      pid            0: the slot is free
         8  int64      state          number of a `sansio.lifecycle.State`
        16  int64      generation     counts reloads
        24  double     booted         monotonic seconds
        32  double     heartbeat      monotonic seconds of the last sign of life
        40  int64      requests       answered so far
        48  int64      active         running now
        56  int64      connections    open now
        64  int64      accepted       connections accepted so far
        72  int64      errors         answers with a status of 500 and up
        80  int64      sent           bytes of content sent
        88  int64      recycle        1: the worker asks to be replaced
        96  double     busy           seconds spent in requests, summed up
       104  int64      faults         connections closed for what no request was to blame for: a failed handshake
       112  int64[28]  latency        requests by duration: bucket i counts those under 2**i µs, the last one all others
       336  int64      current_size   bytes of `current` that count
       344  char[168]  current        the request being run, e.g. b"GET /path"
       512             end of the slot

No lock, no file, no daemon: it does not say what happened in the past, and does not outlive the arbiter.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass

from .sansio.lifecycle import State

SLOT_SIZE = 512
BUCKETS = 28
"""2**27 µs is 134 seconds: longer than any sensible request, short enough to keep a slot at 512 bytes."""
CURRENT_SIZE = 168

# Indices of eight-byte fields.
_PID, _STATE, _GENERATION, _BOOTED, _HEARTBEAT, _REQUESTS, _ACTIVE, _CONNECTIONS = range(8)
_ACCEPTED, _ERRORS, _SENT, _RECYCLE, _BUSY, _FAULTS, _LATENCY = range(8, 15)
_CURRENT_SIZE = _LATENCY + BUCKETS
_CURRENT = (_CURRENT_SIZE + 1) * 8


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a slot said at one moment. The fields are those of the layout above."""

    pid: int
    state: State
    generation: int
    booted: float
    heartbeat: float
    requests: int
    active: int
    connections: int
    accepted: int
    errors: int
    sent: int
    recycle: bool
    busy: float
    faults: int
    latency: tuple[int, ...]
    current: bytes


class Slot:
    """A worker's place on the scoreboard."""

    __slots__ = ("_floats", "_ints", "buffer", "index")

    def __init__(self, buffer: memoryview, index: int) -> None:
        self.index = index
        self.buffer = buffer
        """The slot's bytes, for a native twin that writes them itself."""
        self._ints = buffer.cast("q")
        self._floats = buffer.cast("d")

    # -- first and last ------------------------------------------------------------------------------------------

    def claim(self, pid: int, now: float, generation: int = 0) -> None:
        """A worker begins its life here. Whatever the one before has left is wiped."""
        self.clear()
        self._ints[_STATE] = State.BOOTING
        self._ints[_GENERATION] = generation
        self._floats[_BOOTED] = now
        self._floats[_HEARTBEAT] = now
        self._ints[_PID] = pid

    def clear(self) -> None:
        """Free the slot."""
        self.buffer[:] = bytes(SLOT_SIZE)

    # -- the worker ----------------------------------------------------------------------------------------------

    def beat(self, now: float) -> None:
        """A sign of life."""
        self._floats[_HEARTBEAT] = now

    def set_state(self, state: State) -> None:
        self._ints[_STATE] = state

    def set_connections(self, count: int) -> None:
        """How many connections are open."""
        self._ints[_CONNECTIONS] = count

    def add_accepted(self, count: int = 1) -> None:
        """Connections were accepted."""
        self._ints[_ACCEPTED] += count

    def add_fault(self) -> None:
        """A connection was closed for what no request was to blame for."""
        self._ints[_FAULTS] += 1

    def begin_request(self, active: int, text: bytes) -> None:
        """A request begins: how many are running now, and which one it is, cut to what fits."""
        ints = self._ints
        ints[_ACTIVE] = active
        size = len(text)
        if size > CURRENT_SIZE:
            size = CURRENT_SIZE
            text = text[:size]
        self.buffer[_CURRENT : _CURRENT + size] = text
        ints[_CURRENT_SIZE] = size

    def end_request(self, active: int, seconds: float, status: int, sent: int) -> None:
        """A request is over. How many are running now; how long it took, how it was answered (0: not at all), and the
        bytes of content sent."""
        ints = self._ints
        ints[_ACTIVE] = active
        ints[_REQUESTS] += 1
        if status >= 500:
            ints[_ERRORS] += 1
        ints[_SENT] += sent
        self._floats[_BUSY] += seconds
        # The number of bits of the whole microseconds: 0 µs is bucket 0, 1 µs bucket 1, 2 and 3 µs bucket 2.
        bucket = int(seconds * 1e6).bit_length()
        ints[_LATENCY + (bucket if bucket < BUCKETS else BUCKETS - 1)] += 1

    def ask_recycle(self) -> None:
        """Ask the arbiter for a successor. The worker goes on until it is told to drain."""
        self._ints[_RECYCLE] = 1

    # -- everybody -----------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        return self._ints[_PID]

    @property
    def heartbeat(self) -> float:
        return self._floats[_HEARTBEAT]

    @property
    def recycle(self) -> bool:
        return self._ints[_RECYCLE] != 0

    def snapshot(self) -> Snapshot:
        """Everything the slot says now, as values that no longer change."""
        ints, floats = self._ints, self._floats
        size = ints[_CURRENT_SIZE]
        return Snapshot(
            pid=ints[_PID],
            state=State(ints[_STATE]),
            generation=ints[_GENERATION],
            booted=floats[_BOOTED],
            heartbeat=floats[_HEARTBEAT],
            requests=ints[_REQUESTS],
            active=ints[_ACTIVE],
            connections=ints[_CONNECTIONS],
            accepted=ints[_ACCEPTED],
            errors=ints[_ERRORS],
            sent=ints[_SENT],
            recycle=ints[_RECYCLE] != 0,
            busy=floats[_BUSY],
            faults=ints[_FAULTS],
            latency=tuple(ints[_LATENCY : _LATENCY + BUCKETS]),
            current=bytes(self.buffer[_CURRENT : _CURRENT + size]),
        )

    def release(self) -> None:
        """Let go of the mapping. The slot is of no use afterwards."""
        self._ints.release()
        self._floats.release()
        self.buffer.release()


class Scoreboard:
    """A fixed number of slots in memory that survives forks."""

    __slots__ = ("_mapping", "_slots")

    def __init__(self, capacity: int) -> None:
        # Anonymous and shared: a page costs memory only once a slot in it is used.
        self._mapping = mmap.mmap(-1, capacity * SLOT_SIZE)
        whole = memoryview(self._mapping)
        self._slots = [Slot(whole[at : at + SLOT_SIZE], at // SLOT_SIZE) for at in range(0, len(whole), SLOT_SIZE)]
        whole.release()

    def __len__(self) -> int:
        return len(self._slots)

    def __getitem__(self, index: int) -> Slot:
        return self._slots[index]

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots)

    def snapshots(self) -> list[Snapshot]:
        """What the slots in use say now."""
        return [slot.snapshot() for slot in self._slots if slot.pid]

    def close(self) -> None:
        """Give the mapping back. Nobody may use a slot afterwards."""
        for slot in self._slots:
            slot.release()
        self._mapping.close()
