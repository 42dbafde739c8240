"""The settings of HTTP/2 act on a real server."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import h2.connection
import h2.events

Serve = Callable[..., Any]
REQUEST = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "test")]


def heard(peer: socket.socket, client: h2.connection.H2Connection, until: type) -> list[Any]:
    """What the server says, up to the first event of this kind, or its end."""
    events: list[Any] = []
    peer.sendall(client.data_to_send())
    while not any(isinstance(event, until) for event in events):
        data = peer.recv(65536)
        if not data:
            break
        events += client.receive_data(data)
        peer.sendall(client.data_to_send())
    return events


def of(events: list[Any], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def opened() -> h2.connection.H2Connection:
    client = h2.connection.H2Connection()
    client.initiate_connection()
    return client


def test_only_trusted_peers_speak_it_without_tls(serve: Serve) -> None:
    for trusted, answered in (("127.0.0.0/8", True), ("192.0.2.0/24", False)):
        with serve("--h2c-allow-ips", trusted) as server, server.connect() as peer:
            client = opened()
            client.send_headers(1, REQUEST, end_stream=True)
            events = heard(peer, client, h2.events.ResponseReceived)
            assert bool(of(events, h2.events.ResponseReceived)) is answered
            assert [event.error_code for event in of(events, h2.events.ConnectionTerminated)] == [0xD] * (not answered)


def test_streams_beyond_the_limit_are_refused(serve: Serve) -> None:
    with serve("--http2-max-concurrent-streams", "2", app="app:asgi") as server, server.connect() as peer:
        client = opened()
        for stream in (1, 3, 5):
            client.send_headers(stream, [(":method", "POST"), *REQUEST[1:]])
        events = heard(peer, client, h2.events.StreamReset)
        # The others have their answer before their body, and need not send it.
        assert [one.stream_id for one in of(events, h2.events.StreamReset) if one.error_code == 7] == [5]
        assert client.remote_settings.max_concurrent_streams == 2


def test_a_client_may_send_so_much_of_a_body(serve: Serve) -> None:
    with serve("--http2-initial-window-size", "1234") as server, server.connect() as peer:
        client = opened()
        heard(peer, client, h2.events.RemoteSettingsChanged)
        client.send_headers(1, [(":method", "POST"), *REQUEST[1:]])
        assert client.local_flow_control_window(1) == 1234


def test_a_response_without_a_window_is_reset_in_time(serve: Serve) -> None:
    with serve("--http2-window-timeout", "0.5") as server, server.connect() as peer:
        client = opened()
        client.update_settings({4: 0})
        client.send_headers(1, REQUEST, end_stream=True)
        events = heard(peer, client, h2.events.StreamReset)
        assert of(events, h2.events.ResponseReceived)
        assert of(events, h2.events.StreamReset)[0].error_code == 0xB
