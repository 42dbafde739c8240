"""Waiting for what an exchange has not yet, by as many tasks of one application as there are.

Both twins wait by this. Nothing here reads or sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from asteri_core.api import Want
from asteri_http.exchange import Exchange
from asteri_http.websocket import Conversation

Wait = Callable[[Exchange | Conversation, Want], Awaitable[None]]


class Turns:
    """The waits for one exchange. However many tasks wait for the same thing, it is watched once."""

    __slots__ = ("_exchange", "_taken", "_wait")

    def __init__(self, exchange: Exchange | Conversation, wait: Wait) -> None:
        self._exchange = exchange
        self._wait = wait
        self._taken: dict[Want, asyncio.Event] = {}

    async def take(self, want: Want) -> bool:
        """Wait until ``want`` may hold. True for the one task that has waited to the end.

        When the task that waits is cancelled, the others are woken too; each looks again, and one takes its place.
        """
        turn = self._taken.get(want)
        if turn is not None:
            await turn.wait()
            return False
        turn = self._taken[want] = asyncio.Event()
        try:
            await self._wait(self._exchange, want)
        finally:
            del self._taken[want]
            turn.set()
        return True
