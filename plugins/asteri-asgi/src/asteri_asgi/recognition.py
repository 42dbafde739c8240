"""Tells ASGI applications from other callables by how they can be called, without calling them.

    ASGI 3   a callable of (scope, receive, send) whose call can be awaited
    ASGI 2   a callable of (scope) alone that gives a callable of (receive, send) whose call can be awaited

What cannot be seen from the outside is judged by the signature: a plain function that takes three arguments and refuses
two is ASGI 3 (WSGI passes two), and one that takes a single argument is ASGI 2 only when it calls that argument
``scope``, because other interfaces take one argument too. Blocking workers import this module, so it must not import an
event loop.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any


def is_asgi3(app: Any) -> bool:
    """Whether ``app(scope, receive, send)`` is a call that can be awaited."""
    if not callable(app):
        return False
    if isinstance(app, type):
        # A class is called by its constructor: the instance itself must be awaitable.
        return hasattr(app, "__await__") and _accepts(app, 3)
    if _gives_coroutine(app):
        return _accepts(app, 3)
    return _accepts(app, 3) and not _accepts(app, 2)


def is_asgi2(app: Any) -> bool:
    """Whether ``app(scope)(receive, send)`` is a call that can be awaited."""
    if not callable(app) or _gives_coroutine(app) or not _accepts(app, 1):
        return False
    if isinstance(app, type):
        call = _call_of(app)
        return inspect.iscoroutinefunction(call) and _accepts(call, 3)  # self, receive, send
    return not _accepts(app, 2) and _first_parameter(app) == "scope"


def _gives_coroutine(app: Any) -> bool:
    """Whether a call of ``app`` is known to give a coroutine."""
    while isinstance(app, functools.partial):
        app = app.func
    if isinstance(app, type):
        return False
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(_call_of(type(app)))


def _call_of(kind: type) -> Any:
    """What a call of an instance runs. ``kind.__call__`` would find the metaclass's when the class has none."""
    return next((vars(cls)["__call__"] for cls in kind.__mro__ if "__call__" in vars(cls)), None)


def _signature(call: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(call)
    except (TypeError, ValueError):  # a callable written in C may have none
        return None


def _accepts(call: Callable[..., Any], count: int) -> bool:
    signature = _signature(call)
    if signature is None:
        return False
    try:
        signature.bind(*(None,) * count)
    except TypeError:
        return False
    return True


def _first_parameter(call: Callable[..., Any]) -> str:
    signature = _signature(call)
    return next(iter(signature.parameters), "") if signature is not None else ""
