"""22. Slow and idle peers of HTTP/2: good requests are answered meanwhile, and every one of them is ended.

"Data dribble" (CVE-2019-9511), "0-length window" (CVE-2019-9517), Slowloris in header blocks. The time-outs are short,
so that the test is; what a slow peer dribbles must not save it.
"""

from __future__ import annotations

import contextlib
import selectors
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attacking.http2 import (
    CONTINUATION,
    ENHANCE_YOUR_CALM,
    HEADERS,
    NO_ERROR,
    PING,
    PREFACE,
    SETTINGS,
    Http2Client,
    data,
    fields,
    frame,
    settings,
    window,
)
from attacking.target import Attacked, Target, attacked, targets

from .conftest import HTTP2, TARGETS

EACH = 40
TIME_OUT = 2.5
OPTIONS = (
    "--header-timeout",
    "--body-timeout",
    "--keep-alive",
    "--write-timeout",
    "--handshake-timeout",
    "--http2-window-timeout",
)
IN_TIME = 1.0
"""Seconds in which nearly every good request is answered. One may meet a pause of the machine, which is nobody's."""
POST = fields(method=b"POST", path=b"/read")


@pytest.fixture(scope="module", params=TARGETS, ids=str)
def impatient(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    options = [part for option in OPTIONS for part in (option, str(TIME_OUT))]
    with attacked(request.param, tmp_path_factory.mktemp("slow"), *options, "--worker-connections", "2000") as attack:
        yield attack


Begin = Callable[[Http2Client], bytes]
KINDS: dict[str, tuple[Begin, bytes, int | None]] = {
    # first bytes, bytes that follow now and then, and the code with which the connection is ended
    "idle": (lambda peer: b"", b"", NO_ERROR),
    "idle behind a request": (lambda peer: peer.head(1, fields()), b"", NO_ERROR),
    "idle, but for unknown frames": (lambda peer: b"", frame(0xFF, 0, 0), NO_ERROR),
    "idle, but for PING": (lambda peer: b"", frame(PING, 0, 0, bytes(8)), NO_ERROR),
    "idle, but for windows": (lambda peer: b"", window(0, 1), NO_ERROR),
    "a block without an end": (lambda peer: frame(HEADERS, 1, 1), b"", ENHANCE_YOUR_CALM),
    "a block that dribbles": (lambda peer: frame(HEADERS, 1, 1), frame(CONTINUATION, 0, 1, b"\x82"), ENHANCE_YOUR_CALM),
}


class Slow:
    """One peer that is in no hurry."""

    def __init__(self, attack: Attacked, begin: Begin, more: bytes, stack: contextlib.ExitStack) -> None:
        self.peer = stack.enter_context(Http2Client(attack.client()))
        self.peer.greeted()
        self.peer.send(begin(self.peer))
        self.more = more

    def dribble(self) -> None:
        with contextlib.suppress(OSError):
            self.peer.client.socket.send(self.more)


def ended(peers: list[Slow], until: float, meanwhile: Callable[[], None]) -> None:
    """Dribbles and reads until all have been ended by the server, or it is too late."""
    with selectors.DefaultSelector() as selector:
        for one in peers:
            selector.register(one.peer.client.socket, selectors.EVENT_READ, one)
        dribble_at = 0.0
        while selector.get_map() and time.monotonic() < until:
            if time.monotonic() >= dribble_at:
                dribble_at = time.monotonic() + 0.4
                for key in list(selector.get_map().values()):
                    key.data.dribble()
            for key, _ in selector.select(0.05):
                key.data.peer._receive()
                if key.data.peer.closed:
                    selector.unregister(key.fileobj)
            meanwhile()


def test_good_requests_are_answered_among_hundreds_of_slow_peers_which_all_end(impatient: Attacked) -> None:
    impatient.records()
    taken: list[float] = []

    def try_good_request() -> None:
        start = time.monotonic()
        assert impatient.get().status == 200
        taken.append(time.monotonic() - start)

    with contextlib.ExitStack() as stack:
        peers = {kind: [Slow(impatient, *KINDS[kind][:2], stack) for _ in range(EACH)] for kind in KINDS}
        everyone = [one for group in peers.values() for one in group]
        ended(everyone, time.monotonic() + 2 * TIME_OUT + 5, try_good_request)
        for kind, group in peers.items():
            assert all(one.peer.closed for one in group), f"{kind}: not all were ended"
            assert {one.peer.goaways[-1] for one in group} == {KINDS[kind][2]}, kind
    assert sorted(taken)[len(taken) * 3 // 4] < IN_TIME, taken
    impatient.check_alive()


@pytest.mark.parametrize("size", [3, 20, len(PREFACE), len(PREFACE) + 4])
def test_a_preface_that_never_ends_is_given_up(impatient: Attacked, size: int) -> None:
    with impatient.client() as client:
        client.send((PREFACE + frame(SETTINGS, 0, 0))[:size])
        while client.socket.recv(65536):
            pass
    assert impatient.get().status == 200
    impatient.check_alive()


@pytest.mark.parametrize("more", [b"", data(1, b"a", False)], ids=["silent", "dribbling"])
def test_a_slow_body_is_answered_408_and_others_on_the_connection_go_on(impatient: Attacked, more: bytes) -> None:
    impatient.records()
    with Http2Client(impatient.client()) as peer:
        peer.send(peer.head(1, POST, False))
        until = time.monotonic() + TIME_OUT + 8
        for stream in range(3, 1000, 2):
            peer.send(more)
            assert peer.request(stream, fields(path=b"/later")).status == 200
            if peer.answer(1).over or time.monotonic() > until:
                break
            peer.read_for(0.2)
        assert peer.answer(1).status == 408
        assert peer.goaways == []
    assert "POST /read" not in [seen for seen, _ in impatient.seen()]
    impatient.check_alive()


DRIBBLES: dict[str, bytes] = {
    "nothing": b"",
    "a byte of its window": window(1, 1),
    "a byte of the connection's": window(0, 1),
    "empty settings": settings(),
    "settings that change nothing": settings((4, 0)),
    "pings": frame(PING, 0, 0, bytes(8)),
}


def test_responses_without_a_window_are_ended_whatever_their_clients_dribble(impatient: Attacked) -> None:
    with contextlib.ExitStack() as stack:
        peers = {name: stack.enter_context(Http2Client(impatient.client(), (4, 0), reads=False)) for name in DRIBBLES}
        for peer in peers.values():
            peer.send(peer.head(1, fields(path=b"/large")))
        until = time.monotonic() + TIME_OUT + 8
        while not all(peer.answer(1).over for peer in peers.values()) and time.monotonic() < until:
            for name, peer in peers.items():
                if not peer.answer(1).over:
                    peer.send(DRIBBLES[name])
                peer.read_for(0.05)
        for name, peer in peers.items():
            assert peer.answer(1).reset == ENHANCE_YOUR_CALM, name
            peer.send(settings((4, 65535)))
            assert peer.request(3, fields(path=b"/later")).status == 200
            assert peer.goaways == []
    impatient.check_alive()


def test_an_application_that_waits_for_a_client_of_a_byte_a_time_is_told(impatient: Attacked) -> None:
    impatient.records()
    with Http2Client(impatient.client(), (4, 0), reads=False) as peer:
        peer.send(peer.head(1, fields(path=b"/drip")))
        until = time.monotonic() + TIME_OUT + 8
        while not peer.answer(1).over and time.monotonic() < until:
            peer.send(window(1, 1))
            peer.read_for(0.3)
        assert peer.answer(1).reset == ENHANCE_YOUR_CALM
        assert 0 < len(peer.answer(1).body) < 100
    # A thread is told by its wait, and its note comes when it runs: a barrier does not wait for it.
    ends: list[str] = []
    until = time.monotonic() + 20
    while not ends and time.monotonic() < until:
        ends += [one["seen"] for one in impatient.records() if one["kind"] == "end" and "/drip" in one["seen"]]
    assert len(ends) == 1
    impatient.check_alive()


def test_stuck_responses_beside_a_live_one_are_ended(impatient: Attacked) -> None:
    with Http2Client(impatient.client(), (4, 0), reads=False) as peer:
        peer.send(b"".join(peer.head(stream, fields(path=b"/large")) for stream in range(1, 20, 2)))
        until = time.monotonic() + TIME_OUT + 8
        stuck = [peer.answer(stream) for stream in range(3, 20, 2)]
        while not all(answer.over for answer in stuck) and time.monotonic() < until:
            peer.send(window(1, 500))
            peer.read_for(0.3)
        assert {answer.reset for answer in stuck} == {ENHANCE_YOUR_CALM}
        assert not peer.answer(1).over
    assert impatient.get().status == 200
    impatient.check_alive()


def test_a_socket_that_is_not_read_is_given_up_with_all_its_streams(impatient: Attacked) -> None:
    """The windows are wide; it is TCP's that is zero."""
    impatient.get()
    before = impatient.descriptors()
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            peer = stack.enter_context(Http2Client(impatient.client(receive_buffer=4096), (4, 2**31 - 1), reads=False))
            peer.widen(2**31 - 1 - 65535)
            peer.send(b"".join(peer.head(stream, fields(path=b"/large")) for stream in (1, 3, 5)))
        until = time.monotonic() + TIME_OUT + 10
        assert impatient.get().status == 200
        while impatient.descriptors() > before and time.monotonic() < until:
            assert impatient.get().status == 200
        assert impatient.descriptors() <= before
    impatient.check_alive()


def test_a_slow_reader_who_does_read_gets_everything(impatient: Attacked) -> None:
    with Http2Client(impatient.client(receive_buffer=65536)) as peer:
        assert len(peer.request(1, fields(path=b"/large")).body) == 32 << 20


@pytest.mark.parametrize("target", targets("asgi", protocols=HTTP2), ids=str)
def test_a_slow_way_is_not_taken_for_a_window_that_is_missing(tmp_path: Path, target: Target) -> None:
    """The system takes no whole window of a megabyte at once: the client gives it back long before the server waits."""
    wide = 1 << 20
    with contextlib.ExitStack() as stack:
        attack = stack.enter_context(attacked(target, tmp_path, "--http2-window-timeout", "1"))
        peer = stack.enter_context(Http2Client(attack.client(receive_buffer=16384), (4, wide), reads=False))
        peer.widen(wide - 65535)
        peer.send(peer.head(1, fields(path=b"/large")))
        answer, given = peer.answer(1), 0
        while len(answer.body) < 2 * wide and not answer.over:
            peer.read_some(every=0.1)
            if len(answer.body) - given >= wide // 2:
                peer.widen(wide // 2)
                peer.send(window(1, wide // 2))
                given += wide // 2
        assert answer.reset is None
