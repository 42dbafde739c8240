"""What holds for the C twin alone, or only shows when both are set side by side: memory, foreign code, the clock."""

from __future__ import annotations

import gc
import sys
import sysconfig
import time
import tracemalloc
import weakref
from email.utils import formatdate
from importlib import import_module

import pytest
from asteri_core.api import Disconnected, LocalProtocolError, Peer, Want
from asteri_http.date import DateCache
from asteri_http.settings import HttpSettings
from asteri_http.status import PHRASES
from asteri_http1 import plugin
from asteri_http1._native import Binding
from asteri_http1.connection import Http1Connection
from asteri_http1.writer import Signature
from native_contract import ContractConnection, ThroughContract

PEER = Peer(("192.0.2.1", 50000), ("192.0.2.2", 80), "https")
GET = b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n"
EXPECT = b"POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"


def bound(twin: str, settings: HttpSettings, wall):
    """The factory of a twin with a clock of one's own."""
    if twin == "c":
        return Binding(settings, wall)
    signature = Signature(DateCache(wall) if settings.date_header else None, settings.server_header)
    return lambda peer, now: Http1Connection(settings, signature, peer, now)


def native(**settings):
    return Binding(HttpSettings(**settings), time.time)


def ask(connection, data: bytes = GET):
    connection.receive_data(data, 1.0)
    return connection.events()[0].exchange


def turn(connection) -> bytes:
    sent = b"".join(bytes(piece) for piece in connection.data_to_send(1.0))
    connection.events()
    return sent + b"".join(bytes(piece) for piece in connection.data_to_send(1.0))


# -- the clock -------------------------------------------------------------------------------------------------------

SECONDS = [
    0, 0.999, 1, -0.5, -1, -86401, 951782399, 951782400, 951868800, 1e9, 1700000000.7, 4102444799, 253402300799,
    -62135596800, *(86399 + 86400 * 59 * day for day in range(0, 4000, 7)),
]  # fmt: skip


@pytest.mark.parametrize("twin", ["py", "c"])
def test_the_date_is_that_of_the_clock(twin):
    walls: list[float] = []
    factory = bound(twin, HttpSettings(server_header=""), lambda: walls[0])
    for seconds in SECONDS:
        walls[:] = [seconds]
        connection = factory(PEER, 0.0)
        exchange = ask(connection)
        exchange.respond(200, [])
        exchange.finish()
        expected = formatdate(int(seconds), usegmt=True).encode()
        assert turn(connection) == b"HTTP/1.1 200 OK\r\ndate: %b\r\ncontent-length: 0\r\n\r\n" % expected


@pytest.mark.parametrize("wall", [lambda: 1e20, lambda: float("nan"), lambda: 253402300800, lambda: 1 / 0])
@pytest.mark.parametrize("twin", ["py", "c"])
def test_what_the_clock_raises_shows_and_the_response_can_be_cut(twin, wall):
    connection = bound(twin, HttpSettings(), wall)(PEER, 0.0)
    exchange = ask(connection)
    exchange.respond(200, [])
    with pytest.raises((ValueError, ArithmeticError)):
        exchange.finish()
    exchange.abort()
    assert turn(connection) == b""


@pytest.mark.parametrize(("word", "native"), [("", True), ("native", True), ("python", False)])
def test_the_clock_is_the_native_kernels_where_that_may_serve(monkeypatch, word, native):
    monkeypatch.setenv("ASTERI_IMPL", word)
    clock = plugin.wall_clock()
    assert (clock is not time.time) == native
    assert abs(clock() - time.time()) < 1


@pytest.mark.parametrize("word", ["", "native"])
def test_without_the_native_kernel_the_clock_is_pythons(monkeypatch, word):
    monkeypatch.setenv("ASTERI_IMPL", word)
    monkeypatch.setitem(sys.modules, plugin.CLOCK, None)
    assert plugin.wall_clock() is time.time


