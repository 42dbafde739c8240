"""What an application is told about a request: CGI's words (RFC 3875 section 4.1) and those of PEP 3333."""

from __future__ import annotations

import io

import pytest
from asteri_core.api import Peer
from asteri_core.empty_body import EMPTY_BODY
from asteri_core.testing import MemoryExchange
from asteri_wsgi.environ import CACHE_LIMIT
from asteri_wsgi.file_wrapper import FileWrapper


@pytest.fixture
def environ_of(client):
    def ask(raw, **options):
        seen = {}

        def application(environ, start_response):
            seen.update(environ)
            start_response("204 No Content", [])
            return []

        one = client(application, **options)
        one.request(raw)
        return seen

    return ask


def get(target, *lines, version="1.1"):
    fields = "".join(f"{line}\r\n" for line in lines)
    return f"GET {target} HTTP/{version}\r\nHost: example.com\r\n{fields}\r\n".encode("latin-1")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (get("/"), {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": "", "SCRIPT_NAME": ""}),
        (get("/a/b?x=1&y=%20"), {"PATH_INFO": "/a/b", "QUERY_STRING": "x=1&y=%20"}),
        (get("/a%20b?q"), {"PATH_INFO": "/a b", "RAW_URI": "/a%20b?q", "REQUEST_URI": "/a%20b?q"}),
        (get("/%C3%BC"), {"PATH_INFO": "/\u00c3\u00bc"}),
        (get("/a%2Fb"), {"PATH_INFO": "/a/b", "RAW_URI": "/a%2Fb"}),
        (get("//a//b"), {"PATH_INFO": "//a//b"}),
        (get("/", version="1.0"), {"SERVER_PROTOCOL": "HTTP/1.0"}),
        (get("/"), {"SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "example.com"}),
        (get("http://example.com/p?q=1"), {"PATH_INFO": "/p", "QUERY_STRING": "q=1", "HTTP_HOST": "example.com"}),
        (b"OPTIONS * HTTP/1.1\r\nHost: e\r\n\r\n", {"PATH_INFO": "", "REQUEST_URI": "*"}),
        (get("/"), {"SERVER_NAME": "198.51.100.7", "SERVER_PORT": "8000"}),
        (get("/"), {"REMOTE_ADDR": "192.0.2.1", "REMOTE_PORT": "40000"}),
        (get("/", "X-Token: a"), {"HTTP_X_TOKEN": "a"}),
        (get("/", "X-Token: a", "x-tOkEn: b"), {"HTTP_X_TOKEN": "a,b"}),
        (get("/", "Cookie: a=1", "Cookie: b=2"), {"HTTP_COOKIE": "a=1; b=2"}),
        (get("/", "X-Latin: \xfc"), {"HTTP_X_LATIN": "\xfc"}),
        (get("/", "Content-Type: text/plain"), {"CONTENT_TYPE": "text/plain"}),
        (get("/", "Content-Length: 0"), {"CONTENT_LENGTH": "0"}),
        (get("/", "Script-Name: /x"), {"HTTP_SCRIPT_NAME": "/x", "SCRIPT_NAME": ""}),
        (get("/", "Path-Info: /x"), {"HTTP_PATH_INFO": "/x", "PATH_INFO": "/"}),
        (get("/", "Wsgi.Url-Scheme: x"), {"HTTP_WSGI.URL_SCHEME": "x", "wsgi.url_scheme": "http"}),
    ],
)
def test_request_becomes(environ_of, raw, expected):
    environ = environ_of(raw)
    assert {key: environ.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("Proxy: http://evil/", "HTTP_PROXY"),
        ("X_Real_Ip: 1.2.3.4", "HTTP_X_REAL_IP"),
        ("Remote_User: root", "HTTP_REMOTE_USER"),
        ("Remote-User: root", "REMOTE_USER"),
        ("Content_Type: x", "HTTP_CONTENT_TYPE"),
        ("Content_Length: 5", "HTTP_CONTENT_LENGTH"),
        ("Content-Type: x", "HTTP_CONTENT_TYPE"),
        ("Content-Length: 0", "HTTP_CONTENT_LENGTH"),
    ],
)
def test_header_does_not_become(environ_of, line, key):
    assert key not in environ_of(get("/", line))


@pytest.fixture
def environ_of_headers(client):
    """The environ of a request whose headers no protocol has looked at."""

    def ask(headers):
        seen = {}

        def application(environ, start_response):
            seen.update(environ)
            start_response("204 No Content", [])
            return []

        exchange = MemoryExchange(headers=headers)
        exchange.body = io.BytesIO()
        client(application).handler(exchange, lambda exchange, want: None)
        assert exchange.status == 204
        return seen

    return ask


@pytest.mark.parametrize("name", [b"proxy", b"x_real_ip", b"content_type", b"content-length"])
def test_dropped_names_are_dropped_here_too(environ_of_headers, name):
    assert environ_of_headers([(name, b"1")]).keys() == environ_of_headers([]).keys()


@pytest.mark.parametrize(
    ("headers", "key", "value"),
    [
        ([(b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"1")], "HTTP_X_A", "1,1"),
        ([(b"x-a", b""), (b"x-a", b"")], "HTTP_X_A", ","),
        ([(b"x-a", b"1"), (b"X-A", b"2")], "HTTP_X_A", "1,2"),
        ([(b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"cookie", b"c=3")], "HTTP_COOKIE", "a=1; b=2; c=3"),
        ([(b"content-type", b"a"), (b"content-type", b"b")], "CONTENT_TYPE", "a,b"),
        ([(b"", b"nameless")], "HTTP_", "nameless"),
        ([(b"x-\xdf\xff", b"1")], "HTTP_X_SS\u0178", "1"),
        ([(b"te", b"a"), (b"tea", b"b"), (b"via", b"c")], "HTTP_TEA", "b"),
        ([(b"host", b"other.example")], "HTTP_HOST", "example.org"),
        ([(b"x-long", b"v" * 10_000)], "HTTP_X_LONG", "v" * 10_000),
    ],
)
def test_headers_become(environ_of_headers, headers, key, value):
    assert environ_of_headers(headers)[key] == value


def test_names_that_are_alike_at_both_ends_are_not_mixed_up(environ_of_headers):
    names = [f"x-begins-{number:04}-ends-alike" for number in range(40)]
    environ = environ_of_headers([(name.encode(), name.encode()) for name in names])
    assert [environ["HTTP_" + name.upper().replace("-", "_")] for name in names] == names


def test_content_type_and_length_are_absent_without_them(environ_of):
    environ = environ_of(get("/"))
    assert "CONTENT_TYPE" not in environ
    assert "CONTENT_LENGTH" not in environ


def test_collected_chunks_have_a_length(environ_of):
    raw = b"POST / HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    environ = environ_of(raw)
    assert environ["CONTENT_LENGTH"] == "5"
    assert "HTTP_TRANSFER_ENCODING" not in environ
    assert environ["wsgi.input"].read() == b"abcde"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/api/users", "/users"),
        ("/users", "/users"),
        ("/api", ""),
        ("/api/", "/"),
        ("/apis", "/apis"),
        ("/%61pi/x", "/x"),
    ],
)
def test_root_path_is_script_name_and_not_in_path_info(environ_of, target, path):
    environ = environ_of(get(target), root_path="/api")
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/api", path)


