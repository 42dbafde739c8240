"""wsgiref.validate finds nothing wrong on any worker model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from asteri_core.testing import RunningServer, running_server
from http1_client import Peer, chunked, request
from worker_models import MODELS

BODY = b"one\ntwo\nthree\n" * 20_000

CASES = {
    "get": ([request("GET", "/")], 200, b"hello\n"),
    "get with a query": ([request("GET", "/some%20path?a=1&b=%2F")], 200, b"hello\n"),
    "head": ([request("HEAD", "/")], 200, b""),
    "no content": ([request("GET", "/empty")], 204, b""),
    "post": ([request("POST", "/echo", f"Content-Length: {len(BODY)}"), BODY], 200, BODY),
    "empty post": ([request("POST", "/echo", "Content-Length: 0")], 200, b""),
    "chunked post": ([request("POST", "/echo", "Transfer-Encoding: chunked"), chunked(BODY, b"x")], 200, BODY + b"x"),
    "lines": ([request("POST", "/lines", f"Content-Length: {len(BODY)}"), BODY], 200, BODY.upper()),
    "expected post": ([request("POST", "/echo", "Content-Length: 4", "Expect: 100-continue"), b"body"], 200, b"body"),
    "streaming": ([request("GET", "/stream")], 200, b"piece 0\npiece 1\npiece 2\npiece 3\npiece 4\n"),
    "write": ([request("GET", "/write")], 200, b"written, twice, and returned\n"),
    "exc_info": ([request("GET", "/again")], 503, b"sorry\n"),
    "errors": ([request("GET", "/errors")], 200, b"hello\n"),
    "HTTP/1.0": ([b"GET /stream HTTP/1.0\r\n\r\n"], 200, b"piece 0\npiece 1\npiece 2\npiece 3\npiece 4\n"),
}


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, implementation: str) -> Iterator[RunningServer]:
    folder = Path(__file__).parent / "served"
    # The validator says some of what it finds as warnings.
    environ = {"PYTHONWARNINGS": "always"}
    with running_server("validated:app", *request.param.options, cwd=folder, environ=environ) as server:
        yield server
        assert server.stop() == 0
        # What it finds in an iterator that nobody closed is only written to standard error.
        complaints = [line for line in server.lines if re.search("ERROR|Warning|closed", line)]
        assert [line for line in complaints if "said by the application" not in line] == []


@pytest.mark.parametrize("server", MODELS, indirect=True, scope="module")
@pytest.mark.parametrize("case", CASES)
def test_the_validator_is_content(server: RunningServer, case: str) -> None:
    data, status, body = CASES[case]
    with Peer(server.connect()) as peer:
        peer.send(*data)
        answer = peer.answer("HEAD" if case == "head" else "GET")
    assert (answer.status, answer.body) == (status, body)
