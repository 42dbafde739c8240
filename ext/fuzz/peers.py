"""What the clients of a script ask, what they are owed for it, and what they have got.

A line is a number. The number says what the answer is and when it is given, so that whoever asks knows what is owed.
"""

from __future__ import annotations

import random
import socket
import struct
from itertools import accumulate
from typing import Any

BULK = random.Random(0).randbytes(3 << 20)
"""What answers are cut from; a file has the same."""
WHEN = [*["now"] * 12, *["later"] * 8, *["thread", "post", "timer", "nested"] * 2, "raise", "interrupt"]
KINDS = [*["own"] * 12, *["large"] * 3, *["pieces"] * 4, *["file"] * 3, "huge", "reset", "short"]


class Answer:
    """What the line of a number is answered with."""

    def __init__(self, number: int, seed: int) -> None:
        chance = random.Random(f"{seed} {number}")
        self.when = chance.choice(WHEN)
        self.kind = chance.choice(KINDS) if chance.random() < 0.7 else "own"
        self.cut = self.kind in ("reset", "short") or self.when == "raise"
        """Its peer is given up behind it."""
        self.parts = [b"%d\n" % number]
        self.file: tuple[int, int] | None = None
        """Offset and length of what is sent from the file, before the last part."""
        start = chance.randrange(1 << 20)
        if self.kind == "large":
            self.parts[0] += BULK[start : start + chance.choice([9000, 70_000, 200_000])]
        elif self.kind in ("pieces", "reset"):
            count = chance.choice([1, 2, 65, 150])
            self.parts += [BULK[start + at : start + at + chance.choice([1, 7, 3000])] for at in range(count)]
        elif self.kind == "huge":
            self.parts += [BULK[start : start + chance.choice([300_000, 2_000_000])], b"\n"]
        elif self.kind == "file":
            self.file = start, chance.choice([1, 5000, 1_500_000])
            self.parts.append(chance.choice([b"\n", BULK[:20_000]]))
        elif self.kind == "short":
            self.file = len(BULK) - 10, 100
        self._chance = chance

    @property
    def content(self) -> bytes:
        """The bytes that a client gets of it."""
        if self.when == "raise":
            return b""
        if self.file is None:
            return b"".join(self.parts)
        offset, length = self.file
        *before, after = self.parts if self.kind == "file" else [*self.parts, b""]
        return b"".join(before) + BULK[offset : offset + length] + after

    def give(self, line: Any, file: Any, mutable: bool) -> None:
        """Answer the line. ``mutable`` says that pieces may be of other types than bytes."""
        if self.kind in ("own", "large"):
            line.answer(self.parts[0])
            return
        kinds: list[Any] = [bytes, bytearray, memoryview] if mutable else [bytes]
        pieces: list[Any] = [self._chance.choice(kinds)(part) for part in self.parts]
        if self.file is not None:
            pieces.insert(1, (file, *self.file))
        if self.kind == "reset":
            pieces.append(None)
        line.hand_out(*pieces)


class Client:
    """One peer: what it asks leaves in parts, what it gets is read when the script says so."""

    def __init__(self, sock: socket.socket, name: Any) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.name = name
        """The address the server knows it by."""
        self.is_internet = sock.family == socket.AF_INET
        self.asked: list[Answer] = []
        self.started = 0
        self.received = bytearray()
        self.end = ""
        self.at_risk = False
        """Something has happened that may cut it."""
        self.is_shut = False
        self._out = bytearray()
        self._ends: list[int] = []
        self._left = 0
        self._is_reset = False

    def ask(self, line: bytes, answer: Answer) -> None:
        self._out += line
        self._ends.append(len(self._out))
        self.asked.append(answer)

    def push(self, size: int = 1 << 20) -> None:
        """Let some of what is asked leave."""
        if self.is_shut or self._left == len(self._out):
            return
        try:
            self._left += self.sock.send(self._out[self._left : self._left + size])
        except BlockingIOError:
            pass
        except OSError:
            self._note_reset()

    def half_close(self) -> None:
        if not self.is_shut:
            self.is_shut = True
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                self._note_reset()

    def _note_reset(self) -> None:
        """A socket tells of a reset once, to whoever calls first."""
        self.is_shut = self._is_reset = True

    def read(self, size: int = 1 << 20) -> bool:
        """Read once; whether anything has come."""
        if self.end:
            return False
        try:
            data = self.sock.recv(size)
        except BlockingIOError:
            return False
        except OSError:
            self.end = "reset"
            return True
        self.received += data
        if not data:
            self.end = "reset" if self._is_reset else "end"
        return True

    def vanish(self, reset: bool) -> None:
        """Close; what was sent to it by then is lost with it."""
        if reset and self.is_internet:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.at_risk = self.is_shut = True
        self.end = self.end or "vanished"
        self.sock.close()

    @property
    def owed(self) -> list[Answer]:
        """The answers to what has left whole, the last of which may be one that gives the peer up."""
        owed: list[Answer] = []
        for answer, end in zip(self.asked, self._ends, strict=True):
            if end > self._left or (owed and owed[-1].cut):
                break
            owed.append(answer)
        return owed

    @property
    def all_has_left(self) -> bool:
        return self.is_shut or self._left == len(self._out)

    def check(self) -> None:
        """It has got what it is owed: all of it, or if it was at risk a first part."""
        owed = self.owed
        contents = [answer.content for answer in owed]
        expected, received = b"".join(contents), bytes(self.received)
        assert expected.startswith(received), f"{self.name} was not owed what it got"
        if not self.at_risk and not (owed and owed[-1].cut):
            assert received == expected, f"{self.name} got {len(received)} of {len(expected)} bytes, then {self.end}"
            assert self.end == "end", f"{self.name} ended with {self.end}"
        if self.is_internet and self.end == "end":
            whole = [len(content) for answer, content in zip(owed, contents, strict=True) if not answer.cut]
            kinds = [(answer.kind, answer.when, len(answer.content)) for answer in owed]
            assert len(received) in accumulate(whole, initial=0), (
                f"a cut answer looks whole to {self.name}, {len(received)} of {kinds}"
            )
