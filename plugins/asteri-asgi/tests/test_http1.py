"""The handler upon real HTTP/1.1: bytes in, bytes out, without a socket. Both twins of either."""

import asyncio
import gc
from copy import copy

import pytest
from asteri_asgi.settings import AsgiSettings
from asteri_core.api import FileSlice, Finished, Peer, Started
from asteri_http.settings import HttpSettings
from asteri_http1.plugin import bind_native, bind_python

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
GET = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n"


def body(content=b"", more=False):
    return {"type": "http.response.body", "body": content, "more_body": more}


@pytest.fixture(params=[bind_python, bind_native], ids=["http1-py", "http1-c"])
def connect(request):
    """Makes connections, as a worker does."""
    settings = {HttpSettings: HttpSettings(date_header=False, server_header=""), AsgiSettings: AsgiSettings()}
    make = request.param(settings)
    return lambda *peer: make(Peer(*(peer or (("192.0.2.1", 51234), ("192.0.2.9", 8000)))), 0.0)


class Client:
    """The peer of one connection. ``talk`` feeds pieces and runs what they start."""

    def __init__(self, connection, handler, wait):
        self.connection = connection
        self.handler = handler
        self.wait = wait
        self.received = b""
        self.closed = False
        self.tasks = []

    async def talk(self, *pieces):
        """The peer sends the pieces (``None``: its end) one after the other; returns when all has come to rest."""
        for piece in pieces:
            if piece is None:
                self.connection.receive_eof(0.0)
            elif isinstance(piece, bytes):
                self.connection.receive_data(piece, 0.0)
            await self.settle()
        return self.received

    async def settle(self):
        for _ in range(20):
            for event in self.connection.events():
                if isinstance(event, Started):
                    self.tasks.append(asyncio.create_task(self.handler(event.exchange, self.wait)))
                else:
                    assert isinstance(event, Finished)
            self.take()
            await asyncio.sleep(0)

    def take(self):
        for piece in self.connection.data_to_send(0.0):
            if isinstance(piece, FileSlice):
                with open(piece.file.fileno(), "rb", closefd=False) as file:
                    file.seek(piece.offset)
                    piece = file.read(piece.length)
            elif not piece:
                self.closed = True
            self.received += piece


@pytest.fixture
def talk(bench, wait_for, connect):
    """What the client has received when it has sent these pieces, and whether the connection was closed then."""

    def run(app, *pieces):
        async def main():
            client = Client(connect(), bench.handler(app), wait_for)
            await client.talk(*pieces)
            assert all(task.done() for task in client.tasks)
            return client.received, client.closed

        return asyncio.run(main())

    return run


def sender(*messages):
    async def app(scope, receive, send):
        for message in messages:
            await send(message)

    return app


async def echo(scope, receive, send):
    """Answers with what it was sent, piece by piece."""
    await send(START)
    while True:
        message = await receive()
        await send(body(message["body"], message["more_body"]))
        if not message["more_body"]:
            return


# -- heads that come again ---------------------------------------------------------------------------------------------


def nothing(scope):
    """The scope is left as it is."""


def note(scope):
    scope["noted"] = 1


def note_in_state(scope):
    scope["state"]["noted"] = 1


def note_in_extension(scope):
    scope["extensions"]["http.response.pathsend"]["noted"] = 1


def replace(scope):
    scope["path"] = "/other"
    scope["server"] = None


def rename(scope):
    scope["offered"] = scope.pop("extensions")


def move_last(scope):
    scope["path"] = scope.pop("path")


def reverse(scope):
    scope["headers"].reverse()


def empty(scope):
    scope["headers"].clear()
    scope["asgi"].clear()
    scope.clear()


@pytest.fixture
def scopes_of(bench, wait_for, connect):
    """What ``view`` makes of the scopes of a request that two peers send in turn, three times each."""

    def run(view, request_bytes=GET):
        seen = []

        async def app(scope, receive, send):
            if scope["type"] == "lifespan":
                scope["state"]["started"] = True
                await receive()
                await send({"type": "lifespan.startup.complete"})
                await receive()
                await send({"type": "lifespan.shutdown.complete"})
                return
            seen.append(view(scope))
            await send(START)
            await send(body(b"done"))

        async def main():
            handler = bench.handler(app)
            await handler.startup()
            clients = [Client(connect(("192.0.2.1", port), ("192.0.2.9", 8000)), handler, wait_for) for port in (1, 2)]
            for _ in range(3):
                for client in clients:
                    await client.talk(request_bytes)
            await handler.shutdown()
            assert [client.received.count(b"done") for client in clients] == [3, 3]

        asyncio.run(main())
        assert len(seen) == 6
        return seen

    return run


