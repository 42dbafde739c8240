"""Which callables are ASGI applications: every row says what a callable is taken for."""

import functools
import subprocess
import sys

import pytest
from asteri_asgi.plugin import asteri_interfaces, asteri_settings
from asteri_asgi.settings import AsgiSettings


async def coroutine_function(scope, receive, send): ...


async def coroutine_function_of_one(scope): ...


async def coroutine_function_of_anything(*args): ...


async def coroutine_function_of_four(config, scope, receive, send): ...


def plain_function(scope, receive, send): ...


def wsgi_function(environ, start_response): ...


def wsgi_function_with_option(environ, start_response, debug=None): ...


def function_of_anything(*args, **kwargs): ...


def function_of_scope(scope): ...


def function_of_request(request): ...


def function_of_nothing(): ...


class Asgi3:
    async def __call__(self, scope, receive, send): ...

    async def method(self, scope, receive, send): ...

    @staticmethod
    async def static(scope, receive, send): ...


class Derived(Asgi3): ...


class PlainAsgi3:
    def __call__(self, scope, receive, send): ...


class Awaited:
    def __init__(self, scope, receive, send): ...

    def __await__(self):
        yield


class Asgi2:
    def __init__(self, scope): ...

    async def __call__(self, receive, send): ...


class DerivedAsgi2(Asgi2): ...


class Asgi2Router:
    def __call__(self, scope): ...


class Wsgi:
    def __call__(self, environ, start_response): ...


class WsgiByConstructor:
    def __init__(self, environ, start_response): ...

    def __iter__(self):
        yield b""


class Tornado:
    def __call__(self, request): ...


@functools.wraps(coroutine_function)
def wrapper(*args): ...


APPLICATIONS = {
    "coroutine function": (coroutine_function, "asgi"),
    "coroutine function of anything": (coroutine_function_of_anything, "asgi"),
    "coroutine function of one": (coroutine_function_of_one, None),
    "coroutine function of four": (coroutine_function_of_four, None),
    "partial": (functools.partial(coroutine_function_of_four, {}), "asgi"),
    "partial of partial": (functools.partial(functools.partial(coroutine_function_of_four), {}), "asgi"),
    "partial of instance": (functools.partial(Asgi3()), "asgi"),
    "partial by keyword": (functools.partial(coroutine_function_of_four, config={}), None),
    "lambda": (lambda scope, receive, send: coroutine_function(scope, receive, send), "asgi"),
    "plain function": (plain_function, "asgi"),
    "wrapper": (wrapper, "asgi"),
    "instance": (Asgi3(), "asgi"),
    "derived": (Derived(), "asgi"),
    "method": (Asgi3().method, "asgi"),
    "static method": (Asgi3.static, "asgi"),
    "plain instance": (PlainAsgi3(), "asgi"),
    "class that is awaited": (Awaited, "asgi"),
    "class of applications": (Asgi3, None),
    "asgi2 class": (Asgi2, "asgi2"),
    "derived asgi2 class": (DerivedAsgi2, "asgi2"),
    "asgi2 function": (function_of_scope, "asgi2"),
    "asgi2 instance": (Asgi2Router(), "asgi2"),
    "asgi2 partial": (functools.partial(function_of_scope), "asgi2"),
    "instance of an asgi2 class": (Asgi2({}), None),
    "wsgi function": (wsgi_function, None),
    "wsgi function with option": (wsgi_function_with_option, None),
    "wsgi instance": (Wsgi(), None),
    "wsgi class": (WsgiByConstructor, None),
    "tornado": (Tornado(), None),
    "function of request": (function_of_request, None),
    "function of anything": (function_of_anything, None),
    "function of nothing": (function_of_nothing, None),
    "builtin class": (dict, None),
    "builtin function": (print, None),
    "no callable": (object(), None),
    "none": (None, None),
    "module": (sys, None),
}


def recognised(app):
    specs = sorted(asteri_interfaces(), key=lambda spec: spec.order)
    return next((spec.name for spec in specs if spec.recognises(app)), None)


@pytest.mark.parametrize(("app", "name"), APPLICATIONS.values(), ids=APPLICATIONS.keys())
def test_recognition(app, name):
    assert recognised(app) == name


def test_plugin_declares_its_settings():
    assert asteri_settings() == [AsgiSettings]
    assert AsgiSettings() == AsgiSettings(lifespan="auto", asgi_debug=False)


def test_recognising_does_not_load_an_event_loop():
    script = (
        "import sys, asteri_asgi.plugin as plugin\n"
        "assert not any(spec.recognises(print) for spec in plugin.asteri_interfaces())\n"
        "print([name for name in ('asyncio', 'asteri_http', 'asteri_asgi.handler') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
