"""The settings of HTTP act on a real server. What they do at their exact limits is tested with the protocol."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

Serve = Callable[..., Any]

LIMITS = {
    "limit_request_line": ("40", "GET /" + "x" * 40 + " HTTP/1.1", (), b"", b"414"),
    "limit_request_fields": ("3", "GET / HTTP/1.1", ("A: 1", "B: 2"), b"", b"431"),
    "limit_request_field_size": ("50", "GET / HTTP/1.1", ("A: " + "x" * 50,), b"", b"431"),
    "limit_request_head": ("200", "GET / HTTP/1.1", tuple(f"A{n}: {n}" for n in range(40)), b"", b"431"),
    "limit_request_body": ("10", "POST / HTTP/1.1", (), b"x" * 11, b"413"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_refuses_what_is_beyond_it(serve: Serve, ask: Any, name: str) -> None:
    value, head, fields, body, status = LIMITS[name]
    with serve() as server:
        assert ask(server, head, *fields, body=body).startswith(b"HTTP/1.1 200 ")
    with serve(f"--{name.replace('_', '-')}", value) as server:
        assert ask(server, head, *fields, body=body).startswith(b"HTTP/1.1 " + status)
        assert ask(server).startswith(b"HTTP/1.1 200 ")


WAITS = {
    "handshake_timeout": ((), b"", b""),
    "header_timeout": ((), b"GET / HTTP/1.1\r\nHost: ", b"HTTP/1.1 408 "),
    "body_timeout": (
        ("--body-min-rate", "0"), b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nx", b"HTTP/1.1 408 ",
    ),
    "keep_alive": ((), b"GET / HTTP/1.1\r\nHost: test\r\n\r\n", b"HTTP/1.1 200 "),
}  # fmt: skip


@pytest.mark.parametrize("name", WAITS)
def test_a_peer_that_waits_is_let_go_after_its_time(serve: Serve, receive: Any, name: str) -> None:
    options, sent, answer = WAITS[name]
    with serve(f"--{name.replace('_', '-')}", "0.7", *options) as server:
        begun = time.monotonic()  # the time of a handshake begins with the connection
        with server.connect() as peer:
            peer.sendall(sent)
            received = receive(peer)
        assert 0.6 < time.monotonic() - begun < 4.5
        assert received.startswith(answer)


LATE = {
    "head": (b"GET / HTTP/1.1\r\nHost: te", b"st\r\nConnection: close\r\n\r\n"),
    "body": (b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nx", b"x"),
    "nothing": (b"", b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"),
}
"""What is there before the server is stopped, and what comes while it is."""


@pytest.mark.parametrize("model", ["sync", "asgi"])
@pytest.mark.parametrize("name", LATE)
def test_who_has_spoken_in_time_is_heard_by_a_server_that_was_stopped_meanwhile(
    serve: Serve, receive: Any, name: str, model: str
) -> None:
    """As by Ctrl-Z or in a paused container."""
    before, meanwhile = LATE[name]
    times = [one for name in ("keep-alive", "handshake-timeout", "header-timeout") for one in (f"--{name}", "3")]
    with (
        serve("-k", model, *times, "--body-timeout", "3") as server,
        server.connect() as peer,
        server.connect() as witness,
    ):
        peer.sendall(before)
        witness.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        assert receive(witness).startswith(b"HTTP/1.1 200 ")  # so it knows of our peer as well
        time.sleep(0.1)  # for it to wait again, which is where a stop is seen
        os.killpg(server.pid, signal.SIGSTOP)
        peer.sendall(meanwhile)
        time.sleep(3.5)
        os.killpg(server.pid, signal.SIGCONT)
        assert receive(peer).startswith(b"HTTP/1.1 200 ")


def test_a_dribbled_body_is_ended_by_its_rate(serve: Serve) -> None:
    """One byte is sent each time the server could have been content with the pause."""
    options = ("--body-timeout", "1", "--body-min-rate", "1000")
    with serve(*options) as server, server.connect(timeout=0.2) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n")
        begun = time.monotonic()
        received = b""
        while not received and time.monotonic() < begun + 10:
            peer.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                received = peer.recv(1 << 16)  # the end may come a little later than the answer
        assert received.startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - begun < 9


def test_a_peer_that_reads_nothing_is_cut_off(serve: Serve, receive: Any) -> None:
    with serve("--write-timeout", "0.7") as server, server.connect() as peer:
        peer.sendall(b"GET /large HTTP/1.1\r\nHost: test\r\n\r\n")
        server.wait_for_log("loaded|worker ready")
        # Our side takes some megabytes without being read. Then nothing happens but the cut.
        cut = select.poll()
        cut.register(peer, 0)
        end = time.monotonic() + 20
        while not cut.poll(0):
            assert time.monotonic() < end
            with server.connect() as other:
                other.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
                assert receive(other).startswith(b"HTTP/1.1 200 ")
        assert 0 < len(receive(peer)) < 64 << 20


def test_the_server_field_is_what_is_asked_for(serve: Serve, ask: Any) -> None:
    with serve("--server-header", "hidden/1") as server:
        assert b"\r\nserver: hidden/1\r\n" in ask(server)
    with serve("--server-header", "") as server:
        assert b"\r\nserver:" not in ask(server)


def test_the_date_field_can_be_left_out(serve: Serve, ask: Any) -> None:
    with serve("--no-date-header") as server:
        assert b"\r\ndate:" not in ask(server)


@pytest.mark.parametrize(("app", "name"), [("app:wsgi", "script name"), ("app:asgi", "root path")])
def test_the_root_path_reaches_the_application(serve: Serve, facts: Any, app: str, name: str) -> None:
    with serve("--root-path", "/api", app=app) as server:
        assert facts(server)[name] == "/api"


@pytest.mark.parametrize("app", ["app:wsgi", "app:asgi"])
def test_a_proxy_says_who_its_client_is(serve: Serve, facts: Any, app: str) -> None:
    told = ("GET / HTTP/1.1", "X-Forwarded-For: 192.0.2.1, 192.0.2.2", "X-Forwarded-Proto: https")
    plain = ["127.0.0.1", "http"]
    for options, client in (
        ((), ["192.0.2.2", "https"]),
        (("--forwarded-hops", "2"), ["192.0.2.1", "https"]),
        (("--forwarded-allow-ips", "192.0.2.0/24"), plain),
        (("--forwarded-allow-ips", "192.0.2.7", "--forwarded-allow-ips", "127.0.0.0/8"), ["192.0.2.2", "https"]),
    ):
        with serve(*options, app=app) as server:
            assert [facts(server, *told)["client"] for _ in range(3)] == [client] * 3
            assert facts(server)["client"] == plain