CHANGES = [nothing, note, note_in_state, note_in_extension, replace, rename, move_last, reverse, empty]


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_done_to_a_scope_is_not_seen_when_the_head_comes_again(scopes_of, change):
    def view(scope):
        text = repr(scope)
        change(scope)
        return text

    seen = scopes_of(view)
    assert seen[0] == seen[2] == seen[4]
    assert seen[1] == seen[3] == seen[5]
    assert seen[1] == seen[0].replace("('192.0.2.1', 1)", "('192.0.2.1', 2)") != seen[0]
    assert "'state': {'started': True}" in seen[0]


@pytest.mark.parametrize("part", [None, "asgi", "headers", "state", "extensions"])
def test_what_is_kept_of_a_scope_is_its_own_when_the_head_comes_again(scopes_of, part):
    kept = scopes_of(lambda scope: scope if part is None else scope[part])
    assert len({id(thing) for thing in kept}) == 6
    assert kept[0] == kept[2] == kept[4]


def test_what_is_found_through_the_collector_is_not_given_to_the_next_request(scopes_of):
    def view(scope):
        return [
            thing
            for thing in gc.get_objects()
            if type(thing) is dict and thing is not scope and thing.get("raw_path") == b"/" and "client" in thing
        ] + [scope]

    seen = scopes_of(view)
    for number, scopes in enumerate(seen):
        assert not any(scopes[-1] is found for earlier in seen[:number] for found in earlier)


def test_trailers_are_offered_each_time_the_head_of_a_chunked_body_comes_again(scopes_of):
    def view(scope):
        return scope["extensions"].pop("asteri.request.trailers")

    assert scopes_of(view, CHUNKED + b"0\r\n\r\n") == [{"trailers": []}] * 6


def test_whole_response_has_its_length(talk):
    received, closed = talk(sender(START, body(b"hello")), GET)
    assert received == b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello"
    assert not closed


def test_empty_response_has_its_length(talk):
    received, _ = talk(sender(START, body()), GET)
    assert received == b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 0\r\n\r\n"


def test_streamed_response_is_chunked(talk):
    received, closed = talk(sender(START, body(b"ab", True), body(b"", True), body(b"c")), GET)
    head, content = received.split(b"\r\n\r\n", 1)
    assert b"\r\ntransfer-encoding: chunked" in head
    assert content == b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    assert not closed


def test_streamed_response_to_http_1_0_ends_with_the_connection(talk):
    received, closed = talk(sender(START, body(b"ab", True), body(b"c")), b"GET / HTTP/1.0\r\n\r\n")
    assert received.endswith(b"\r\n\r\nabc")
    assert closed


def test_pipelined_requests_are_answered_in_order(talk):
    async def app(scope, receive, send):
        await send(START)
        await send(body(scope["path"].encode()))

    received, _ = talk(app, GET.replace(b"/ ", b"/one ") + GET.replace(b"/ ", b"/two "))
    assert received.index(b"/one") < received.index(b"/two")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    ],
)
@pytest.mark.parametrize("split", [False, True], ids=["whole", "bytewise"])
def test_body_is_received(talk, request_bytes, split):
    got = []

    async def app(scope, receive, send):
        while not got or got[-1]["more_body"]:
            got.append(await receive())
        await send(START)
        await send(body())

    talk(app, *([bytes([byte]) for byte in request_bytes] if split else [request_bytes]))
    assert b"".join(message["body"] for message in got) == b"hello"


def test_response_may_run_beside_the_request(talk):
    received, _ = talk(
        echo,
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\na\r\n",
        b"1\r\nb\r\n",
        b"0\r\n\r\n",
    )
    assert received.endswith(b"\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n")


def test_client_is_told_to_go_on_when_the_application_reads(talk):
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"

    async def app(scope, receive, send):
        content = (await receive())["body"]
        await send(START)
        await send(body(content))

    received, _ = talk(app, head, b"hello")
    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_client_is_not_told_to_go_on_when_the_application_does_not_read(talk):
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    received, _ = talk(sender({**START, "status": 403}, body()), head)
    assert received.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"100 Continue" not in received


def test_early_hints_go_before_the_response(talk):
    hint = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]}
    received, _ = talk(sender(START, hint, body()), GET)
    assert received.startswith(b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_trailers_follow_the_content(talk):
    trailers = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]}
    app = sender({**START, "trailers": True}, body(b"x"), trailers)
    received, _ = talk(app, b"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: te\r\n\r\n")
    assert received.endswith(b"1\r\nx\r\n0\r\nx-sum: 1\r\n\r\n")
    received, _ = talk(app, GET)
    assert received.endswith(b"1\r\nx\r\n0\r\n\r\n")


def test_file_has_its_length(talk, tmp_path):
    path = tmp_path / "content"
    path.write_bytes(b"0123456789")
    received, _ = talk(sender(START, {"type": "http.response.pathsend", "path": str(path)}), GET)
    assert received.endswith(b"content-length: 10\r\n\r\n0123456789")


def test_failure_before_the_head_is_answered_and_the_connection_goes_on(talk):
    async def app(scope, receive, send):
        await send(START)
        raise ZeroDivisionError

    received, closed = talk(app, GET)
    assert received.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert not closed


