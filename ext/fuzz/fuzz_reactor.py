"""Invariant: whatever peers and callbacks do in whatever order, through whatever door the reactor is turned, every peer
gets the bytes it is owed (or a first part of them, if it was cut), nothing hangs, nothing is called that has ended, and
everything is given back.

    python ext/fuzz/fuzz_reactor.py --seconds 60 [--seed 1]

A script of what peers, callbacks, threads and the time do is drawn at random, and played with real sockets to the
Python reactor, to the C reactor with connections in Python, and to the C reactor with native ones. What the twins have
to agree in is what each peer is owed, and that follows from the script alone (`peers`). A counter-example is printed
with its seed and script, and the exit status is 1.
"""

from __future__ import annotations

import contextlib
import random
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from asteri_core.api import Peer, Sniff
from asteri_core.sansio.router import Route
from asteri_core.testing import FakeClock
from asteri_core.testing.fuzzing import SECONDS, run_target

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "asteri_core" / "tests"))
from doors import DOORS
from peers import BULK, Answer, Client
from python_lines import Lines as PythonLines
from test_reactor_native import Lines as NativeServed
from watching import Interrupt, Mischief, descriptors, logged_to

from conftest import TWINS, Served

ROOT = Path(__file__).parents[2]
STEPS = {
    "connect": 5, "ask": 30, "push": 5, "read": 12, "half_close": 2, "vanish": 2, "answer": 12, "hold": 4, "wake": 2,
    "set_timer": 3, "cancel": 2, "post": 3, "watch": 3, "unlisten": 1, "listen": 2, "accept": 1, "expire": 1, "fail": 1,
    "pass": 3, "leap": 0.3, "drain": 0.3, "abandon": 0.2, "flush": 4, "turn": 40,
}  # fmt: skip
"""What may happen, and how often."""


class Moment:
    """A timer of the script."""

    def __init__(self, when: float, turn: int) -> None:
        self.when = when
        self.turn = turn
        self.is_over = False
        self.timer: Any = None