def test_root_path_is_a_native_string(environ_of):
    environ = environ_of(get("/%C3%BC/x"), root_path="/ü")
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/\u00c3\u00bc", "/x")


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        (Peer("", "/run/app.sock"), ("", "", "localhost", "80", "http")),
        (Peer("", "/run/app.sock", "https"), ("", "", "localhost", "443", "https")),
        (Peer(("::1", 5), ("::1", 8443), "https"), ("::1", "5", "::1", "8443", "https")),
    ],
)
def test_addresses(environ_of, peer, expected):
    environ = environ_of(get("/"), peer=peer)
    keys = ("REMOTE_ADDR", "REMOTE_PORT", "SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme")
    assert tuple(environ[key] for key in keys) == expected


def test_what_pep_3333_requires(environ_of):
    environ = environ_of(get("/"), threads=True)
    assert type(environ) is dict
    assert environ["wsgi.version"] == (1, 0)
    assert environ["wsgi.multithread"] is True
    assert environ["wsgi.multiprocess"] is True
    assert environ["wsgi.run_once"] is False
    assert environ["wsgi.input_terminated"] is True
    assert environ["wsgi.file_wrapper"] is FileWrapper
    assert environ_of(get("/"))["wsgi.multithread"] is False


def test_requests_do_not_share_an_environ(client):
    seen = []

    def application(environ, start_response):
        seen.append(("marked" in environ, environ["wsgi.url_scheme"], environ["PATH_INFO"], environ["HTTP_HOST"]))
        environ["marked"] = environ["PATH_INFO"] = environ["HTTP_HOST"] = "marked"
        environ["wsgi.url_scheme"] = "gopher"
        del environ["REMOTE_ADDR"]
        start_response("200 OK", [])
        return [b"x"]

    one = client(application)
    for _ in range(5):
        one.request()
    assert seen == [(False, "http", "/path", "example.com")] * 5


PEERS = [
    Peer(("192.0.2.1", 1), ("198.51.100.7", 80)),
    Peer(("192.0.2.2", 2), ("198.51.100.7", 80)),
    Peer(("192.0.2.1", 3), ("198.51.100.8", 80)),
    Peer(("192.0.2.1", 3), ("198.51.100.8", 81)),
    Peer(("192.0.2.1", 3), ("198.51.100.8", 81), "https"),
    Peer("", "/run/app.sock"),
]


