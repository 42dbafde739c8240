"""Invariant: whatever an application does with the interface, right or wrong, all twins send the same bytes, wait for
the same, raise and log the same errors, give it the same environ, and close what it returns as often.

    python plugins/asteri-wsgi/fuzz/fuzz_wsgi.py --seconds 60 [--seed 1]

An application is a random program: what it does when it is called, between the blocks of what it returns, and when that
is closed. It is played to each of the twins of the tests over a real HTTP/1.1 connection in memory, whose peer sends
the body at once, or in pieces when it is waited for, and may leave. A counter-example is printed with its seed, and the
exit status is 1.
"""

from __future__ import annotations

import io
import logging
import os
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from asteri_core.testing.fuzzing import run_target

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from test_twins import (
    BLOCK_VALUES,
    ERROR_VALUES,
    FIELD_VALUES,
    LIST_VALUES,
    MISUSES,
    REQUESTS,
    STATUS_VALUES,
    Returned,
    Sized,
    outcome,
    perform,
)

from conftest import LOG, TWINS, Client

EXPECTING = b"POST /a%20b?c=d HTTP/1.1\r\nHost: e\r\nExpect: 100-continue\r\n"
BODIES: list[tuple[bytes, list[bytes]]] = [
    *[(request, []) for request in REQUESTS],
    (EXPECTING + b"Content-Length: 10\r\n\r\n", [b"a\nb", b"\ncde", b"f\n0"]),
    (EXPECTING + b"Content-Length: 10\r\n\r\n", [b"hell"]),
    (EXPECTING + b"Transfer-Encoding: chunked\r\n\r\n", [b"5\r\nhe\nlo\r\n", b"1\r\n!\r\n0\r\nx-a: b\r\n\r\n"]),
    (EXPECTING + b"Transfer-Encoding: chunked\r\n\r\n", [b"5\r\nhello\r\n", b"z\r\n"]),
    (EXPECTING + b"Content-Length: 5\r\nConnection: close\r\n\r\n", [b"hello"]),
    (b"GET http://e/x HTTP/1.1\r\nHost: e\r\nCookie: a\r\nCookie: b\r\nX-Y: z\r\nX-Y: y\r\n\r\n", []),
]
"""What a peer sends, and what it sends each time when it is waited for."""
READS = [
    ("read",), ("read", 0), ("read", 2), ("read", -1), ("readline",), ("readline", 1), ("readlines",), ("readlines", 3),
    ("read", None), ("read", "2"), ("__next__",),
]  # fmt: skip
KINDS = [
    *["list", "tuple", "iterable", "sized", "generator"] * 3,
    *["file", "real file", "text", "none", "iterator", "broken"],
]


class Broken(Returned):
    """An iterable that is none."""

    def __iter__(self) -> Any:
        raise self.on_close or ValueError("not to be iterated")


