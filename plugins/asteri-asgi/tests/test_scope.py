"""The scope of a request."""

import pytest
from asteri_asgi.scope import scope_maker
from asteri_core.api import Peer


@pytest.fixture
def scope_of(make_exchange):
    def make(root_path="", state=None, debug=False, **facts):
        return scope_maker(root_path, state if state is not None else {}, debug=debug)(make_exchange(**facts))

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
    scope = scope_maker("", {})(exchange)
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


def test_nothing_in_a_scope_is_shared_with_the_next_request_or_the_exchange(make_exchange):
    state = {"pool": object()}
    make_scope = scope_maker("", state)
    exchange = make_exchange()
    first = make_scope(exchange)
    for container in (
        first["asgi"],
        first["state"],
        first["extensions"],
        first["extensions"]["http.response.pathsend"],
    ):
        container["mine"] = 1
    first["headers"].append((b"mine", b"1"))
    second = make_scope(exchange)
    assert "mine" not in str(second)
    assert "mine" not in str(exchange.headers)
    assert second["state"] == state


def test_debug_extension_is_offered_only_when_asked_for(scope_of):
    assert "http.response.debug" not in scope_of()["extensions"]
    assert scope_of(debug=True)["extensions"]["http.response.debug"] == {}
