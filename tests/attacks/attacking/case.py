"""One case of a table, and how it is played against a server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .target import Attacked

GOOD = b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
"""Stands behind what is bad: it must never run."""

Seen = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class Case:
    """Bytes sent on one connection, and all that may come of it."""

    name: str
    sent: bytes
    answers: tuple[int, ...]
    """Final statuses, in order."""
    saw: Seen = ()
    """The whole requests the application saw: method and target, and body."""
    stays_open: bool = False
    """Whether another request on the connection is answered."""
    half_close: bool = False
    """Whether the client says that nothing more comes."""

    def __str__(self) -> str:
        return self.name


def head(*lines: bytes, first: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: a") -> bytes:
    """A request head; an empty ``host`` leaves it out."""
    return b"\r\n".join([line for line in (first, host, *lines) if line]) + b"\r\n\r\n"


def refused(name: object, sent: bytes, status: int = 400) -> Case:
    """Answered once, seen by nobody, closed; and a good request behind it does not run."""
    text = name if isinstance(name, str) else repr(name)
    return Case(text, sent + GOOD, (status,))


def served(name: object, sent: bytes, *saw: tuple[str, bytes]) -> Case:
    """Answered with 200 as often as something was seen, and the connection goes on."""
    text = name if isinstance(name, str) else repr(name)
    return Case(text, sent, (200,) * len(saw), saw, stays_open=True)


def play(case: Case, attack: Attacked) -> None:
    """Send the bytes of the case, and compare everything that can be seen from outside and inside."""
    attack.records()
    with attack.client() as client:
        client.send(case.sent)
        if case.half_close:
            client.end()
        # A client that has asked with HEAD expects no content, not even of an error.
        method = "HEAD" if case.sent.startswith(b"HEAD ") else "GET"
        responses = [client.response(method) for _ in case.answers]
        assert [response.status for response in responses] == list(case.answers)
        saw = list(case.saw)
        if case.stays_open:
            assert not responses[-1].closes
            client.send(b"GET /alive HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.response().status == 200
            saw.append(("GET /alive", b""))
        else:
            assert client.ended(), f"the server goes on: {client.unread[:400]!r}"
    assert attack.seen() == saw
    attack.check_alive()


def unique(cases: Iterable[Case]) -> list[Case]:
    """The cases, whose names must differ because they are the ids of tests."""
    found = list(cases)
    names = [case.name for case in found]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    return found
