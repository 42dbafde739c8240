"""What an application is told about a request: CGI's words (RFC 3875 section 4.1) and those of PEP 3333."""

from __future__ import annotations

import pytest
from asteri_core.api import Peer
from asteri_wsgi import environ as module
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


@pytest.mark.parametrize("name", [b"proxy", b"x_real_ip", b"content_type"])
def test_dropped_names_are_dropped_here_too(name):
    assert module.key_of(name) == module.DROPPED


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
        seen.append("marked" in environ)
        environ["marked"] = True
        environ["wsgi.url_scheme"] = "gopher"
        start_response("200 OK", [])
        return [b"x"]

    one = client(application)
    one.request()
    one.request()
    assert seen == [False, False]


def test_invented_header_names_do_not_fill_the_memory():
    for number in range(2 * module.CACHE_LIMIT):
        assert module.key_of(b"x-invented-%d" % number) == f"HTTP_X_INVENTED_{number}"
    assert len(module._keys) <= module.CACHE_LIMIT


def test_every_value_of_a_header_is_a_native_string(environ_of):
    environ = environ_of(get("/", "X-A: \xff\xfe"))
    assert all(type(value) is str for key, value in environ.items() if "." not in key)