def test_failure_in_a_chunked_body_leaves_it_without_an_end(talk):
    async def app(scope, receive, send):
        await send(START)
        await send(body(b"ab", True))
        raise ZeroDivisionError

    received, closed = talk(app, GET)
    assert received.endswith(b"2\r\nab\r\n")
    assert closed


def test_peer_that_sends_no_more_is_told_as_a_disconnect_and_still_answered(talk):
    async def app(scope, receive, send):
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        await send(START)
        await send(body(b"late"))

    received, closed = talk(app, GET, None)
    assert received.endswith(b"\r\n\r\nlate")
    assert closed


def test_body_that_breaks_the_protocol_is_answered_400_whatever_the_application_does(talk):
    async def app(scope, receive, send):
        while (await receive())["type"] != "http.disconnect":
            pass
        raise RuntimeError("client disconnected")

    received, closed = talk(
        app, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\nzz\r\n"
    )
    assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert closed


def test_lost_peer_raises_an_os_error_in_send(bench, wait_for, connect):
    errors = []

    async def main():
        gone = asyncio.Event()

        async def app(scope, receive, send):
            await send(START)
            await send(body(b"a", True))
            await gone.wait()
            try:
                await send(body(b"b", True))
            except OSError as error:
                errors.append(error)
                raise

        client = Client(connect(), bench.handler(app), wait_for)
        await client.talk(GET)
        client.connection.lost(0.0)
        gone.set()
        await client.settle()
        assert client.tasks[0].done()

    asyncio.run(main())
    assert len(errors) == 1


def test_slow_reader_holds_the_application_back(bench, wait_for, connect):
    sent = []

    async def app(scope, receive, send):
        await send(START)
        for number in range(64):
            await send(body(b"x" * 65536, True))
            sent.append(number)
        await send(body())

    async def main():
        client = Client(connect(), bench.handler(app), wait_for)
        client.connection.receive_data(GET, 0.0)
        (started,) = client.connection.events()
        task = asyncio.create_task(client.handler(started.exchange, wait_for))
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(sent) < 4  # nobody takes what is sent
        while not task.done():
            client.take()
            await asyncio.sleep(0)
        client.take()
        assert len(client.received) > 64 * 65536

    asyncio.run(main())
    assert len(sent) == 64


SCOPES = [
    (GET, {"path": "/api/", "raw_path": b"/", "query_string": b"", "headers": [(b"host", b"example.org")]}),
    (
        b"GET http://a:81/%C3%A9%FF?x=%20 HTTP/1.1\r\nX-A: 1\r\nHost: A:81\r\nx-a: 2\r\n\r\n",
        {
            "path": "/api/\xe9\ufffd",
            "raw_path": b"/%C3%A9%FF",
            "query_string": b"x=%20",
            "headers": [(b"host", b"a:81"), (b"x-a", b"1"), (b"x-a", b"2")],
        },
    ),
    (b"OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n", {"method": "OPTIONS", "path": "*", "raw_path": b"*"}),
    (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", {"http_version": "1.0"}),
    (CHUNKED + b"0\r\n\r\n", {"method": "POST", "path": "/api/"}),
]


@pytest.mark.parametrize(("request_bytes", "expected"), SCOPES)
def test_equal_requests_have_equal_scopes_whatever_their_applications_do(
    bench, wait_for, connect, request_bytes, expected
):
    """A head that has come before is known; what is known of it must not change, nor be that of another handler."""
    seen = []

    async def app(scope, receive, send):
        seen.append((scope["root_path"], repr(scope), {key: copy(scope[key]) for key in expected}))
        scope["headers"] += [(b"mine", b"1")]
        for container in [*scope["extensions"].values(), scope["extensions"], scope["asgi"], scope]:
            container["mine"] = True
        await send(START)
        await send(body())

    async def main():
        handlers = [bench.handler(app, root_path="/api"), bench.handler(app)]
        for handler in handlers * 3:
            await Client(connect(), handler, wait_for).talk(request_bytes)

    asyncio.run(main())
    assert [parts for root_path, _, parts in seen if root_path] == [expected] * 3
    assert len({scope for _, scope, _ in seen}) == 2


PEERS = [
    (("192.0.2.1", 51234), ("192.0.2.9", 8000), "http"),
    (("192.0.2.2", 51235), ("192.0.2.9", 8000), "https"),
    ("", "/run/asteri.sock"),
]


def test_head_that_is_known_says_nothing_of_the_peer(bench, wait_for, connect):
    seen = []

    async def app(scope, receive, send):
        seen.append((scope["client"], scope["server"], scope["scheme"]))
        await send(START)
        await send(body())

    async def main():
        handler = bench.handler(app)
        for peer in PEERS * 2:
            await Client(connect(*peer), handler, wait_for).talk(GET)

    asyncio.run(main())
    assert seen == [*PEERS[:2], (None, ("/run/asteri.sock", None), "http")] * 2