@pytest.mark.parametrize("call", [lambda clock: clock(1), lambda clock: clock(now=1)])
def test_a_clock_takes_no_arguments(call):
    with pytest.raises(TypeError, match="a clock takes no arguments"):
        call(import_module(plugin.CLOCK).wall_clock)


def test_the_date_of_a_clock_that_c_reads_is_the_same():
    clock = import_module(plugin.CLOCK).wall_clock
    before = int(clock())
    exchange = ask(connection := bound("c", HttpSettings(server_header=""), clock)(PEER, 0.0))
    exchange.respond(200, [])
    exchange.finish()
    dates = [formatdate(second, usegmt=True).encode() for second in range(before, int(clock()) + 1)]
    assert turn(connection).split(b"\r\n")[1].removeprefix(b"date: ") in dates


# -- heads -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [*range(200, 600)])
def test_every_status_has_the_same_line(exchange_of, status):
    talk, exchange = exchange_of()
    exchange.respond(status, [])
    exchange.finish()
    talk.turn()
    assert talk.output.startswith(b"HTTP/1.1 %d %b\r\n" % (status, PHRASES.get(status, b"")))


@pytest.mark.parametrize("size", [0, 100, 255, 256, 257, 5000, 9000, 40000])
def test_a_head_of_any_size_is_written_and_told(exchange_of, size):
    large = b"v" * size
    fields = [(b"X-Large", large), (b"Content-Length", b"05"), (b"x", b""), (b"Connection", b"close"), (b"y", b"z")]
    talk, exchange = exchange_of()
    exchange.respond(200, fields)
    exchange.send(b"hello", True)
    talk.turn()
    assert talk.output.startswith(b"HTTP/1.1 200 OK\r\nX-Large: %b\r\nx: \r\ny: z\r\ndate: " % large)
    assert talk.content == b"hello"
    assert list(exchange.response_headers) == fields
    assert exchange.response_headers is exchange.response_headers


HEADS = [
    (200, []),
    (404, []),
    (200, [(b"Content-Type", b"text/plain"), (b"Content-Length", b"5")]),
    (200, [(b"Content-Length", b"7"), (b"Content-Type", b"text/plain")]),
    (200, [(b"content-type", b"text/plain")]),
    (200, [(b"Content-Type", b"text/plain"), (b"x", b"")]),
    (200, [(b"Content-Type", b"text/plain"), (b"x", b"y")]),
    (200, [(b"x", b"y"), (b"Content-Type", b"text/plain")]),
    (200, [(b"Content-Typ", b"etext/plain")]),
    (201, [(b"Content-Type", b"text/plain")]),
    (200, [(b"accept-charset", b"as-long-a-name"), (b"x", b"y")]),
    (200, [(b"x", b"y")]),
    (200, [(b"Date", b"never"), (b"server", b"mine")]),
    (200, [(b"Connection", b"close"), (b"x", b"y")]),
    (200, [(b"Connection", b"Upgrade"), (b"x", b"y")]),
    (200, [(b"Transfer-Encoding", b"chunked"), (b"keep-alive", b"1")]),
    (200, [(b"large", b"v" * 600)]),
    (200, [(b"large", b"v" * 450)]),
    (204, [(b"content-length", b"0")]),
    (200, [(b"x", b"y"), (b"content-length", b"-1")]),
    (200, [(b"x", b"y"), (b"content-length", b"1"), (b"content-length", b"2")]),
    (200, [(b"x", b"y"), (b"content length", b"1")]),
    (200, [(b"x", b"y\0")]),
]


def answered(factory, status, fields) -> tuple[object, ...]:
    """What the peer gets and the application sees of one response, or the error."""
    exchange = ask(connection := factory(PEER, 0.0))
    try:
        exchange.respond(status, fields)
    except LocalProtocolError as error:
        return str(error), list(exchange.response_headers)
    exchange.send(b"x" * sum(int(value) for name, value in fields if name.lower() == b"content-length"), True)
    return turn(connection), list(exchange.response_headers), exchange.status


