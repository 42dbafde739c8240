"""Invariant: whatever an application, its tasks and its peer do in whatever order, both twins of the interface tell the
application the same, log the same, send the same bytes and end in the same way.

    python plugins/asteri-asgi/fuzz/fuzz_asgi.py --seconds 60 [--seed 1]

An application is a random program of messages, right and wrong, of what it receives, awaits, gives to tasks and
cancels. It is stepped by hand, as the tests of the twins do it, or runs in an asyncio loop, where its peer moves and
the call is cancelled between any two turns; upon an exchange in memory, or upon HTTP/1.1 of either twin. A
counter-example is printed with its seed, and the exit status is 1.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from asteri_core.testing.fuzzing import run_target
from asteri_http1.plugin import bind_native, bind_python

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from test_twins import (
    BEGINNINGS,
    BODIES,
    ENDS,
    FACTS,
    FILES,
    LINKS,
    MAPPINGS,
    NAMES,
    REQUESTS,
    SEQUENCES,
    STATUSES,
    TRUTHS,
    TYPES,
    VALUES,
    Play,
    line_of,
    make_message,
    told,
    upon_memory,
    upon_wire,
)

from conftest import IMPLEMENTATIONS, Bench, MemoryExchange, wait

LOG = logging.getLogger("asteri.test")
LOOP_ENDS = [end for end in ENDS if end is None or isinstance(end, Exception)]
"""Others would end the loop."""
PEER_MOVES = ["supply", "complete", "leave", "close", "fail", "break", "fill", "take"]
TURNS = 200
"""Of the loop, after which a call that goes on has been cancelled for the second time and hangs."""


# -- programs -------------------------------------------------------------------------------------------------------


def draw_headers(chance: random.Random) -> Any:
    if chance.random() < 0.03:
        return chance.choice([None, 5, "ab", b"ab", {b"ab": b"c"}])
    pairs: list[Any] = [
        (chance.choice(NAMES[:8]), chance.choice(VALUES[:3])) for _ in range(chance.choice([0, 1, 3, 12]))
    ]
    if chance.random() < 0.1:
        pair = chance.choice(NAMES), chance.choice(VALUES)
        pairs.append(chance.choice([pair, [*pair], (), (b"a",), (b"a", b"b", b"c"), "ab", b"ab", 5, None]))
    return chance.choice(SEQUENCES), pairs


def draw_message(chance: random.Random) -> tuple[Any, dict[str, Any]]:
    """What `make_message` makes a message of."""
    kind = chance.choice(TYPES)
    message: dict[str, Any] = {"type": kind}
    choices: dict[str, dict[str, Any]] = {
        "http.response.start": {"status": STATUSES, "headers": draw_headers, "trailers": TRUTHS},
        "http.response.body": {"body": BODIES, "more_body": TRUTHS},
        "http.response.zerocopysend": {
            "file": ["open", "open", *FILES], "offset": [0, 1, 3, None, -1, "0"], "count": [0, 1, 2, None, -1, "0"],
            "more_body": TRUTHS,
        },
        "http.response.pathsend": {"path": FILES},
        "http.response.early_hint": {"links": LINKS},
        "http.response.trailers": {"headers": draw_headers, "more_trailers": TRUTHS},
        "http.response.debug": {"info": [{"a": 1}, None]},
    }  # fmt: skip
    for key, values in choices.get(str(kind), {}).items():
        seldom = key in ("trailers", "offset", "count", "more_trailers")
        if chance.random() < (0.4 if seldom else 0.9):
            message[key] = values(chance) if callable(values) else chance.choice(values)
    if chance.random() < 0.03:
        del message["type"]
    return chance.choice(MAPPINGS), message


def draw_moves(chance: random.Random, in_loop: bool, depth: int = 0) -> list[tuple[str, Any]]:
    moves: list[tuple[str, Any]] = []
    for _ in range(chance.choice([0, 1, 3, 8])):
        kind = chance.choice([*["send"] * 6, *["receive"] * 2, "peer", *(["turn", "task", "cancel", "drop"] * in_loop)])
        what: Any = None
        if kind in ("send", "drop"):
            what = draw_message(chance)
        elif kind == "peer":
            what = chance.choice(PEER_MOVES)
        elif kind == "task":
            what = draw_moves(chance, in_loop, depth + 1) if depth < 2 else []
        elif kind == "cancel":
            what = chance.randrange(3)
        moves.append((kind, what))
    return moves


def draw_application(chance: random.Random, in_loop: bool) -> dict[str, Any]:
    begun = [("send", message) for message in chance.choice(BEGINNINGS)]
    others = [*PEER_MOVES, "let go", *(["cancel"] if in_loop else ["cancel", "throw"])]
    return {
        "moves": [*begun, *draw_moves(chance, in_loop)],
        "while_waiting": chance.choices(others, k=chance.choice([0, 2, 6])),
        "catches": chance.random() < 0.5,
        "end": chance.choice(LOOP_ENDS if in_loop else ENDS),
        "facts": chance.choice(FACTS),
        "debug": chance.random() < 0.5,
        "root_path": chance.choice(["", "/api", "/A"]),
    }


# -- in a loop ------------------------------------------------------------------------------------------------------


class LoopPlay(Play):
    """A run in an asyncio loop. The peer moves every other turn, whatever the application does."""

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(repr(scope))
        await self.do(self.application["moves"], receive, send)
        if self.application["end"] is not None:
            raise self.application["end"].with_traceback(None)

    async def do(self, moves: list[tuple[str, Any]], receive: Any, send: Any) -> None:
        tasks: list[asyncio.Task[None]] = []
        try:
            for move, what in moves:
                try:
                    await self.step(move, what, receive, send, tasks)
                except Exception as error:
                    self.seen.append(told(error))
                    if not self.application["catches"]:
                        raise
        finally:
            for task in tasks:
                self.seen.append(told(error) if (error := await self.end_of(task)) else "done")

    async def step(self, move: str, what: Any, receive: Any, send: Any, tasks: list[asyncio.Task[None]]) -> None:
        if move == "send":
            self.seen.append(await send(make_message(what, self.file)))
        elif move == "receive":
            self.seen.append(await receive())
        elif move == "turn":
            await asyncio.sleep(0)
        elif move == "task":
            tasks.append(asyncio.create_task(self.do(what, receive, send)))
            tasks[-1].add_done_callback(lambda task: task.cancelled() or task.exception())
        elif move == "cancel" and tasks:
            tasks[what % len(tasks)].cancel()
        elif move == "drop":
            send(make_message(what, self.file)).close()
        elif move == "peer":
            self.peer(what)

    async def end_of(self, task: asyncio.Task[None]) -> BaseException | None:
        """What a task has ended with. A call that is cancelled meanwhile goes on to be so."""
        await asyncio.wait([task])
        return asyncio.CancelledError() if task.cancelled() else task.exception()

    def run(self, exchange: Any, peer: Any) -> list[Any]:
        self.peer = peer
        handler = self.bench.handler(
            self.app, root_path=self.application["root_path"], asgi_debug=self.application["debug"]
        )
        LOOP.run_until_complete(self.turn(handler(exchange, wait)))
        return self.seen

    async def turn(self, call: Any) -> None:
        task = asyncio.ensure_future(call)
        for move in self.application["while_waiting"]:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self.move(task, move)
        for turn in range(TURNS):
            if turn == TURNS // 4:
                self.move(task, "close")
            elif turn > TURNS // 2 and turn % 10 == 0:
                self.move(task, "cancel")
            await asyncio.sleep(0)
            if task.done():
                break
        assert task.done(), "the call goes on for ever"
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            # Left alone by an application that was cancelled while it waited for them.
            for other in others:
                other.cancel()
            await asyncio.wait(others)
        self.seen.append("cancelled" if task.cancelled() else told(error) if (error := task.exception()) else "done")

    def move(self, task: asyncio.Task[None], move: str) -> None:
        if task.done():
            return
        self.seen.append(move)
        if move == "cancel":
            task.cancel()
        elif move != "let go":
            self.peer(move)


LOOP = asyncio.new_event_loop()


# -- the target -----------------------------------------------------------------------------------------------------


class Lines(logging.Handler):
    """What was logged since it was last asked."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []
        self.emit = self.records.append  # type: ignore[method-assign]

    def take(self) -> list[Any]:
        lines = [line_of(record) for record in self.records]
        self.records.clear()
        return lines


def main() -> int:
    lines = Lines()
    LOG.setLevel(logging.DEBUG)
    LOG.addHandler(lines)
    LOG.propagate = False
    benches = {name: Bench(LOG, implementation) for name, implementation in IMPLEMENTATIONS.items()}

    def play(seed: int) -> None:
        chance = random.Random(seed)
        in_loop = chance.random() < 0.5
        application = draw_application(chance, in_loop)
        kind = LoopPlay if in_loop else Play
        bind = chance.choice([None, bind_python, bind_native])
        request = chance.choice(REQUESTS)
        outcomes = []
        for bench in benches.values():
            file.seek(0)
            made = kind(bench, application, file)
            found = upon_wire(made, bind, request) if bind else upon_memory(made, MemoryExchange)
            outcomes.append([*found, *lines.take()])
        assert outcomes[0] == outcomes[1], f"{outcomes}\n{application}"

    with tempfile.TemporaryFile() as file:
        file.write(b"0123")
        file.flush()
        return run_target(play, __doc__)


if __name__ == "__main__":
    sys.exit(main())
