"""What once went wrong in the native reactor with a native protocol upon it, numbered."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from typing import Any

import pytest
from asteri_core.api import Peer
from asteri_http.settings import HttpSettings
from asteri_http1._native import Binding
from asteri_native import _reactor

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def pair() -> Any:
    ours, theirs = socket.socketpair()
    for side in (ours, theirs):
        side.setblocking(False)
    yield ours, theirs
    theirs.close()


def binding() -> Binding:
    return Binding(HttpSettings(date_header=False, server_header=""), time.time)


def test_regression_1_content_that_sends_when_it_is_freed_harms_nothing_that_waits_to_be_sent(pair: Any) -> None:
    """The queue pointed into the buffer of the connection while foreign code ran, which could free it."""
    ours, theirs = pair
    started: list[Any] = []
    reactor = _reactor.Reactor(started=started.append)
    reactor.attach(ours, Peer("", ""), binding())
    theirs.send(GET)
    reactor.poll(0.1)
    [exchange] = started

    class Content(bytearray):
        def __del__(self) -> None:
            for _ in range(200):
                exchange.send(b"E" * 2002)

    exchange.respond(200, [])
    exchange.send(memoryview(Content(b"C" * 9000)))
    for letter in (b"o", b"L") * 50:
        exchange.send(letter * 9002)
    reactor.flush()
    data = b""
    for turn in range(400):
        if turn == 300:
            exchange.finish()
        reactor.poll(0)
        with contextlib.suppress(BlockingIOError):
            data += theirs.recv(1_000_000)
    reactor.close()
    content = data.partition(b"\r\n\r\n")[2]
    found = []
    while size := int(content.partition(b"\r\n")[0], 16):
        chunk = content.partition(b"\r\n")[2]
        found.append((chunk[:1], set(chunk[:size]) == set(chunk[:1]), size))
        content = chunk[size + 2 :]
    assert len(found) == 301
    assert set(found) == {(b"C", True, 9000), (b"o", True, 9002), (b"L", True, 9002), (b"E", True, 2002)}


FORKED = """
import os, socket, sys, time
from asteri_core.api import Peer
from asteri_http.settings import HttpSettings
from asteri_http1._native import Binding
from asteri_native import _reactor

started = []
reactor = _reactor.Reactor(started=started.append)
ours, theirs = socket.socketpair()
reactor.attach(ours, Peer("", ""), Binding(HttpSettings(), time.time))
reactor.poll(0)
if not os.fork():
    del reactor
    sys.exit(0)
os.wait()
theirs.send(b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
reactor.poll(5)
print(len(started))
"""


def test_regression_2_a_forked_child_that_ends_leaves_the_peers_of_its_parent_alone() -> None:
    """Both have the same instance of epoll: what the child took out of it the parent heard of no more."""
    command = [sys.executable, "-W", "ignore", "-c", FORKED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=os.environ)
    assert (done.stdout, done.stderr) == ("1\n", "")


class Never:
    """A connection in Python whose deadline is no number."""

    wake = None
    wants_data = True

    def receive_data(self, data: bytes, now: float) -> None: ...
    def receive_eof(self, now: float) -> None: ...
    def lost(self, now: float) -> None: ...
    def expire(self, now: float) -> None: ...
    def drain(self, until: float, now: float) -> None: ...
    def events(self) -> tuple[()]:
        return ()

    def data_to_send(self, now: float) -> tuple[()]:
        return ()

    def deadline(self) -> float:
        return float("nan")


def test_regression_3_a_deadline_that_is_no_number_ends_its_own_peer(
    pair: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = pair
    reactor = _reactor.Reactor()
    reactor.attach(ours, Peer("", ""), lambda peer, now: Never())
    reactor.poll(0)
    assert theirs.recv(1) == b""
    assert "the deadline of a connection is not a number" in caplog.text
    reactor.close()


def test_regression_4_nobody_puts_into_the_selector_s_map_what_is_no_key(pair: Any) -> None:
    ours, _ = pair
    reactor = _reactor.Reactor()
    selector = _reactor.ReactorSelector(reactor)
    selector.register(ours, 1)
    with pytest.raises(TypeError):
        selector.get_map()[ours.fileno()] = None
    with pytest.raises(TypeError):
        selector.get_map()._keys[ours.fileno()] = None
    assert list(selector.get_map()) == [ours.fileno()]
    selector.close()
    reactor.close()
    ours.close()