@pytest.mark.parametrize("first", HEADS)
def test_a_head_says_the_same_whatever_the_one_before_it_said(first):
    python = bound("py", HttpSettings(), lambda: 0.0)
    native = ThroughContract(bound("c", HttpSettings(), lambda: 0.0))
    for head in [second for after in HEADS for second in (first, after, after)]:
        assert answered(native, *head) == answered(python, *head)


def test_a_head_that_is_replaced_leaves_nothing_of_the_first(exchange_of):
    talk, exchange = exchange_of()
    assert not exchange.response_headers
    exchange.respond(404, [(b"x", b"first")])
    assert list(exchange.response_headers) == [(b"x", b"first")]
    with pytest.raises(LocalProtocolError):
        exchange.respond(500, [(b"x", b"second")])
    assert list(exchange.response_headers) == [(b"x", b"first")]
    assert exchange.retract()
    assert not exchange.response_headers
    with pytest.raises(LocalProtocolError):
        exchange.respond(200, [(b"x", b"third"), (b"x", b"\0")])
    assert (exchange.status, list(exchange.response_headers)) == (0, [])
    exchange.respond(200, [(b"y", b"z")])
    exchange.finish()
    talk.turn()
    assert talk.output.startswith(b"HTTP/1.1 200 OK\r\ny: z\r\ndate: ")
    assert b"x: " not in talk.output


def test_an_interim_response_overtakes_a_head_that_is_set(exchange_of):
    talk, exchange = exchange_of(EXPECT)
    exchange.respond(200, [(b"x", b"y" * 9000)])
    exchange.inform(103, [(b"link", b"a")])
    talk.turn()
    assert exchange.read() is None
    exchange.inform(102, [])
    exchange.send(b"hello")
    talk.turn()
    assert talk.statuses == [103, 100, 102, 200]
    assert talk.output.startswith(b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ([(b"x",)], ValueError), ([(b"x", b"y", b"z")], ValueError), ([b"xyz"], ValueError), ([5], TypeError),
        (5, TypeError), (None, TypeError), ([[b"x", None]], LocalProtocolError), ([b"xy"], LocalProtocolError),
    ],
)  # fmt: skip
def test_fields_that_are_no_pairs_are_refused_and_another_head_may_follow(exchange_of, fields, error):
    talk, exchange = exchange_of()
    for act in (lambda: exchange.respond(200, fields), lambda: exchange.inform(103, fields)):
        with pytest.raises(error):
            act()
    exchange.respond(200, (list(field) for field in [(b"x", b"y")]))
    exchange.finish()
    talk.turn()
    assert talk.output.startswith(b"HTTP/1.1 200 OK\r\nx: y\r\n")


def test_operations_take_their_arguments_by_name(exchange_of, dialogue):
    talk, exchange = exchange_of(GET)
    exchange.inform(status=103, headers=[])
    exchange.watch(want=Want.GONE, callback=lambda: None)
    exchange.respond(status=200, headers=[], reason=b"Fine")
    exchange.send(data=b"a", end=False)
    exchange.finish(trailers=())
    talk.turn()
    assert talk.statuses == [103, 200]
    for act in (
        exchange.respond,
        lambda: exchange.respond(200, [], b"", 1),
        lambda: exchange.respond(200, [], status=1),
        lambda: exchange.send(b"", last=True),
        lambda: exchange.send(end=True),
    ):
        with pytest.raises(TypeError):
            act()
    connection = dialogue().connection
    connection.receive_data(data=GET, now=1.0)
    connection.drain(until=2.0, now=1.0)
    connection.expire(now=1.0)
    connection.data_to_send(now=1.0)
    connection.receive_eof(now=1.0)
    connection.lost(now=1.0)


# -- the request -----------------------------------------------------------------------------------------------------


