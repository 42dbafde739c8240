"""The servers of HTTP/2 under attack: without TLS, with prior knowledge; and over TLS, by ALPN."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attacking.target import Attacked, attacked, targets

pytest.register_assert_rewrite("attacking.http2", "attacking.streams")

HTTP2 = ("h2",)
OVER_TLS = targets("asgi", protocols=("h2s",))

TARGETS = [*targets("sync", "asgi", "gthread", protocols=HTTP2), *OVER_TLS]


@pytest.fixture(scope="session", params=TARGETS, ids=str)
def h2(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """A server with the default settings."""
    with attacked(request.param, tmp_path_factory.mktemp(str(request.param))) as attack:
        yield attack