class Watched:
    """A descriptor that the reactor watches besides."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.unread = 0
        self.is_watched = True


class Play:
    """One script, played to one reactor."""

    def __init__(self, seed: int, twin: Any, native: Any, file: Any) -> None:
        chance = random.Random(f"options {seed}")
        self.seed = seed
        self.twin = twin
        self.native = native
        self.file = file
        self.clock = FakeClock()
        self.served = Served(twin.Reactor, clock=self.clock, max_connections=chance.choice([2, 5, 1000, 1000]))
        self.reactor = self.served.reactor
        self.reactor.accept_batch = chance.choice([1, 3, 8])
        self.flush_later = NativeServed(self.served, native).flush_later if native else self.flush
        self.served.factory = self.route if chance.random() < 0.3 else self.connect_lines
        self.reactor.started, self.reactor.finished = self.started, self.finished
        self.door: Callable[[Any, Any], Any] = chance.choice([*DOORS.values()])
        self.turn: Callable[[], object] = lambda: None
        self.turns = self.depth = self.numbers = 0
        self.is_listening = True
        self.made: list[Any] = []
        self.clients: list[Client] = []
        self.asked: dict[int, Client] = {}
        self.answers: dict[int, Answer] = {}
        self.running: set[int] = set()
        self.pending: list[Any] = []
        self.threads: list[threading.Thread] = []
        self.moments: list[Moment] = []
        self.watched: list[Watched] = []
        self.posted = 0
        self.posts: list[int] = []
        self.wrong: list[str] = []

    def play(self, script: list[tuple[str, int]]) -> None:
        try:
            with logged_to(self.wrong.append), self.door(self.twin, self.reactor) as self.turn:
                for name, number in script:
                    with contextlib.suppress(Interrupt):
                        getattr(self, f"step_{name}")(random.Random(number))
                    assert not self.wrong, self.wrong
                self.settle()
        finally:
            self.end()

    # -- the server --------------------------------------------------------------------------------------------------

    def connect_lines(self, peer: Peer, now: float) -> Any:
        made = self.native.Lines(peer, now) if self.native else PythonLines(peer, now, self.wrong.append)
        self.made.append(made)
        return made

    def route(self, peer: Peer, now: float) -> Any:
        def sniff(data: bytes) -> Sniff:
            return Sniff.YES if b"\n" in data or len(data) > 2 else Sniff.MORE

        return self.twin.Router([Route("lines", sniff, self.connect_lines)], peer, now + 1e6)

    def started(self, line: Any) -> None:
        number = int(line.target.rstrip(b"x"))
        client = self.asked[number]
        answer = client.asked[client.started]
        if self.asked_of(line) is not answer:
            self.wrong.append(f"{number} of {client.name} has started out of order")
        client.started += 1
        self.running.add(number)
        if answer.when == "raise":
            raise Mischief
        if answer.when == "now":
            self.give(line)
        elif answer.when == "thread":
            thread = threading.Thread(target=self.give_under_lock, args=(line,))
            thread.start()
            self.threads.append(thread)
        elif answer.when == "post":
            self.reactor.post(lambda: self.give(line))
        elif answer.when == "timer":
            self.reactor.call_at(self.clock() + 0.01, lambda: self.give(line))
        elif answer.when == "nested" and self.depth < 3:
            self.turn_within(line)
        else:
            self.pending.append(line)
        if answer.when == "interrupt":
            raise Interrupt

    def turn_within(self, line: Any) -> None:
        self.depth += 1
        try:
            self.reactor.poll(0)
        except Interrupt:
            self.pending.append(line)
            raise
        finally:
            self.depth -= 1
        self.give(line)

    def finished(self, line: Any) -> None:
        number = int(line.target.rstrip(b"x"))
        if number not in self.running:
            self.wrong.append(f"{number} has finished without running")
        self.running.discard(number)
        if number % 7 == 0 and self.pending:
            self.give(self.pending.pop(0))

    def asked_of(self, line: Any) -> Answer:
        number = int(line.target.rstrip(b"x"))
        return self.answers[number]

    def give(self, line: Any) -> None:
        with contextlib.suppress(ConnectionError):
            self.asked_of(line).give(line, self.file, not self.native)

    def give_under_lock(self, line: Any) -> None:
        with contextlib.suppress(Interrupt), self.reactor.lock:
            self.give(line)
            self.reactor.flush()

    def flush(self) -> None:
        with self.reactor.lock:
            self.reactor.flush()

    def moment_has_come(self, moment: Moment) -> None:
        if moment.is_over or self.clock() < moment.when:
            self.wrong.append(f"a timer for {moment.when} was called at {self.clock()}")
        moment.is_over = True
        for other in self.moments:
            if not other.is_over and other.turn < self.turns and other.when < moment.when:
                self.wrong.append(f"the timer for {moment.when} was called before the one for {other.when}")
        if self.pending and len(self.moments) % 2:
            self.give(self.pending.pop())
        elif len(self.moments) % 3 == 0:
            self.step_cancel(random.Random(len(self.moments)))

    def is_ready(self, watched: Watched, mask: int) -> None:
        if not watched.is_watched:
            self.wrong.append("called for a descriptor that is not watched")
            return
        with contextlib.suppress(BlockingIOError):  # a turn within this one was first
            watched.unread -= len(watched.near.recv(100))
        if self.turns % 2:
            self.unwatch(watched)

    def unwatch(self, watched: Watched) -> None:
        watched.is_watched = False
        self.reactor.remove(watched.near)

    # -- steps -------------------------------------------------------------------------------------------------------

    def step_turn(self, chance: random.Random) -> None:
        self.turns += 1
        with contextlib.suppress(Interrupt):
            self.turn()
        for thread in self.threads:
            thread.join()
        self.threads.clear()

    def step_connect(self, chance: random.Random) -> None:
        if len(self.clients) >= 20:
            return
        if chance.random() < 0.4:
            sock, other = socket.socketpair()
            name: Any = f"pair {len(self.clients)}"
            with self.reactor.lock:
                self.reactor.attach(other, Peer(name, ""), self.served.factory)
        else:
            sock = socket.socket()
            if chance.random() < 0.3:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(5)
            try:
                sock.connect(self.served.listener.getsockname())
            except TimeoutError:  # the system's affair: nobody has turned meanwhile
                sock.close()
                return
            name = sock.getsockname()
        self.clients.append(Client(sock, name))

    def client(self, chance: random.Random) -> Client | None:
        alive = [client for client in self.clients if not client.end]
        return chance.choice(alive) if alive else None

    def step_ask(self, chance: random.Random) -> None:
        client = self.client(chance)
        if client is None or client.is_shut or len(client.asked) > 60:
            return
        for _ in range(chance.choice([1, 1, 2, 6])):
            self.numbers += 1
            answer = self.answers[self.numbers] = Answer(self.numbers, self.seed)
            self.asked[self.numbers] = client
            client.ask(b"%d%s\n" % (self.numbers, b"x" * chance.choice([0, 0, 0, 0, 0, 3, 700])), answer)
        client.push(chance.choice([1, 2, 5, *[1 << 20] * 9]))

    def step_push(self, chance: random.Random) -> None:
        if client := self.client(chance):
            client.push()

    def step_read(self, chance: random.Random) -> None:
        if client := self.client(chance):
            client.read(chance.choice([1, 1000, 70_000, 1 << 20]))

    def step_half_close(self, chance: random.Random) -> None:
        if client := self.client(chance):
            client.half_close()

    def step_vanish(self, chance: random.Random) -> None:
        if client := self.client(chance):
            client.vanish(chance.random() < 0.5)

    def step_answer(self, chance: random.Random) -> None:
        if self.pending:
            self.give(self.pending.pop(chance.randrange(len(self.pending))))

    def step_hold(self, chance: random.Random) -> None:
        if self.made:
            made = chance.choice(self.made)
            made.held = not made.held
            made.wake()

    def step_wake(self, chance: random.Random) -> None:
        if self.made:
            chance.choice(self.made).wake()
        self.reactor.wake()

    def step_set_timer(self, chance: random.Random) -> None:
        moment = Moment(self.clock() + chance.choice([-1, 0, 0.1, 0.1, 0.5, 5]), self.turns)
        moment.timer = self.reactor.call_at(moment.when, lambda: self.moment_has_come(moment))
        self.moments.append(moment)

    def step_cancel(self, chance: random.Random) -> None:
        if self.moments:
            moment = chance.choice(self.moments)
            moment.is_over = True
            moment.timer.cancel()

    def step_post(self, chance: random.Random) -> None:
        number = self.posted
        self.posted += 1
        thread = threading.Thread(target=self.reactor.post, args=(lambda: self.posts.append(number),))
        thread.start()
        try:
            if chance.random() < 0.2:
                self.reactor.poll(100)
        finally:
            thread.join()

    def step_watch(self, chance: random.Random) -> None:
        if len(self.watched) < 3:
            watched = Watched()
            self.watched.append(watched)
            self.reactor.add(watched.near, 1, lambda mask: self.is_ready(watched, mask))
            return
        watched = chance.choice(self.watched)
        if watched.is_watched and chance.random() < 0.2:
            self.unwatch(watched)
        elif watched.is_watched and chance.random() < 0.2:
            self.reactor.change(watched.near, 1, lambda mask: self.is_ready(watched, mask))
        elif watched.is_watched:
            watched.unread += watched.far.send(b"x")

    def step_unlisten(self, chance: random.Random) -> None:
        self.reactor.unlisten()
        self.is_listening = False

    def step_listen(self, chance: random.Random) -> None:
        if not self.is_listening:
            self.is_listening = True
            self.reactor.listen(self.served.listener, lambda peer, now: self.served.factory(peer, now))

    def step_accept(self, chance: random.Random) -> None:
        with self.reactor.lock:
            self.reactor.accept_waiting()

    def step_expire(self, chance: random.Random) -> None:
        if self.made:
            made = chance.choice(self.made)
            made.due = self.clock() + chance.choice([0, 0.1, 3])
            made.wake()
            self.risk(made)

    def step_fail(self, chance: random.Random) -> None:
        if self.made and not self.native:
            made = chance.choice(self.made)
            made.failure = Mischief()
            self.risk(made)

    def step_pass(self, chance: random.Random) -> None:
        """So little that nobody is cut for it."""
        self.clock.advance(chance.choice([0.001, 0.02, 0.02]))

    def step_leap(self, chance: random.Random) -> None:
        self.risk()
        self.clock.advance(chance.choice([2, 35]))

    def step_drain(self, chance: random.Random) -> None:
        self.risk()
        self.is_listening = False
        with self.reactor.lock:
            self.reactor.drain(self.clock() + 1)

    def step_abandon(self, chance: random.Random) -> None:
        self.risk()
        self.is_listening = False
        with self.reactor.lock:
            self.reactor.abandon()

    def step_flush(self, chance: random.Random) -> None:
        self.flush() if chance.random() < 0.3 else self.flush_later()

    def risk(self, made: Any = None) -> None:
        """Of one connection, or of all."""
        for client in self.clients:
            client.at_risk |= made is None or client.name == made.peer.address

    # -- the end -----------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """All is answered and read; then every peer has had what it is owed, and has ended."""
        chance = random.Random(self.seed)
        self.step_listen(chance)
        for made in self.made:
            made.held = 0
            made.wake()
        end = time.monotonic() + SECONDS
        quiet = turns = 0
        while quiet < len(self.clients) + 3:  # some that have left may still wait to be accepted
            turns += 1
            assert turns < 1000 or time.monotonic() < end, self.what_hangs()
            for made in self.made[-len(self.clients) :]:
                made.held = 0
            for line in self.pending:
                self.give(line)
            self.pending.clear()
            self.step_turn(chance)
            news = [self.help(client) for client in self.clients]
            if not any(news):
                self.clock.advance(0.01 if not all(client.at_risk for client in self.clients) else 1.0)
            over = not self.reactor.connections and all(client.end for client in self.clients)
            quiet = quiet + 1 if over else 0
        self.clock.advance(10)
        self.step_turn(chance)
        self.check()

    def help(self, client: Client) -> bool:
        """Let a client go on; whether it has."""
        client.push()
        news = False
        while client.read():
            news = True
        owed = client.owed
        if client.all_has_left and (client.at_risk or len(client.received) >= sum(len(a.content) for a in owed)):
            client.half_close()
        return news

    def check(self) -> None:
        assert not self.wrong, self.wrong
        for client in self.clients:
            client.check()
        lines = [] if self.native else [made.unended for made in self.made if made.unended]
        running = self.running - {int(line.target.rstrip(b"x")) for line in lines}
        assert not running, f"{running} never finished"
        assert all(moment.is_over for moment in self.moments), "a timer was never called"
        assert self.posts == [*range(self.posted)], f"posts came as {self.posts}"
        assert not any(watched.unread for watched in self.watched if watched.is_watched), "a descriptor was forgotten"

    def what_hangs(self) -> str:
        clients = [f"{client.name}: {len(client.received)} bytes" for client in self.clients if not client.end]
        return f"{self.reactor.connections} connections and {clients} hang"

    def end(self) -> None:
        for watched in self.watched:
            if watched.is_watched:
                self.reactor.remove(watched.near)
            watched.near.close()
            watched.far.close()
        self.served.close()
        for client in self.clients:
            client.sock.close()


def load_native() -> Any:
    """Compile the native lines as the tests do."""
    spec = spec_from_file_location("root_conftest", ROOT / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    root = module_from_spec(spec)
    spec.loader.exec_module(root)
    with tempfile.TemporaryDirectory() as folder:
        return root.build_extension(Path(folder), "native_lines", [ROOT / "asteri_core" / "tests" / "native_lines.c"])


def main() -> int:
    native = load_native()
    python, c = (import_module(name) for name in TWINS.values())
    with tempfile.TemporaryFile() as file:
        file.write(BULK)
        file.flush()

        def play(seed: int) -> None:
            chance = random.Random(seed)
            names = chance.choices([*STEPS], [*STEPS.values()], k=chance.choice([30, 100, 300]))
            script = [(name, chance.randrange(1 << 32)) for name in names]
            for called, twin, lines in (("Python", python, None), ("C", c, None), ("C, native peers", c, native)):
                before = descriptors()
                try:
                    Play(seed, twin, lines, file).play(script)
                    assert descriptors() == before, "a descriptor was not given back"
                except Exception as error:
                    error.add_note(f"in {called}, script {' '.join(names)}")
                    raise

        return run_target(play, __doc__)


if __name__ == "__main__":
    sys.exit(main())
