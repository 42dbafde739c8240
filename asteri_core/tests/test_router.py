"""The router and the session: which connection owns the bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from asteri_core.api import Event, Failed, Peer, Sendable, Sniff, Switched
from asteri_core.sansio.router import FIRST_WORDS, SNIFF_LIMIT, Route, decide
from asteri_core.sansio.session import Session
from asteri_core.testing.lines import LineConnection

PEER = Peer(("192.0.2.1", 1), ("192.0.2.2", 2))
YES, NO, MORE = Sniff.YES, Sniff.NO, Sniff.MORE


class Recorder:
    """A connection that writes down what it is told, and switches when it is asked to."""

    def __init__(self, name: str = "", then: Recorder | None = None) -> None:
        self.wake: Callable[[], None] = lambda: None
        self.name = name
        self.calls: list[object] = []
        self.then = then

    @property
    def wants_data(self) -> bool:
        return True

    def receive_data(self, data: bytes, now: float) -> None:
        self.calls.append(data)

    def receive_eof(self, now: float) -> None:
        self.calls.append("eof")

    def lost(self, now: float) -> None:
        self.calls.append("lost")

    def events(self) -> Sequence[Event]:
        if self.then is not None and b"switch" in b"".join(c for c in self.calls if isinstance(c, bytes)):
            then, self.then = self.then, None
            return [Switched(then, b"rest")]
        return ()

    def data_to_send(self, now: float) -> Sequence[Sendable]:
        return [self.name.encode()]

    def deadline(self) -> float | None:
        return None

    def expire(self, now: float) -> None:
        self.calls.append("expire")

    def drain(self, until: float, now: float) -> None:
        self.calls.append(("drain", until))


def route(name: str, answer: Sniff) -> Route:
    return Route(name, lambda data: answer, lambda peer, now: Recorder(name))


@pytest.mark.parametrize(
    ("answers", "complete", "chosen"),
    [
        ([YES, YES], False, 0),
        ([NO, YES], False, 1),
        ([MORE, YES], False, None),
        ([NO, MORE, YES], False, None),
        ([MORE, YES], True, 1),
        ([MORE, MORE, NO], True, 2),
        ([NO, NO], False, 1),
        ([NO, NO, MORE], False, None),
    ],
)
def test_the_first_yes_wins_unless_a_higher_entry_may_still_say_yes(
    answers: list[Sniff], complete: bool, chosen: int | None
) -> None:
    routes = [route(str(i), answer) for i, answer in enumerate(answers)]
    found = decide(routes, b"x", complete)
    assert found is (None if chosen is None else routes[chosen])


def prefix(expected: bytes) -> Callable[[bytes], Sniff]:
    def sniff(data: bytes) -> Sniff:
        if data.startswith(expected):
            return YES
        return MORE if expected.startswith(data) else NO

    return sniff


def two_routes() -> tuple[list[Route], dict[str, Recorder]]:
    made: dict[str, Recorder] = {}

    def factory(name: str) -> Callable[[Peer, float], Recorder]:
        def make(peer: Peer, now: float) -> Recorder:
            made[name] = Recorder(name)
            return made[name]

        return make

    return [
        Route("magic", prefix(b"MAGIC"), factory("magic")),
        Route("other", lambda data: YES, factory("other")),
    ], made


def test_bytes_that_come_one_by_one_reach_the_right_protocol_whole(twin: Any) -> None:
    routes, made = two_routes()
    session = Session(twin.Router(routes, PEER, 10), 0, lambda: None)
    for byte in b"MAGI":
        session.receive_data(bytes([byte]), 1)
        assert session.events() == ()
    session.receive_data(b"C and more", 1)
    session.events()
    assert made["magic"].calls == [b"MAGIC and more"]
    assert session.data_to_send(1) == [b"magic"]


def test_a_silent_peer_is_closed_at_the_deadline_and_that_is_told(twin: Any) -> None:
    routes, _ = two_routes()
    router = twin.Router(routes, PEER, 10)
    router.expire(9.9)
    assert router.data_to_send(9.9) == ()
    assert router.deadline() == 10
    router.expire(10)
    assert [type(event) for event in router.events()] == [Failed]
    assert list(router.data_to_send(10)) == [b""]
    assert router.deadline() is None


def test_what_nobody_recognises_in_time_is_answered_by_the_fallback(twin: Any) -> None:
    routes, made = two_routes()
    session = Session(twin.Router(routes, PEER, 10), 0, lambda: None)
    session.receive_data(b"MAG", 1)
    assert session.events() == ()
    session.expire(10)
    session.events()
    assert made["other"].calls == [b"MAG"]


def test_end_of_file_after_a_part_of_a_preface_goes_to_the_fallback_with_its_end(twin: Any) -> None:
    routes, made = two_routes()
    session = Session(twin.Router(routes, PEER, 10), 0, lambda: None)
    session.receive_data(b"MAG", 1)
    session.receive_eof(2)
    session.events()
    assert made["other"].calls == [b"MAG", "eof"]


def test_an_undecided_router_stops_collecting_at_its_limit(twin: Any) -> None:
    made: list[Recorder] = []

    def fallback(peer: Peer, now: float) -> Recorder:
        made.append(Recorder("fallback"))
        return made[-1]

    routes = [Route("never", lambda data: MORE, fallback), Route("last", lambda data: NO, fallback)]
    session = Session(twin.Router(routes, PEER, 10), 0, lambda: None)
    session.receive_data(b"x" * (SNIFF_LIMIT - 1), 1)
    assert session.events() == ()
    session.receive_data(b"x", 1)
    session.events()
    assert len(made) == 1


def test_end_of_file_without_a_byte_just_closes(twin: Any) -> None:
    routes, made = two_routes()
    router = twin.Router(routes, PEER, 10)
    router.receive_eof(1)
    assert list(router.data_to_send(1)) == [b""]
    assert made == {}


def test_a_switch_hands_over_leftover_end_of_file_and_drain() -> None:
    second = Recorder("second")
    first = Recorder("first", then=second)
    woken: list[int] = []
    session = Session(first, 0, lambda: woken.append(1))
    session.drain(50, 1)
    session.receive_data(b"switch", 2)
    session.receive_eof(3)
    assert session.events() == []
    assert second.calls == [b"rest", "eof", ("drain", 50)]
    assert session.data_to_send(4) == [b"second"]
    second.wake()
    assert woken == [1]


def test_a_draining_router_closes_when_the_patience_is_over(twin: Any) -> None:
    routes, _ = two_routes()
    router = twin.Router(routes, PEER, 10)
    router.drain(3, 1)
    assert router.deadline() == 3


def test_a_peer_that_has_just_connected_gets_a_moment_for_its_first_bytes_when_the_server_stops(twin: Any) -> None:
    routes, made = two_routes()
    session = Session(twin.Router(routes, PEER, 10), 0, lambda: None)
    session.drain(1, 1)
    assert session.deadline() == 1 + FIRST_WORDS
    session.receive_data(b"hello", 1.5)
    session.events()
    assert made["other"].calls == [b"hello", ("drain", 1)]


def test_a_router_is_chosen_by_the_first_bytes_of_a_real_peer(twin: Any, served: Any) -> None:
    routes = [
        Route("magic", prefix(b"MAGIC"), lambda peer, now: Recorder("magic\n")),
        Route("lines", lambda data: YES, lambda peer, now: LineConnection(peer)),
    ]
    served.factory = lambda peer, now: twin.Router(routes, peer, now + 5)
    with served.connect() as client:
        client.sendall(b"MAG")
        for _ in range(3):
            served.reactor.poll(0.001)
        client.sendall(b"netic\n")
        served.until(lambda: bool(served.started))
        assert served.started[0].target == b"MAGnetic"
        served.answer(served.started[0])
        assert served.receive(client) == b"ok\n"
        client.sendall(b"more\n")
        served.until(lambda: len(served.started) == 2)


def test_what_is_not_a_route_is_refused_by_the_first_who_needs_it(twin: Any) -> None:
    with pytest.raises((TypeError, AttributeError, IndexError)):
        twin.Router(["one"], PEER, 10).receive_data(b"x", 1)
    with pytest.raises((TypeError, AttributeError, IndexError)):
        twin.Router([], PEER, 10).receive_data(b"x", 1)


def test_a_sniffer_or_a_factory_that_raises_is_not_hidden(twin: Any) -> None:
    for sniff, factory in [(lambda data: 1 / 0, Recorder), (lambda data: YES, lambda peer, now: 1 / 0)]:
        router = twin.Router([Route("broken", sniff, factory)], PEER, 10)
        with pytest.raises(ZeroDivisionError):
            router.receive_data(b"x", 1)
