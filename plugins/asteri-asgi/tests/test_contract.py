"""The interfaces keep the contract that the kernel ships as a check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asteri_asgi.plugin import asteri_interfaces
from asteri_asgi.settings import AsgiSettings
from asteri_core.testing import check_interface
from asteri_http.settings import HttpSettings

START = {"type": "http.response.start", "status": 200, "headers": []}


def only_http(scope: Any) -> None:
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")


async def answers(scope: Any, receive: Any, send: Any) -> None:
    only_http(scope)
    await send(START)
    await send({"type": "http.response.body", "body": b"whole"})


async def raises(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("before anything was answered")


async def breaks_off(scope: Any, receive: Any, send: Any) -> None:
    only_http(scope)
    await send(START)
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    raise RuntimeError("in the middle")


async def streams(scope: Any, receive: Any, send: Any) -> None:
    only_http(scope)
    await send(START)
    for _ in range(20):
        await send({"type": "http.response.body", "body": b"block", "more_body": True})
    await send({"type": "http.response.body"})


def two_calls(app: Any) -> Callable[[Any], Any]:
    """The same application in the style of ASGI 2."""

    def first(scope: Any) -> Any:
        async def second(receive: Any, send: Any) -> None:
            await app(scope, receive, send)

        return second

    return first


@pytest.mark.parametrize(("name", "style"), [("asgi", lambda app: app), ("asgi2", two_calls)])
def test_the_interface_keeps_its_contract(
    name: str, style: Any, implementation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTERI_IMPL", implementation)
    config: Any = {HttpSettings: HttpSettings(), AsgiSettings: AsgiSettings()}
    (spec,) = [one for one in asteri_interfaces() if one.name == name]
    applications = {"answer": answers, "raise": raises, "cut": breaks_off, "stream": streams}
    check_interface(spec, config, {key: style(app) for key, app in applications.items()})


def test_the_twin_that_is_asked_for_serves(bench: Any, implementation: str) -> None:
    module = {"python": "asteri_asgi.handler", "native": "asteri_asgi._native"}[implementation]
    assert type(bench.handler(answers)).__module__ == module
    assert type(bench.handler(two_calls(answers), asgi2=True)).__module__ == module