def test_the_facts_outlive_the_connection(implementation):
    connection = implementation({HttpSettings: HttpSettings()})(PEER, 0.0)
    exchange = ask(connection)
    exchange.respond(200, [(b"x", b"y")])
    exchange.send(b"hello", True)
    connection.data_to_send(1.0)
    connection.events()
    del connection
    gc.collect()
    exchange.body = body = object()
    assert (exchange.method, exchange.target, exchange.version, exchange.scheme) == ("GET", b"/a?b", "1.1", "https")
    assert (exchange.raw_path, exchange.query, exchange.authority, exchange.peer) == (b"/a", b"b", b"a", PEER)
    assert (exchange.headers, exchange.trailers, exchange.body) == ([(b"host", b"a")], [], body)
    assert (exchange.content_length, exchange.has_body, exchange.expects_continue) == (None, False, False)
    assert (exchange.status, exchange.sent, list(exchange.response_headers)) == (200, 5, [(b"x", b"y")])
    assert (exchange.read(), exchange.buffered, exchange.retract(), exchange.head_sent) == (b"", 0, False, True)
    assert all(exchange.watch(want, lambda: None) for want in Want)
    exchange.abort()
    with pytest.raises(LocalProtocolError):
        exchange.send(b"x")


def test_whether_the_client_waits_is_not_that_of_another_request_with_the_same_head():
    """Equal heads are one in C; what came in behind one of them says that its client does not wait."""
    connect = native()
    for _ in range(2):
        for data, waits in ((EXPECT, True), (EXPECT + b"h", False)):
            connection = ContractConnection(connect(PEER, 0.0), 8)
            exchange = ask(connection, data)
            assert exchange.expects_continue == exchange.real.expects_continue == waits
            assert exchange.content_length == 5


def test_a_pipeline_is_read_without_copying_it_again_and_again(dialogue):
    """Linear: what is behind each request stays where it is."""
    talk = dialogue().feed(GET * 2000)
    assert len(talk.seen) == 2000
    assert talk.statuses == [200] * 2000


# -- foreign code ----------------------------------------------------------------------------------------------------


def test_a_driver_that_was_never_set_is_woken_in_vain(implementation):
    connection = implementation({HttpSettings: HttpSettings()})(PEER, 0.0)
    connection.wake()
    exchange = ask(connection)
    exchange.respond(200, [])
    exchange.finish()
    assert turn(connection)


