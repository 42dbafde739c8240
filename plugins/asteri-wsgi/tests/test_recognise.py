"""Which callables are taken for WSGI applications."""

from __future__ import annotations

import functools
import operator

import pytest
from asteri_wsgi.recognise import is_wsgi
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler as DjangoWSGI
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette


def function(environ, start_response): ...


async def coroutine(environ, start_response): ...


async def async_generator(environ, start_response):
    yield b""


async def asgi3(scope, receive, send): ...


def asgi2(scope): ...


def tornado(request): ...


class Instance:
    def __call__(self, environ, start_response): ...

    def method(self, environ, start_response): ...

    @classmethod
    def of_class(cls, environ, start_response): ...

    @staticmethod
    def static(environ, start_response): ...


class AsyncInstance:
    async def __call__(self, scope, receive, send): ...


class AsyncOfTwo:
    async def __call__(self, environ, start_response): ...


class Response:
    def __init__(self, environ, start_response): ...

    def __iter__(self): ...


class NoResponse:
    def __init__(self, one, two): ...


class Asgi2:
    def __init__(self, scope): ...

    async def __call__(self, receive, send): ...


def decorated(inner):
    @functools.wraps(inner)
    def outer(*arguments, **keywords):
        return inner(*arguments, **keywords)

    return outer


class Uninspectable:
    __signature__ = "nonsense"

    def __call__(self, *arguments): ...


APPLICATIONS = {
    "function": function,
    "lambda": lambda environ, start_response: [],
    "any arguments": lambda *arguments: [],
    "a default": lambda environ, start_response, option=None: [],
    "instance": Instance(),
    "method": Instance().method,
    "class method": Instance.of_class,
    "static method": Instance.static,
    "class of responses": Response,
    "partial": functools.partial(lambda option, environ, start_response: [], 1),
    "partial of an instance": functools.partial(Instance()),
    "decorated": decorated(function),
    "decorated method": decorated(Instance().method),
    "uninspectable": Uninspectable(),
    "builtin": operator.add,
    "flask": Flask("app"),
    "flask's wsgi_app": Flask("app").wsgi_app,
    "django": DjangoWSGI,
}
OTHERS = {
    "no callable": object(),
    "nothing": None,
    "coroutine function": coroutine,
    "async generator function": async_generator,
    "asgi3": asgi3,
    "asgi2": asgi2,
    "asgi2 class": Asgi2,
    "async instance": AsyncInstance(),
    "async instance of two arguments": AsyncOfTwo(),
    "partial of a coroutine function": functools.partial(coroutine),
    "partial of an async instance": functools.partial(AsyncOfTwo()),
    "decorated coroutine function": decorated(coroutine),
    "decorated asgi3": decorated(asgi3),
    "tornado": tornado,
    "three arguments": lambda scope, receive, send: None,
    "no arguments": lambda: None,
    "keywords only": lambda *, environ, start_response: None,
    "partial that leaves one": functools.partial(function, {}),
    "class of no responses": NoResponse,
    "class without arguments": Instance,
    "starlette": Starlette(),
    "fastapi": FastAPI(),
    "django's asgi": ASGIHandler,
}


@pytest.mark.parametrize("application", APPLICATIONS.values(), ids=APPLICATIONS)
def test_is_an_application(application):
    if application is DjangoWSGI:
        application = object.__new__(DjangoWSGI)  # without the settings its constructor wants
    assert is_wsgi(application)


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_is_no_application(other):
    if other is ASGIHandler:
        other = object.__new__(ASGIHandler)
    assert not is_wsgi(other)
