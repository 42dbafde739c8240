"""The application of the matrix, over ASGI 2: the one of ASGI 3 in two calls."""

from __future__ import annotations

import asgi


class app:
    def __init__(self, scope: asgi.Scope) -> None:
        self._scope = scope

    async def __call__(self, receive: asgi.Receive, send: asgi.Send) -> None:
        assert self._scope["asgi"]["version"] == "2.0"
        await asgi.app(self._scope, receive, send)
