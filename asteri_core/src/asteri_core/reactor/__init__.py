"""The reactor: the one thing that moves bytes.

`loop` turns, `stream` is one peer, `timers` keeps the deadlines, `door` is asyncio's way in.
"""

from .loop import Reactor

__all__ = ["Reactor"]
