"""One case of a table of HTTP/2, and how it is played against a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .case import Seen
from .http2 import PROTOCOL_ERROR, Fields, Http2Client, data, fields
from .target import Attacked

ALIVE = 1001
"""The stream of the request that is made last. Those of a case are below it."""


@dataclass(frozen=True)
class Reset:
    """The stream is reset, and nothing was answered on it."""

    code: int = PROTOCOL_ERROR


@dataclass(frozen=True)
class StreamCase:
    """Frames sent on one connection, and all that may come of them."""

    name: str
    frames: Callable[[Http2Client], bytes]
    outcome: dict[int, int | Reset] = field(default_factory=dict)
    """Of each stream: the status of its answer, or its reset."""
    goaway: int | None = None
    """The code with which the connection is ended; None: another request on it is answered."""
    saw: Seen = ()
    """The whole requests the application saw: method and target, and body."""

    def __str__(self) -> str:
        return self.name


def named(name: object) -> str:
    return name if isinstance(name, str) else repr(name)


def answered(name: object, status: int, block: Fields, body: bytes | None = None) -> StreamCase:
    """One request, refused with a status and seen by nobody."""
    return StreamCase(named(name), _request(block, body), {1: status})


def malformed(name: object, block: Fields, body: bytes | None = None) -> StreamCase:
    """One request, whose stream is reset (RFC 9113 section 8.1.1); others go on."""
    return StreamCase(named(name), _request(block, body), {1: Reset()})


def served(name: object, block: Fields, *saw: tuple[str, bytes], body: bytes | None = None) -> StreamCase:
    """One request that is answered with 200."""
    return StreamCase(named(name), _request(block, body), {1: 200}, saw=saw)


def ends(name: object, code: int, frames: Callable[[Http2Client], bytes]) -> StreamCase:
    """The connection is ended with a code, and what stands behind is not run."""
    return StreamCase(named(name), lambda peer: frames(peer) + peer.head(ALIVE, fields(path=b"/later")), goaway=code)


def _request(block: Fields, body: bytes | None) -> Callable[[Http2Client], bytes]:
    return lambda peer: peer.head(1, block, body is None) + (data(1, body) if body is not None else b"")


def play(case: StreamCase, attack: Attacked) -> None:
    """Send the frames of the case, and compare everything that can be seen from outside and inside."""
    attack.records()
    saw = list(case.saw)
    with Http2Client(attack.client()) as peer:
        peer.send(case.frames(peer))
        for stream, wanted in case.outcome.items():
            answer = peer.wait(stream)
            if isinstance(wanted, Reset):
                assert (answer.status, answer.reset) == (0, wanted.code)
            else:
                assert (answer.status, answer.reset or 0) == (wanted, 0)
        if case.goaway is None:
            assert peer.request(ALIVE, fields(path=b"/alive")).status == 200
            assert peer.goaways == []
            saw.append(("GET /alive", b""))
        else:
            assert peer.end()[-1:] == [case.goaway]
            assert peer.answer(ALIVE).status == 0
    assert attack.seen() == saw
    attack.check_alive()


def unique(cases: Iterable[StreamCase]) -> list[StreamCase]:
    """The cases, whose names must differ because they are the ids of tests."""
    found = list(cases)
    names = [case.name for case in found]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    return found
