"""What code that is not ours may do while a connection or an exchange is at work: hooks that change a request, watchers
and iterators that send, objects that send when they end, and the end of the interpreter."""

from __future__ import annotations

import gc
import subprocess
import sys
import sysconfig
import time
import weakref

import pytest
from asteri_core.api import Disconnected, FileSlice, Finished, LocalProtocolError, Peer, Want
from asteri_http.settings import HttpSettings
from asteri_http1._native import Binding
from native_contract import ContractExchange, ThroughContract, functions

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
PEER = Peer(("192.0.2.1", 50000), ("192.0.2.2", 80))
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
EXPECT = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"


def ask(connect, data: bytes = GET):
    """A new connection and the exchange of its request."""
    connection = connect(PEER, 0.0)
    connection.receive_data(data, 0.0)
    return connection, connection.events()[0].exchange


def memo_of(exchange) -> int | None:
    """Where others keep what they have made of the head."""
    return functions(type(exchange), "exchange")["request"](exchange).contents.memo


@pytest.fixture
def connect():
    return Binding(HttpSettings(), time.time)


# -- headers that are changed: equal heads are one in C --------------------------------------------------------------


@pytest.mark.parametrize("data", [GET, EXPECT + b"hello"], ids=["as the head says", "the client does not wait"])
def test_headers_that_are_changed_are_those_of_one_request(connect, data):
    for number in range(3):
        _, exchange = ask(connect, data)
        plain = list(exchange.headers)
        exchange.headers.append((b"x-number", b"%d" % number))
        assert ContractExchange(exchange).headers == [*plain, (b"x-number", b"%d" % number)]
        exchange.headers.clear()
        assert len(functions(type(exchange), "exchange")["request"](exchange).contents.fields[:2]) == 2
    assert ContractExchange(ask(connect, data)[1]).headers == plain


@pytest.mark.parametrize(
    ("change", "shared"),
    [
        (lambda headers: None, True),
        (lambda headers: headers.append(headers.pop()), True),
        (lambda headers: headers.append((b"x", b"y")), False),
        (lambda headers: headers.pop(), False),
        (lambda headers: headers.__setitem__(0, (b"host", b"b")), False),
    ],
    ids=["read", "put back", "appended", "taken out", "replaced"],
)
def test_what_is_kept_with_a_head_is_for_headers_that_are_the_head_s(connect, change, shared):
    _, exchange = ask(connect)
    kept = memo_of(exchange)
    change(exchange.headers)
    assert (kept is None) == FREE_THREADED  # where threads could meet in it, there is no such place
    assert memo_of(exchange) == (kept if shared else None)


def test_what_is_no_pair_of_bytes_is_no_field(connect):
    _, exchange = ask(connect)
    exchange.headers[:] = [None, (b"a",), (b"b", "c"), [b"d", b"e"], (b"f", b"g")]
    request = functions(type(exchange), "exchange")["request"](exchange).contents
    assert [(bytes(field.name), bytes(field.value)) for field in request.fields[: request.count]] == [(b"f", b"g")]


def test_headers_that_have_their_exchange_in_them_are_collected_with_it(connect):
    class Mark:
        """Says when it is gone."""

    exchange = ask(connect)[1]
    mark = Mark()
    exchange.headers.extend([(b"x", exchange), mark])
    gone = weakref.ref(mark)
    assert memo_of(exchange) is None
    del exchange, mark
    gc.collect()
    assert gone() is None


def test_a_field_without_a_value_may_be_answered_again_and_again(connect):
    """By the contract such a value has no address."""
    for _ in range(3):
        connection, exchange = ask(connect)
        ContractExchange(exchange).respond(200, [(b"x", b""), (b"y", b"z")])
        exchange.finish()
        assert connection.data_to_send(0.0)[0].startswith(b"HTTP/1.1 200 OK\r\nx: \r\ny: z\r\n")


# -- code that sends -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [False, True])
def test_a_watcher_may_send_more_than_its_driver_has_room_for(exchange_of, end):
    talk, exchange = exchange_of()
    parts = [b"%03d" % number + b"y" * 5000 for number in range(60)]

    def send_all():
        for part in parts:
            exchange.send(part, end and part is parts[-1])

    exchange.respond(200, [])
    exchange.send(b"x" * 70000)
    assert not exchange.watch(Want.WRITE, send_all)
    talk.turn()
    if not end:
        assert exchange.watch(Want.WRITE, send_all), "all has been handed over"
        exchange.finish()
        talk.turn()
    assert talk.read_by_h11()[:2] == (200, b"x" * 70000 + b"".join(parts))
    assert len(talk.finished) == 1


@pytest.mark.parametrize("room", [4, 5, 6, 7, 8])
@pytest.mark.parametrize("blocks", range(1, 9))
def test_regression_5_the_end_is_told_with_the_last_piece_however_many_a_driver_has_room_for(blocks, room):
    """With just room enough for the pieces, it took one call more, and the time of an idle peer began late."""
    settings = HttpSettings(keep_alive=5)
    connection = ThroughContract(Binding(settings, time.time), room)(PEER, 0.0)
    connection.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0.0)
    exchange = connection.events()[0].exchange
    exchange.respond(200, [])
    for block in range(blocks):
        exchange.send(bytes(70000), block == blocks - 1)
    sent = 0
    while pieces := connection.data_to_send(10.0):
        sent += sum(map(len, pieces))
    assert sent > blocks * 70000
    assert connection.deadline() == 15.0
    assert [type(event) for event in connection.events()] == [Finished]


def test_an_interim_response_does_not_come_behind_the_final_one(exchange_of):
    talk, exchange = exchange_of()

    def fields():
        exchange.respond(200, [])
        exchange.send(b"hello", True)
        yield b"link", b"a"

    exchange.inform(103, fields())
    talk.turn()
    assert talk.statuses == [200]
    assert talk.content == b"hello"


