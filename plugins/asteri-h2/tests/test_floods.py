"""Floods: what costs us more than the client is counted, and who does too much of it is told to calm down."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from h2_frames import (
    CALM,
    CONTINUATION,
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PRIORITY,
    SETTINGS,
    WINDOW,
    cancel,
    frame,
    head,
    post,
    setting,
)
from h2_talk import REQUEST, Talk, ok


def data_of(stream: int, content: bytes) -> bytes:
    return frame(DATA, END_STREAM, stream, content)


FLOODS: list[tuple[str, Callable[[Talk, int], bytes]]] = [
    ("ping", lambda t, n: frame(PING, 0, 0, bytes(8))),
    ("goaway", lambda t, n: (post(t) if n == 0 else b"") + frame(GOAWAY, 0, 0, bytes(8))),
    ("settings", lambda t, n: frame(SETTINGS, 0, 0)),
    ("priority", lambda t, n: frame(PRIORITY, 0, 1 + 2 * n, b"\0\0\0\0\xff")),
    ("priority update", lambda t, n: frame(0x10, 0, 0, b"\0\0\0\1u=1")),
    ("unknown", lambda t, n: frame(0x77, 0, 0, b"")),
    ("window", lambda t, n: frame(WINDOW, 0, 0, b"\0\0\0\1")),
    ("rapid reset", lambda t, n: post(t, 1 + 2 * n) + cancel(1 + 2 * n)),
    ("made you reset", lambda t, n: head(t, 1 + 2 * n, connection="close")),
    ("made you reset by a long body", lambda t, n: post(t, 1 + 2 * n, content_length="1") + data_of(1 + 2 * n, b"12")),
    ("made you reset by a short body", lambda t, n: post(t, 1 + 2 * n, content_length="2") + data_of(1 + 2 * n, b"1")),
    ("data to a stream that was reset", lambda t, n: (post(t) + cancel() if n == 0 else b"") + frame(DATA, 0, 1, b"x")),
    ("headers to a stream that was reset", lambda t, n: (post(t) + cancel() if n == 0 else b"") + head(t)),
    ("refused", lambda t, n: head(t, 1 + 2 * n, host="b")),
    ("padding", lambda t, n: (post(t) if n == 0 else b"") + frame(DATA, PADDED, 1, b"\x03" + bytes(3))),
    ("empty data", lambda t, n: (post(t) if n == 0 else b"") + frame(DATA, 0, 1)),
    ("continuation", lambda t, n: frame(HEADERS, 1, 1, b"") if n == 0 else frame(CONTINUATION, 0, 1, b"")),
]


@pytest.mark.parametrize(("name", "one"), FLOODS, ids=[name for name, _ in FLOODS])
def test_a_flood_is_told_to_calm_down(bare: Talk, name: str, one: Callable[[Talk, int], bytes]) -> None:
    for number in range(10_000):
        bare.raw(one(bare, number))
        if bare.closed:
            break
    assert bare.closed, name
    assert bare.goaways()[-1][1] == CALM
    assert any(isinstance(error, Exception) for error in bare.failed)
    assert set(bare.finished) == set(bare.started)


def test_windows_that_dribble_are_a_flood_though_each_is_answered_by_content(bare: Talk) -> None:
    bare.raw(setting(4, 0), frame(WINDOW, 0, 0, b"\x7f\0\0\0"))
    for stream in range(1, 200, 2):
        bare.raw(head(bare, stream))
        bare.started[-1].respond(200, [])
        bare.started[-1].send(bytes(1 << 16))
    for number in range(20_000):
        bare.raw(frame(WINDOW, 0, 1 + 2 * (number % 100), b"\0\0\0\1"))
        if bare.closed:
            break
    assert bare.goaways()[-1][1] == CALM


def test_a_client_with_small_windows_is_no_flood(bare: Talk) -> None:
    bare.raw(setting(4, 512), frame(WINDOW, 0, 0, b"\x7f\0\0\0"), head(bare))
    bare.started[0].respond(200, [])
    for _ in range(20_000):
        bare.started[0].send(bytes(513))  # more than there is a window for
        bare.raw(frame(WINDOW, 0, 1, b"\0\0\2\0"), frame(WINDOW, 0, 0, b"\0\0\2\0"))
    assert not bare.closed


def test_clients_in_earnest_are_no_flood(bare: Talk) -> None:
    """One client of a proxy is bad, another one has large cookies, a third one measures its way, a fourth one sends
    frames that nobody knows; all are fast."""
    bare.answer = ok
    bare.raw(frame(WINDOW, 0, 0, b"\x7f\0\0\0"))
    for number in range(1, 4001, 2):
        bare.now += 0.001
        bad = number % 5 == 0
        block = bare.block([*REQUEST, *([("host", "b")] if bad else [])])
        bare.raw(frame(HEADERS, 1, number, block[:2]), frame(CONTINUATION, 0, number), frame(CONTINUATION, 0, number))
        bare.raw(frame(CONTINUATION, 4, number, block[2:]), frame(0x1B, 0, number))
        bare.raw(b"" if bad else frame(PING, 0, 0, bytes(8)))
        assert not bare.closed, (number, bare.failed)
    assert len(bare.started) == 1600


def test_a_page_that_is_slow_can_be_loaded_again_and_again(bare: Talk) -> None:
    """A browser gives up all that is on its way: as many streams as it may have."""
    streams = iter(range(1, 1000, 2))
    for _ in range(3):
        running = [next(streams) for _ in range(100)]
        bare.raw(*(head(bare, stream) for stream in running))
        bare.now += 0.5
        bare.raw(*map(cancel, running))
    assert not bare.closed
    assert len(bare.started) == 300


def test_a_header_bomb_is_not_unpacked(bare: Talk) -> None:
    first = bare.encoder.encode([*REQUEST, ("x-bomb", "b" * 3000)])
    bare.raw(frame(HEADERS, 5, 1, first))
    entry = b"\xbe"  # the newest entry of the dynamic table, 3 KB for one byte
    bare.raw(frame(HEADERS, 5, 3, entry * 16000))
    assert bare.closed
    assert bare.goaways()[-1][1] == CALM


def test_bodies_that_come_too_slowly_are_counted(talk) -> None:
    made = talk(body_timeout=1)
    made.follows = False
    streams = iter(range(1, 1000, 2))
    for _ in range(3):
        for _ in range(50):
            made.receive(post(made, next(streams)))
        assert not made.closed
        made.take()
        made.wait(1)
    assert made.closed
    assert made.goaways()[-1][1] == 0xB
    assert set(made.finished) == set(made.started)


def test_what_is_refused_is_bounded_while_nothing_is_taken(talk) -> None:
    made = talk()
    for stream in range(1, 10_001, 2):
        if not made.server.wants_data:
            break
        made.server.receive_data(head(made, stream, host="b"), made.now)
    assert not made.server.wants_data
    assert sum(map(len, made.server.data_to_send(made.now))) < 1 << 16


def test_what_is_known_of_streams_that_have_ended_does_not_grow(bare: Talk) -> None:
    bare.answer = ok
    bare.raw(frame(WINDOW, 0, 0, b"\x7f\0\0\0"))
    for stream in range(1, 10_001, 2):
        bare.raw(head(bare, stream))
    assert len(bare.started) == 5000
    assert len(bare.server._h2._closed_streams) + len(bare.server._h2.streams) < 1200
    # What comes late on one that is long forgotten is thrown away.
    bare.raw(frame(WINDOW, 0, 1, b"\0\0\0\1"), cancel(3), frame(DATA, 0, 5, b"x"), head(bare, 10_001))
    assert not bare.closed
    assert len(bare.started) == 5001


def test_the_client_is_not_read_from_while_answers_wait_to_be_taken(talk) -> None:
    made, pings = talk(), 0
    while made.server.wants_data:
        made.server.receive_data(frame(PING, 0, 0, bytes(8)), made.now)
        made.now += 0.25  # no flood
        pings += 1
        assert pings < 20_000, "the answers of 17 bytes wait without end"
    made.take()
    assert made.server.wants_data


def test_a_client_cannot_have_us_keep_a_large_table(talk) -> None:
    """What is sent is compared with every entry, and each field of a response can become one."""
    made = talk()
    made.client.update_settings({1: (1 << 32) - 1})
    made.turn()
    for stream in range(1, 200, 2):
        made.client.send_headers(stream, REQUEST, True)
        made.turn()
        made.started[-1].respond(200, [(b"x-%d" % stream, b"y" * 1000)])
        made.started[-1].finish()
        made.turn()
    assert made.server._h2.encoder.header_table.maxsize == 4096
    assert made.head(199)[b"x-199"] == b"y" * 1000
