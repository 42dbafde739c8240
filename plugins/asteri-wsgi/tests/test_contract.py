"""The interface keeps the contract that the kernel ships as a check."""

from __future__ import annotations

from typing import Any

import pytest
from asteri_core.testing import check_interface
from asteri_http.settings import HttpSettings
from asteri_wsgi.plugin import asteri_interfaces


def answers(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [])
    return [b"whole"]


def raises(environ: Any, start_response: Any) -> Any:
    raise RuntimeError("before anything was answered")


def breaks_off(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [])
    yield b"begun"
    raise RuntimeError("in the middle")


def streams(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [])
    for _ in range(20):
        yield b"block"


@pytest.mark.parametrize("forced", ["python", "native"], ids=["py", "c"])
def test_the_interface_keeps_its_contract(monkeypatch: pytest.MonkeyPatch, forced: str) -> None:
    monkeypatch.setenv("ASTERI_IMPL", forced)
    config: Any = {HttpSettings: HttpSettings()}
    (spec,) = asteri_interfaces()
    check_interface(spec, config, {"answer": answers, "raise": raises, "cut": breaks_off, "stream": streams})
