"""The two-call style of ASGI 2 as the one-call style of ASGI 3.

ASGI 3 joined the calls ``app(scope)`` and ``instance(receive, send)`` into one; the messages stayed the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from .messages import Application, Receive, Scope, Send


def one_call(app: Callable[[Scope], Callable[[Receive, Send], Awaitable[Any]]]) -> Application:
    """``app`` as an ASGI 3 application. A new instance is made for every scope, as ASGI 2 asks for."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope)(receive, send)

    return application
