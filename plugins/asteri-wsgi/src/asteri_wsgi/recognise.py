"""Is this object a WSGI application?

WSGI is asked last, so the question is mostly what it is *not*: not a coroutine function or an object with an
async ``__call__`` (ASGI 3), not a callable of one argument (ASGI 2, Tornado), not a class whose instances are
no response. What remains and takes two positional arguments is taken for WSGI; so is what cannot be
inspected, since a C function that nobody else claims has nowhere else to go. Nothing is called to find out.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any


def is_wsgi(application: Any) -> bool:
    """Whether ``application`` can be called as ``application(environ, start_response)`` and is not async."""
    if not callable(application) or _is_async(application):
        return False
    if inspect.isclass(application) and not _gives_a_response(application):
        return False
    try:
        # Follows `functools.wraps`, partials and bound methods, so a decorated ASGI application still shows
        # three parameters.
        signature = inspect.signature(application)
    except (ValueError, TypeError):
        return True
    try:
        signature.bind(None, None)
    except TypeError:
        return False
    return True


def _is_async(application: Any) -> bool:
    while isinstance(application, functools.partial):
        application = application.func
    candidates = [inspect.unwrap(application)] if inspect.isroutine(application) else [application]
    if not inspect.isclass(application):
        candidates.append(_call_of(type(application)))
    return any(
        inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(candidate) for candidate in candidates
    )


def _call_of(kind: type) -> Any:
    """What a call of an instance runs."""
    return next((vars(cls)["__call__"] for cls in kind.__mro__ if "__call__" in vars(cls)), None)


def _gives_a_response(application: type) -> bool:
    """Whether calling this class makes an iterable: PEP 3333 allows a class whose instances are the response."""
    return hasattr(application, "__iter__") or hasattr(application, "__getitem__")
