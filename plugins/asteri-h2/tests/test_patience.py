"""How long a response waits for a window, a body for its client, a connection for a request, and whose fault it is."""

from __future__ import annotations

import h2.events
import pytest
from h2_talk import POST, REQUEST, ok


def without_window(talk, **settings):
    """A response of a megabyte waits for a window on stream 1; stream 3 is served."""
    made = talk(own={"http2_window_timeout": 7}, **settings)
    made.client.update_settings({4: 0})
    made.client.send_headers(1, REQUEST, True)
    made.turn()
    [exchange] = made.started
    exchange.respond(200, [])
    exchange.send(bytes(1 << 20))
    made.turn()
    return made


def test_a_response_without_a_window_is_reset_in_time_and_others_go_on(talk) -> None:
    made = without_window(talk)
    assert made.server.deadline() == made.now + 7
    made.wait(6.9)
    assert made.resets() == []
    made.wait(0.2)
    assert made.resets(1) == [0xB]
    assert made.finished == made.started
    assert not made.closed
    made.client.send_headers(3, REQUEST, True)
    made.client.increment_flow_control_window(1000, 3)
    made.turn()
    ok(made.started[1])
    made.turn()
    assert made.content(3) == b"hello"


def test_a_response_that_has_got_a_window_is_not_reset_while_the_socket_takes_nothing(talk) -> None:
    made = without_window(talk)
    made.now += 6
    made.client.increment_flow_control_window(1 << 20, 1)
    made.receive(made.client.data_to_send())
    made.now += 4  # in which the driver does not ask for bytes
    made.server.expire(made.now)
    made.take()
    assert made.resets() == []
    assert len(made.content(1)) == 65535
    made.wait(6.9)
    assert made.resets() == []
    made.wait(0.2)  # without a window of the connection
    assert made.resets(1) == [0xB]


WORTH_NOTHING = {
    "a byte of a window": lambda client: client.increment_flow_control_window(1, 1),
    "a window of the connection": lambda client: client.increment_flow_control_window(1),
    "empty settings": lambda client: client.update_settings({}),
    "settings that change nothing": lambda client: client.update_settings({3: 100}),
}


@pytest.mark.parametrize("say", WORTH_NOTHING.values(), ids=WORTH_NOTHING)
def test_a_response_that_only_dribbles_away_is_reset_all_the_same(talk, say) -> None:
    made = without_window(talk)
    for _ in range(10):
        made.wait(2)
        if made.resets(1):
            break
        say(made.client)
        made.turn()
    assert made.resets(1) == [0xB]


def test_a_response_without_a_window_is_reset_beside_one_that_goes_on(talk) -> None:
    made = without_window(talk)
    made.client.send_headers(3, REQUEST, True)
    made.turn()
    made.started[1].respond(200, [])
    for _ in range(10):
        made.client.increment_flow_control_window(5000, 3)
        made.started[1].send(bytes(5000))
        made.turn()
        made.wait(1)
    assert made.resets() == [0xB]
    assert made.resets(1) == [0xB]


def test_a_response_that_goes_on_at_the_minimum_rate_is_not_reset(talk) -> None:
    made = without_window(talk, body_min_rate=240)
    for _ in range(100):
        made.wait(1)
        made.client.increment_flow_control_window(250, 1)
        made.turn()
    assert made.resets() == []


def test_a_response_that_is_behind_another_one_is_not_reset(talk) -> None:
    """The more urgent one takes the whole window of the connection, and that is no fault of the client's."""
    made = talk(own={"http2_window_timeout": 7})
    for stream, priority in ((1, "u=7"), (3, "u=0")):
        made.client.send_headers(stream, [*REQUEST, ("priority", priority)], True)
        made.client.increment_flow_control_window(1 << 24, stream)
    made.turn()
    for exchange in made.started:
        exchange.respond(200, [])
        exchange.send(bytes(1 << 20))
    made.turn()
    for _ in range(100):
        made.wait(1)
        made.client.increment_flow_control_window(5000)
        made.turn()
    assert made.resets() == []
    assert made.content(1) == b""
    made.wait(8)
    assert made.resets(1) == made.resets(3) == [0xB]