def test_equal_requests_differ_by_their_peer_and_their_application(client):
    seen = []
    names = ["SCRIPT_NAME", "PATH_INFO", "REMOTE_ADDR", "REMOTE_PORT", "SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme"]

    def application(environ, start_response):
        seen.append(tuple(environ[name] for name in names))
        start_response("200 OK", [])
        return [b"x"]

    handlers = [client(application, root_path=root).handler for root in ("", "/path")]
    expected = []
    for _ in range(3):
        for peer in PEERS:
            for handler, paths in zip(handlers, [("", "/path"), ("/path", "")], strict=True):
                one = client(application, peer=peer)
                one.handler = handler
                for _ in range(3):
                    one.request()
                    remote = (peer.address[0], str(peer.address[1])) if peer.address else ("", "")
                    local = (peer.local[0], str(peer.local[1])) if peer.address else ("localhost", "80")
                    expected.append((*paths, *remote, *local, peer.scheme))
    assert seen == expected


def test_invented_header_names_do_not_fill_the_memory(environ_of_headers):
    headers = [(b"x-invented-%d" % number, b"1") for number in range(2 * CACHE_LIMIT)]
    once, again = ({key: key for key in environ_of_headers(headers) if "INVENTED" in key} for _ in range(2))
    assert list(once) == [f"HTTP_X_INVENTED_{number}" for number in range(2 * CACHE_LIMIT)]
    kept = [key for key in once if again[key] is once[key]]
    assert len(kept) < CACHE_LIMIT


def test_the_usual_names_have_their_keys_also_when_invented_ones_have_come_first(environ_of_headers):
    environ_of_headers([(b"x-invented-first-%d" % number, b"1") for number in range(2 * CACHE_LIMIT)])
    environ = environ_of_headers(
        [(b"user-agent", b"curl"), (b"content-type", b"text/plain"), (b"content-length", b"7")]
    )
    assert (environ["HTTP_USER_AGENT"], environ["CONTENT_TYPE"]) == ("curl", "text/plain")
    assert "HTTP_CONTENT_LENGTH" not in environ


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/%", "/%"),
        ("/%4", "/%4"),
        ("/%41", "/A"),
        ("/%4g", "/%4g"),
        ("/%g1", "/%g1"),
        ("/%%41", "/%A"),
        ("/%2541", "/%41"),
        ("/%aF%Fa", "/\xaf\xfa"),
        ("/a%00b", "/a\0b"),
        ("/" + "%41" * 1000, "/" + "A" * 1000),
        ("*", ""),
        ("*a", "*a"),
        ("", ""),
    ],
)
def test_path_info_is_decoded(client, target, path):
    seen = []

    def application(environ, start_response):
        seen.append(environ["PATH_INFO"])
        start_response("204 No Content", [])
        return []

    exchange = MemoryExchange(target=target.encode())
    exchange.body = io.BytesIO()
    client(application).handler(exchange, lambda exchange, want: None)
    assert seen == [path]


@pytest.mark.parametrize("lines", [(), ("Content-Length: 0",), ("Transfer-Encoding: chunked",)])
def test_requests_without_content_share_a_file_that_none_can_change(environ_of, lines):
    end = b"0\r\n\r\n" if "Transfer-Encoding: chunked" in lines else b""
    environ, other = environ_of(get("/", *lines) + end), environ_of(get("/", *lines) + end)
    assert environ["wsgi.input"] is other["wsgi.input"] is EMPTY_BODY
    environ["wsgi.input"].close()
    assert other["wsgi.input"].read() == b""


def test_a_body_is_a_file_of_its_own(environ_of):
    environ, other = (environ_of(get("/", "Content-Length: 3") + body) for body in (b"one", b"two"))
    assert environ["wsgi.input"].read() == b"one"
    assert other["wsgi.input"].read() == b"two"


def test_equal_requests_of_different_peers_have_their_own_addresses(client):
    seen = []

    def application(environ, start_response):
        seen.append((environ["REMOTE_ADDR"], environ["REMOTE_PORT"]))
        start_response("204 No Content", [])
        return []

    # The ports are alike in their last bits; each peer comes often enough for what is kept of a head to be used.
    peers = [("192.0.2.1", 40000), ("192.0.2.1", 40256), ("2001:db8::1", 40000, 0, 0), None, ("192.0.2.2", 0)] * 3
    local = ("198.51.100.7", 8000)
    for address in peers:
        client(application, peer=Peer(address, local)).request(get("/"))
    assert seen == [(address[0], str(address[1])) if address else ("", "") for address in peers]


def test_every_value_of_a_header_is_a_native_string(environ_of):
    environ = environ_of(get("/", "X-A: \xff\xfe"))
    assert all(type(value) is str for key, value in environ.items() if "." not in key)


class NoText(int):
    def __str__(self):
        raise ValueError("a port without a text")


def test_a_port_that_has_no_text_fails_its_own_request_only(client, caplog):
    def application(environ, start_response):
        start_response("204 No Content", [])
        return []

    local = ("198.51.100.7", 8000)
    ports = [40000, NoText(1), 40000, NoText(1)]
    answers = [client(application, peer=Peer(("192.0.2.1", port), local)).request(get("/")).status for port in ports]
    assert answers == [204, 500, 204, 500]
    assert "a port without a text" in caplog.text
