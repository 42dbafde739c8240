"""The scope of a request."""

import asyncio

import pytest
from asteri_core.api import Peer


@pytest.fixture
def scope_of(bench, make_exchange):
    """The scope of an exchange with these facts, or of the exchange itself."""

    def make(exchange=None, root_path="", asgi_debug=False, **facts):
        scopes = []

        async def app(scope, receive, send):
            scopes.append(scope)

        exchange = make_exchange(**facts) if exchange is None else exchange
        bench.run(app, exchange, root_path=root_path, asgi_debug=asgi_debug)
        (scope,) = scopes
        return scope

    return make


def test_a_plain_request_has_every_key_of_the_specification(scope_of):
    assert scope_of(
        method="POST",
        raw_path=b"/a",
        query=b"x=%20",
        headers=[(b"host", b"example.org"), (b"x-a", b"1"), (b"x-a", b"2")],
    ) == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/a",
        "raw_path": b"/a",
        "query_string": b"x=%20",
        "root_path": "",
        "headers": [(b"host", b"example.org"), (b"x-a", b"1"), (b"x-a", b"2")],
        "client": ("192.0.2.1", 51234),
        "server": ("192.0.2.9", 8000),
        "state": {},
        "extensions": {
            "http.response.early_hint": {},
            "http.response.trailers": {},
            "http.response.pathsend": {},
            "http.response.zerocopysend": {},
        },
    }


def test_only_a_body_of_unknown_length_can_have_trailers(scope_of, make_exchange):
    name = "asteri.request.trailers"
    assert name not in scope_of()["extensions"]
    assert name not in scope_of(has_body=True, content_length=3)["extensions"]
    exchange = make_exchange(has_body=True)
    scope = scope_of(exchange)
    assert scope["extensions"][name] == {"trailers": []}
    exchange.trailers.append((b"x-sum", b"1"))
    assert scope["extensions"][name] == {"trailers": [(b"x-sum", b"1")]}


@pytest.mark.parametrize(
    ("raw_path", "path"),
    [
        (b"/", "/"),
        (b"/a%20b", "/a b"),
        (b"/a%2Fb", "/a/b"),
        (b"/%C3%A9t%C3%A9", "/été"),
        ("/été".encode(), "/été"),
        (b"/%FF", "/\ufffd"),
        (b"/%", "/%"),
        (b"/%zz", "/%zz"),
        (b"/+", "/+"),
        (b"//a//", "//a//"),
        (b"*", "*"),
        (b"", ""),
    ],
)
def test_path_is_decoded_and_raw_path_is_not(scope_of, raw_path, path):
    scope = scope_of(raw_path=raw_path)
    assert (scope["path"], scope["raw_path"]) == (path, raw_path)


@pytest.mark.parametrize(
    ("raw_path", "path"),
    [
        (b"/users", "/api/users"),
        (b"/", "/api/"),
        (b"/api/users", "/api/users"),
        (b"/api", "/api"),
        (b"/apiary", "/api/apiary"),
        (b"*", "*"),
    ],
)
def test_path_begins_with_the_root_path_whether_the_proxy_removes_it_or_not(scope_of, raw_path, path):
    scope = scope_of(root_path="/api", raw_path=raw_path)
    assert (scope["path"], scope["root_path"], scope["raw_path"]) == (path, "/api", raw_path)


def test_unix_sockets_have_no_client_and_a_path_as_server(scope_of):
    scope = scope_of(peer=Peer("", "/run/asteri.sock"))
    assert (scope["client"], scope["server"]) == (None, ("/run/asteri.sock", None))


def test_scheme_is_that_of_the_exchange(scope_of):
    assert scope_of(peer=Peer(("::1", 1), ("::1", 2), "https"))["scheme"] == "https"


def test_method_is_upper_case(scope_of):
    assert scope_of(method="get")["method"] == "GET"


def test_authority_of_the_target_takes_the_place_of_host(scope_of):
    headers = [(b"accept", b"*/*"), (b"host", b"other.example")]
    assert scope_of(authority=b"example.org:81", headers=headers)["headers"] == [
        (b"host", b"example.org:81"),
        (b"accept", b"*/*"),
    ]


STATE = {"pool": object()}


@pytest.fixture
def serve(bench, make_exchange, wait_for):
    """Runs an application of (scope) for a number of requests, one after the other, upon one handler."""

    def run(view, count, **facts):
        async def app(scope, receive, send):
            if scope["type"] == "lifespan":
                scope["state"].update(STATE)
                await receive()
                await send({"type": "lifespan.startup.complete"})
                await receive()
                await send({"type": "lifespan.shutdown.complete"})
            else:
                view(scope)

        async def main():
            handler = bench.handler(app)
            await handler.startup()
            for _ in range(count):
                await handler(make_exchange(**facts), wait_for)
            await handler.shutdown()

        asyncio.run(main())

    return run


def containers(scope):
    return [scope, scope["asgi"], scope["state"], scope["extensions"], *scope["extensions"].values()]


def keep(scope):
    """Nothing is done to the scope."""


def add(scope):
    for container in containers(scope):
        container["mine"] = {}
    scope["headers"].append((b"mine", b"1"))


def add_to_one(scope):
    scope["extensions"]["http.response.pathsend"]["mine"] = 1


def remove(scope):
    scope["headers"].clear()
    for container in reversed(containers(scope)):
        container.clear()


def replace(scope):
    for container in reversed(containers(scope)):
        for key in container:
            container[key] = {}


def rename(scope):
    for name in ("asgi", "extensions"):
        container = scope[name]
        for key in list(container):
            container["my." + key] = container.pop(key)


def shuffle(scope):
    for name in ("asgi", "extensions"):
        container = scope[name]
        for key in list(container)[:1]:
            container[key] = container.pop(key)


@pytest.mark.parametrize("change", [keep, add, add_to_one, remove, replace, rename, shuffle])
def test_what_an_application_does_to_its_scope_is_not_seen_by_the_next_request(serve, make_exchange, change):
    exchange = make_exchange()
    seen = []

    def view(scope):
        seen.append(repr(scope))
        assert scope["state"] == STATE
        change(scope)

    serve(view, 4)
    assert len(set(seen)) == 1
    assert exchange.headers == [(b"host", b"example.org")]


def test_what_an_application_keeps_of_its_scope_is_its_own(serve):
    kept = []
    serve(lambda scope: kept.extend([*containers(scope), scope["headers"]]), 4)
    assert len({id(container) for container in kept}) == len(kept)


@pytest.mark.parametrize("part", range(8))
def test_what_an_application_keeps_of_a_part_of_its_scope_is_its_own(serve, part):
    kept = []

    def view(scope):
        assert all("mine" not in container for container in containers(scope))
        kept.append(containers(scope)[part])

    serve(view, 3)
    for container in kept:
        container["mine"] = True
    assert len({id(container) for container in kept}) == 3


def test_debug_extension_is_offered_only_when_asked_for(scope_of):
    assert "http.response.debug" not in scope_of()["extensions"]
    assert scope_of(asgi_debug=True)["extensions"]["http.response.debug"] == {}