def test_a_client_that_takes_too_little_for_all_its_responses_loses_those_that_wait(talk) -> None:
    made = talk(own={"http2_window_timeout": 7}, body_min_rate=240)
    for stream in range(1, 21, 2):
        made.client.send_headers(stream, REQUEST, True)
        made.client.increment_flow_control_window(1 << 24, stream)
    made.turn()
    for exchange in made.started:
        exchange.respond(200, [])
        exchange.send(bytes(1 << 17))
    made.turn()
    for _ in range(20):
        made.wait(1)
        made.client.increment_flow_control_window(300)  # enough for one, not for ten
        made.turn()
    assert sorted({stream for kind, _, stream, _ in made.frames if kind == 3}) == list(range(3, 21, 2))


def test_a_body_is_not_late_while_others_that_nobody_reads_take_the_window_of_the_connection(talk) -> None:
    made = talk(body_timeout=5)
    for stream in (1, 3, 5, 7, 9):
        made.client.send_headers(stream, POST)
        made.turn()
        while stream < 9 and (room := min(1 << 14, made.client.local_flow_control_window(stream))):
            made.client.send_data(stream, bytes(room))
            made.turn()
    made.wait(2)
    assert made.client.local_flow_control_window(9) == 0
    late = made.started[4]
    assert late.read() is None
    made.wait(60)
    assert late.is_waiting
    assert len(made.started[0].read()) == len(made.started[1].read()) == 1 << 18
    made.turn()
    assert made.client.local_flow_control_window(9) > 0
    made.wait(4.9)
    assert late.is_waiting
    made.wait(0.2)
    made.turn()
    assert made.head(9)[b":status"] == b"408"


def test_time_in_which_a_response_only_waits_for_its_turn_does_not_count(talk) -> None:
    made = talk(own={"http2_window_timeout": 7}, body_min_rate=10_000)
    for stream, priority in ((1, "u=7"), (3, "u=0")):
        made.client.send_headers(stream, [*REQUEST, ("priority", priority)], True)
    made.client.increment_flow_control_window(1 << 24)
    made.client.increment_flow_control_window(1 << 24, 3)
    made.turn()
    one, urgent = made.started
    one.respond(200, [])
    one.send(bytes(100_000))
    made.turn()
    made.wait(3)  # without a window
    urgent.respond(200, [])
    urgent.send(bytes(1 << 22))
    made.client.increment_flow_control_window(10_000, 1)
    made.receive(made.client.data_to_send())
    for _ in range(20):  # seconds in which the driver asks once, and is given what is urgent
        assert len(made.server.data_to_send(made.now)[0]) > 1 << 16
        made.now += 1
    made.follows = False
    made.take()
    assert made.server.deadline() == pytest.approx(made.now + 7 - 3 + 1)
    assert made.resets() == []


def test_a_client_that_sends_its_body_at_once_waits_for_no_word(talk) -> None:
    """So a body that is on its way anyway is collected, and holds no worker."""
    made = talk()
    made.client.send_headers(1, [*POST, ("expect", "100-continue")])
    made.client.send_data(1, b"x")
    made.turn()
    assert not made.started[0].expects_continue
    assert made.started[0].read() == b"x"
    assert made.started[0].read() is None
    made.turn()
    assert not made.of(h2.events.InformationalResponseReceived)


def test_a_client_that_goes_on_untold_has_to_send_its_body_in_time(talk) -> None:
    """With DATA that is empty it has begun: the application waits for it."""
    made = talk(body_timeout=10)
    made.client.send_headers(1, [*POST, ("expect", "100-continue")])
    made.client.send_data(1, b"")
    made.turn()
    assert made.started[0].read() is None
    made.wait(10)
    made.turn()
    assert made.head()[b":status"] == b"408"


def test_a_connection_is_not_idle_while_its_last_bytes_wait_to_be_taken(talk) -> None:
    made = talk(keep_alive=5)
    made.answer = ok
    made.client.send_headers(1, REQUEST, True)
    made.receive(made.client.data_to_send())
    assert made.server.data_to_send(made.now)
    made.take_events()
    assert made.finished
    made.wait(60)  # the driver comes back when all of it has left
    made.take()
    assert not made.closed
    assert made.server.deadline() == made.now + 5