class Program:
    """What one application does, to be made again for each twin."""

    def __init__(self, chance: random.Random, file: Any) -> None:
        self.chance = chance
        self.file = file
        start = [self.step("start")] if chance.random() < 0.9 else []
        self.called = [*self.steps(0.3, 2), *start, *self.steps(0.7, 3)]
        self.between = [self.steps(0.3, 2) for _ in range(5)]
        self.closing = self.steps(0.2, 2)
        self.blocks = [self.value(BLOCK_VALUES) for _ in range(chance.choice([0, 1, 1, 2, 5]))]
        self.kind = chance.choice(KINDS)
        self.length = chance.choice([0, 1, 1, 2, len(self.blocks)])
        self.on_close = chance.choice([*[None] * 6, *ERROR_VALUES])
        self.block_size = chance.choice([(), (3,), (8192,), (-1,), ("x",)])
        self.offset = chance.choice([0, 0, 5, 200_000])
        self.catches = chance.random() < 0.5

    def value(self, values: Sequence[Sequence[Any]]) -> Any:
        good, bad = values
        return self.chance.choice(bad if self.chance.random() < 0.08 else good)

    def steps(self, probability: float, most: int) -> list[Any]:
        return [self.step() for _ in range(self.chance.randint(0, most))] if self.chance.random() < probability else []

    def step(self, kind: str = "") -> Any:
        chance = self.chance
        kind = kind or chance.choice(
            ["write", "write", "replace", "hints", "start", "raise", "misuse", *["read"] * 3, "log", "leave"]
        )
        if kind in ("start", "replace"):
            return kind, self.value(STATUS_VALUES), self.headers()
        arguments: dict[str, Callable[[], tuple[Any, ...]]] = {
            "write": lambda: (self.value(BLOCK_VALUES),),
            "hints": lambda: (self.headers(),),
            "raise": lambda: (chance.choice(ERROR_VALUES),),
            "misuse": lambda: (chance.choice(MISUSES),),
            "read": lambda: chance.choice(READS),
            "log": lambda: (chance.choice(["one\n", "half", "a\nb\x1b\n", "", b"bytes"]),),
            "leave": lambda: (),
        }
        return kind, *arguments[kind]()

    def headers(self) -> Any:
        if self.chance.random() < 0.05:
            return self.chance.choice(LIST_VALUES)
        return [self.value(FIELD_VALUES) for _ in range(self.chance.choice([0, 1, 2, 3]))]

    def make(self, leave: Callable[[], None], caught: list[Any]) -> Callable[..., Any]:
        """The application, for one twin; what it sees is added to ``caught``."""
        noted = caught if self.catches else None

        def application(environ: dict[str, Any], start_response: Any) -> Any:
            def act(steps: Sequence[Any]) -> None:
                bound = [("call", leave) if step[0] == "leave" else step for step in steps]
                perform(bound, environ, start_response, noted, caught)

            caught.append(seen_of(environ))
            act(self.called)
            return self.returned(environ, act, caught)

        return application

    def returned(self, environ: dict[str, Any], act: Callable[[Sequence[Any]], None], caught: list[Any]) -> Any:
        kind = self.kind
        if kind == "file":
            content = b"".join(block for block in self.blocks if type(block) is bytes)
            return environ["wsgi.file_wrapper"](io.BytesIO(content), *self.block_size)
        if kind == "real file":
            file = os.fdopen(os.dup(self.file.fileno()), "rb")  # who sends it closes it
            file.seek(self.offset)
            return environ["wsgi.file_wrapper"](file, *self.block_size)
        made = {"sized": Sized, "broken": Broken}.get(kind, Returned)
        returned = made(self.blocks, lambda number: act(self.between[number]), self.on_close)
        returned.length = self.length
        returned.close = lambda: (act(self.closing), made.close(returned))
        caught.append(returned)
        return {
            "list": list(self.blocks), "tuple": tuple(self.blocks), "generator": iter(returned), "text": "text",
            "none": None, "iterator": map(bytes, [b"a", b"b"]),
        }.get(kind, returned)  # fmt: skip


def seen_of(environ: dict[str, Any]) -> Any:
    """The environ without what is an object of the twin's own."""
    seen = {name: value for name, value in environ.items() if isinstance(value, str | int | tuple | bool)}
    return seen, sorted(environ)


class Records(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []
        self.emit = self.records.append  # type: ignore[method-assign]


def main() -> int:
    handler = Records()
    LOG.setLevel(logging.DEBUG)
    LOG.addHandler(handler)
    LOG.propagate = False
    with tempfile.TemporaryFile() as file:
        file.write(random.Random(0).randbytes(150_000))
        file.flush()

        def play(seed: int) -> None:
            chance = random.Random(seed)
            program = Program(chance, file)
            request, later = chance.choice(BODIES)
            options = {"root_path": chance.choice(["", "/a"]), "threads": chance.random() < 0.5}
            outcomes = {}
            for twin in TWINS:
                handler.records.clear()
                for error in ERROR_VALUES:
                    error.__context__ = None
                caught: list[Any] = []
                application = program.make(lambda: client.leave(), caught)  # noqa: B023
                client = Client(twin, application, **options)  # type: ignore[arg-type]
                client.later = list(later)
                outcomes[twin] = outcome(client, request, caught, handler.records)
            for twin, found in outcomes.items():
                assert found == outcomes["py"], f"{twin}: {found}\npy: {outcomes['py']}\n{vars(program)}"

        return run_target(play, __doc__)


if __name__ == "__main__":
    sys.exit(main())