def test_content_that_sends_when_it_is_dropped_finds_a_connection_that_is_lost(connect):
    class Content(bytearray):
        """Wants to be the last to speak."""

        def __del__(self) -> None:
            for _ in range(9):
                exchange.send(memoryview(b"z" * 5000))
            spoken.append(True)

    spoken: list[bool] = []
    connection, exchange = ask(connect)
    exchange.respond(200, [])
    for _ in range(3):
        exchange.send(memoryview(Content(b"y" * 5000)))
    connection.lost(1.0)
    assert spoken == [True] * 3
    assert exchange.head_sent


def test_trailers_that_finish_when_they_are_looked_at_finish_once(exchange_of):
    talk, exchange = exchange_of()

    class Empty(tuple):
        def __bool__(self) -> bool:
            exchange.finish()
            return False

    exchange.respond(200, [])
    exchange.send(b"hello")
    with pytest.raises(LocalProtocolError, match="cannot finish"):
        exchange.finish(Empty())
    talk.turn()
    assert talk.read_by_h11()[:2] == (200, b"hello")


def test_trailers_that_lose_the_peer_when_they_are_looked_at_find_no_connection(connect):
    connection, exchange = ask(connect)

    class Empty(tuple):
        def __bool__(self) -> bool:
            connection.lost(1.0)
            return False

    exchange.respond(200, [])
    with pytest.raises(Disconnected):
        exchange.finish(Empty())


def test_a_field_that_responds_when_it_is_shown_in_an_error_has_responded(connect):
    connection, exchange = ask(connect)

    class Name:
        def __repr__(self) -> str:
            exchange.respond(404, [(b"inner", b"1")])
            return "name"

    with pytest.raises(LocalProtocolError, match="name"):
        exchange.respond(200, [(Name(), b"")])
    exchange.finish()
    assert connection.data_to_send(0.0)[0].startswith(b"HTTP/1.1 404 Not Found\r\ninner: 1\r\n")


def test_a_slice_of_a_file_that_sends_when_it_is_dropped_does_not_move_what_is_handed_over(connect, tmp_path):
    class Part(FileSlice):
        """Sends as much as makes the output grow, and takes the memory that it had."""

        def __del__(self) -> None:
            for _ in range(20):
                exchange.send(b"z" * 4000)
            taken.extend(bytearray(b"#" * (1 << size)) for size in range(10, 17) for _ in range(9))

    taken: list[bytearray] = []
    connection, exchange = ask(connect)
    (tmp_path / "file").write_bytes(b"hello")
    with (tmp_path / "file").open("rb") as file:
        exchange.respond(200, [])
        exchange.send(b"y" * 4000)
        exchange.send(Part(file, 0, 5))
        sent = connection.data_to_send(0.0)
        assert sent[0].endswith(b"y" * 4000 + b"\r\n" + b"5\r\n")
        assert sent[1] == FileSlice(file, 0, 5)


def test_headers_that_send_when_they_are_retracted_find_no_head(exchange_of):
    class Headers(list):
        def __del__(self):
            if retracting:
                with pytest.raises(LocalProtocolError, match="cannot send in state 'no response yet'"):
                    exchange.send(b"hello", True)

    retracting = False
    talk, exchange = exchange_of()
    exchange.respond(200, Headers([(b"x-a", b"1")]))
    retracting = True
    assert exchange.retract()
    talk.turn()
    assert talk.output == b""


@pytest.mark.parametrize("operation", ["respond", "upgrade"])
def test_fields_that_respond_have_responded(exchange_of, operation):
    def fields():
        exchange.respond(201, [])
        exchange.send(b"hello", True)
        yield b"x-a", b"1"

    talk, exchange = exchange_of(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
    operate = {"respond": lambda: exchange.respond(200, fields()), "upgrade": lambda: exchange.upgrade(None, fields())}
    with pytest.raises(LocalProtocolError, match=f"cannot {operation} in state 'response complete'"):
        operate[operation]()
    talk.turn()
    assert talk.statuses == [201]
    assert talk.content == b"hello"


@pytest.mark.parametrize("size", [10, 70000])
def test_content_that_changes_after_it_was_sent_goes_out_as_it_was(exchange_of, size):
    talk, exchange = exchange_of()
    content = bytearray(b"x" * size)
    exchange.respond(200, [])
    exchange.send(content)
    content[0] = ord("y")
    content.extend(b"zz")
    exchange.finish()
    talk.turn()
    assert talk.read_by_h11()[:2] == (200, b"x" * size)


def test_content_that_says_itself_what_it_is_goes_out_as_the_bytes_that_it_has(exchange_of):
    class Content(bytes):
        def __len__(self):
            return 3

        def __bytes__(self):
            return b"zz"

    talk, exchange = exchange_of()
    exchange.respond(200, [])
    exchange.send(Content(b"hello"))
    exchange.finish()
    talk.turn()
    assert talk.read_by_h11()[:2] == (200, b"hello")


# -- the end ---------------------------------------------------------------------------------------------------------

LEFT_BEHIND = """
import time
from asteri_core.api import Peer
from asteri_http.settings import HttpSettings
from asteri_http1._native import Binding

connection = Binding(HttpSettings(), time.time)(Peer("", ""), 0.0)
connection.receive_data(b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n", 0.0)
exchange = connection.events()[0].exchange
exchange.body = [exchange, connection]
"""


def test_an_exchange_that_is_left_behind_ends_with_the_interpreter():
    """The collector takes it together with its type and its module, in any order."""
    ended = subprocess.run([sys.executable, "-c", LEFT_BEHIND], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