@pytest.mark.parametrize("factory", [native, lambda: lambda peer, now: ContractConnection(native()(peer, now), 4)])
def test_what_a_driver_or_a_watcher_raises_comes_out_of_the_call(factory):
    connection = factory()(PEER, 0.0)
    exchange = ask(connection, EXPECT)
    exchange.watch(Want.READ, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        connection.receive_data(b"hel", 1.0)
    assert exchange.read() == b"hel"
    connection.lost(1.0)
    with pytest.raises(Disconnected):
        exchange.read()


def test_a_response_inside_of_a_response_is_refused():
    connection = native()(PEER, 0.0)
    exchange = ask(connection)

    def fields():
        exchange.respond(404, [(b"inner", b"1")])
        yield b"outer", b"1"

    with pytest.raises(LocalProtocolError, match="cannot respond in state 'head set, not sent'"):
        exchange.respond(200, fields())
    exchange.finish()
    assert turn(connection).startswith(b"HTTP/1.1 404 Not Found\r\ninner: 1\r\ndate: ")


@pytest.mark.parametrize("operation", ["inform", "respond", "finish", "upgrade"])
def test_a_peer_that_is_lost_inside_of_an_operation_ends_it(operation):
    upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nTE: trailers\r\n\r\n"
    connection = native()(PEER, 0.0)
    exchange = ask(connection, upgrade)

    class Fields:
        def __iter__(self):
            connection.lost(2.0)
            return iter([(b"x-a", b"b")])

    if operation == "finish":
        exchange.respond(200, [])
        act = lambda: exchange.finish(Fields())  # noqa: E731
    elif operation == "upgrade":
        act = lambda: exchange.upgrade(connection, Fields())  # noqa: E731
    else:
        act = lambda: getattr(exchange, operation)(200 if operation == "respond" else 103, Fields())  # noqa: E731
    if operation == "inform":
        act()
    else:
        with pytest.raises(Disconnected):
            act()
    assert turn(connection) == b""


# -- memory ----------------------------------------------------------------------------------------------------------


def serve(connect, content: bytes = b"x" * 500, data: bytes = GET):
    """A connection that has answered, and waits for the next request."""
    connection = connect(PEER, 0.0)
    exchange = ask(connection, data)
    exchange.read()
    exchange.respond(200, [(b"content-type", b"text/plain")])
    exchange.send(content)
    exchange.finish()
    assert turn(connection)
    return connection


@pytest.mark.parametrize("content", [b"x" * 500, b"x" * 5000, b"x" * 100000])
def test_an_idle_connection_costs_less_than_600_bytes(content):
    connect = native()
    kept = [serve(connect, content) for _ in range(100)]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept += [serve(connect, content) for _ in range(1000)]
        cost = (tracemalloc.get_traced_memory()[0] - before) / 1000
    finally:
        tracemalloc.stop()
    assert len(kept) == 1100
    assert cost < 600


@pytest.mark.parametrize(
    "data",
    [
        GET, GET + b"GET / HTTP/1.1\r\nHo", EXPECT + b"h", EXPECT + b"hello", EXPECT + b"hello" + GET, b"bad\0" + GET,
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-a: b\r\n\r\n",
    ],
)  # fmt: skip
def test_nothing_is_left_of_a_connection_that_is_dropped_at_any_time(data):
    connect = native()
    steps = [
        lambda exchange: exchange.read(),
        lambda exchange: exchange.watch(Want.GONE, lambda: exchange),
        lambda exchange: exchange.respond(200, [(b"x", b"y" * 300), (b"content-length", b"200010")]),
        lambda exchange: exchange.inform(103, [(b"x", b"y")]),
        lambda exchange: exchange.send(b"x" * 200000),
        lambda exchange: exchange.send(memoryview(b"y" * 10)),
    ]

    def play(count: int) -> None:
        connection = connect(PEER, 0.0)
        connection.wake = lambda: connection
        connection.receive_data(data, 1.0)
        for event in connection.events()[:1]:
            exchange = getattr(event, "exchange", None)
            for step in steps[:count] if exchange else ():
                step(exchange)

    def play_all(times: int) -> int:
        for _ in range(times):
            for count in range(len(steps) + 1):
                play(count)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        # Without the GIL the interpreter keeps some hundred names that were looked up, and fills that first.
        before = play_all(600 if sysconfig.get_config_var("Py_GIL_DISABLED") else 30)
        after = play_all(60)
    finally:
        tracemalloc.stop()
    assert after - before < 420 * 8, "more than 8 bytes are left each time"


def test_a_watcher_that_knows_its_exchange_is_collected_with_it():
    class Watcher:
        def __init__(self, exchange) -> None:
            self.exchange = exchange

        def __call__(self) -> None:
            raise AssertionError("nothing has happened")

    exchange = ask(native()(PEER, 0.0))
    watcher = Watcher(exchange)
    exchange.watch(Want.GONE, watcher)
    exchange.headers.append(watcher)
    exchange.body = watcher
    gone = weakref.ref(watcher)
    del exchange, watcher
    gc.collect()
    assert gone() is None


def test_the_cycle_of_a_connection_and_its_exchange_ends_with_the_exchange():
    class Wake:
        def __call__(self) -> None:
            pass

    connection = native()(PEER, 0.0)
    wake = Wake()
    connection.wake = wake
    exchange = ask(connection)
    exchange.respond(200, [])
    exchange.finish()
    turn(connection)
    gone = weakref.ref(wake)
    gc.disable()
    try:
        del connection, wake
        assert gone() is None
    finally:
        gc.enable()
    assert exchange.status == 200
