"""22. A thousand slow and idle peers at once, while good requests are answered in time; and every one of them is ended.

"Slowloris" (CVE-2007-6750) and its relatives: slow heads, slow bodies, slow readers, windows of zero, silence. The
time-outs are set short, so that the test is; each slow peer dribbles a byte now and then, which must not save it.
"""

from __future__ import annotations

import contextlib
import select
import selectors
import time
from collections.abc import Callable, Iterator

import pytest
from attacking.case import head
from attacking.target import Attacked, attacked, targets
from attacking.wire import STATUS, Client

EACH = 200
READERS = 40
"""Fewer: each holds a send buffer of the operating system."""
TIME_OUT = 1.5
OPTIONS = ("--header-timeout", "--body-timeout", "--keep-alive", "--write-timeout", "--handshake-timeout")
IN_TIME = 1.0
"""Seconds in which nearly every good request is answered. One may meet a pause of the machine, which is nobody's."""


def in_time(seconds: list[float]) -> bool:
    return sorted(seconds)[len(seconds) * 3 // 4] < IN_TIME


@pytest.fixture(scope="module", params=targets("sync", "asgi", "gthread"), ids=str)
def impatient(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    options = [part for option in OPTIONS for part in (option, str(TIME_OUT))]
    with attacked(request.param, tmp_path_factory.mktemp("slow"), *options, "--worker-connections", "2000") as attack:
        yield attack


class Slow:
    """One peer that is in no hurry: it has sent ``first`` and goes on with ``more``, a byte at a time, for ever."""

    def __init__(self, attack: Attacked, first: bytes, more: bytes, receive_buffer: int = 0) -> None:
        while True:
            begun = time.monotonic()
            self.client: Client = attack.client(receive_buffer=receive_buffer)
            self.client.send(first)
            if time.monotonic() - begun < TIME_OUT / 3:
                break
            self.client.socket.close()  # a pause of the machine: it may be ended for having said nothing at all
        self.more = more
        self.received = b""
        self.client.socket.setblocking(False)

    def dribble(self) -> None:
        with contextlib.suppress(OSError):
            self.client.socket.send(self.more)


KINDS: dict[str, tuple[int, bytes, bytes, tuple[int, ...]]] = {
    # how many, first bytes, bytes that follow, statuses before the end
    "silent": (EACH, b"", b"", ()),
    "slow head": (EACH, b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"a", (408,)),
    "slow empty line": (EACH // 4, b"\r\n", b"", ()),
    "slow length": (EACH, head(b"Content-Length: 100000", first=b"POST / HTTP/1.1"), b"a", (408,)),
    "slow chunks": (EACH // 4, head(b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.1"), b"1\r\na\r\n", (408,)),
    "slow extension": (EACH // 4, head(b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.1") + b"1;", b"a", (408,)),
    "slow trailers": (
        EACH // 4,
        head(b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.1") + b"0\r\nX:",
        b"a",
        (408,),
    ),
    "idle": (EACH, head(), b"", (200,)),
    "idle, then a slow head": (EACH // 4, head() + b"GET / HTTP/1.1\r\nX: ", b"a", (200, 408)),
}


def ended(peers: list[Slow], until: float, meanwhile: Callable[[], None]) -> list[Slow]:
    """Dribbles and reads until all have been ended by the server, or it is too late; those that have been."""
    done = []
    with selectors.DefaultSelector() as selector:
        for peer in peers:
            selector.register(peer.client.socket, selectors.EVENT_READ, peer)
        dribble_at = 0.0
        while selector.get_map() and time.monotonic() < until:
            if time.monotonic() >= dribble_at:
                dribble_at = time.monotonic() + 0.3
                for key in list(selector.get_map().values()):
                    key.data.dribble()
            for key, _ in selector.select(0.05):
                try:
                    data = key.fileobj.recv(65536)
                except ConnectionResetError:
                    data = b""
                key.data.received += data
                if not data:
                    selector.unregister(key.fileobj)
                    done.append(key.data)
            meanwhile()
    return done


def test_good_requests_are_answered_among_a_thousand_slow_ones_which_all_end(impatient: Attacked) -> None:
    impatient.records()
    with contextlib.ExitStack() as stack:
        peers: dict[str, list[Slow]] = {}
        for kind, (count, first, more, _) in KINDS.items():
            peers[kind] = [Slow(impatient, first, more) for _ in range(count)]
        everyone = [peer for group in peers.values() for peer in group]
        for peer in everyone:
            stack.enter_context(peer.client)
        taken: list[float] = []

        def try_good_request() -> None:
            start = time.monotonic()
            assert impatient.get().status == 200
            taken.append(time.monotonic() - start)

        done = ended(everyone, time.monotonic() + TIME_OUT * 2 + 5, try_good_request)
        assert in_time(taken), taken
        for kind, group in peers.items():
            *_, statuses = KINDS[kind]
            assert len([peer for peer in group if peer in done]) == len(group), f"{kind}: not all were ended"
            assert {tuple(map(int, STATUS.findall(peer.received))) for peer in group} == {statuses}, kind
    impatient.check_alive()


def test_readers_that_do_not_read_hold_up_nobody_and_end(impatient: Attacked) -> None:
    """A window of zero: the answer does not fit into the buffers, and none of it is taken."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(impatient.client(receive_buffer=4096)) for _ in range(READERS)]
        for client in clients:
            client.send(head(first=b"GET /large HTTP/1.1"))
        assert impatient.get().status == 200  # all of them have been accepted now
        until, got = time.monotonic() + TIME_OUT + 8, dict.fromkeys(clients, 0)
        taken: list[float] = []
        cut = select.poll()
        for client in clients:
            cut.register(client.socket, 0)
        while len(cut.poll(0)) < READERS and time.monotonic() < until:
            start = time.monotonic()
            assert impatient.get().status == 200
            taken.append(time.monotonic() - start)
        assert len(cut.poll(0)) == READERS
        assert not taken or in_time(taken), taken
        for client in clients:
            with contextlib.suppress(ConnectionResetError):
                while piece := client.socket.recv(1 << 20):
                    got[client] += len(piece)
        assert all(0 < size < 32 << 20 for size in got.values()), "one has got everything"
    impatient.check_alive()


def test_a_slow_reader_who_does_read_gets_everything(impatient: Attacked) -> None:
    for _ in range(5):
        longest, size = 0.0, 0
        with impatient.client(receive_buffer=65536) as client, contextlib.suppress(ConnectionResetError):
            client.send(head(b"Connection: close", first=b"GET /large HTTP/1.1"))
            last = time.monotonic()
            while piece := client.socket.recv(65536):
                size += len(piece)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
        if longest < TIME_OUT / 3:
            break  # else we, or the machine, have paused, and were a reader who does not read
    assert size > 32 << 20
