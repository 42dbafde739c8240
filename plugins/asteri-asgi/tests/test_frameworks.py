"""Applications of real frameworks: which interface they are taken for, and that ours serves them."""

import warnings

import pytest
from asteri_asgi.recognition import is_asgi2, is_asgi3

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what frameworks say of each other while they are imported is not our affair
    import django
    import flask
    import litestar
    import quart
    import starlette.applications
    import starlette.requests
    import starlette.responses
    import starlette.routing
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application
    from fastapi import FastAPI

if not settings.configured:
    settings.configure(DEBUG=False, SECRET_KEY="for tests", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__)
    django.setup()

urlpatterns: list[object] = []


@litestar.get("/")
async def litestar_root() -> str:
    return "hello"


ASGI = {
    "starlette": starlette.applications.Starlette,
    "fastapi": FastAPI,
    "quart": lambda: quart.Quart("app"),
    "litestar": lambda: litestar.Litestar([litestar_root]),
    "django": get_asgi_application,
}
WSGI = {"flask": lambda: flask.Flask("app"), "django": get_wsgi_application}


@pytest.mark.parametrize("make", ASGI.values(), ids=ASGI.keys())
def test_asgi_framework_is_recognised(make):
    app = make()
    assert (is_asgi3(app), is_asgi2(app)) == (True, False)


@pytest.mark.parametrize("make", WSGI.values(), ids=WSGI.keys())
def test_wsgi_framework_is_not(make):
    app = make()
    assert (is_asgi3(app), is_asgi2(app)) == (False, False)


@pytest.mark.parametrize("name", ["starlette", "fastapi", "quart", "litestar", "django"])
def test_framework_answers_an_unknown_path_with_404(bench, make_exchange, name):
    exchange = bench.run(ASGI[name](), make_exchange(raw_path=b"/nothing-here", target=b"/nothing-here"))
    assert (exchange.status, exchange.complete_response) == (404, True)


async def upload(request):
    return starlette.responses.PlainTextResponse(str(len(await request.body())))


async def stream(request):
    async def pieces():
        for number in range(3):
            yield b"%d" % number

    return starlette.responses.StreamingResponse(pieces())


async def file(request):
    return starlette.responses.FileResponse(__file__)


@pytest.fixture
def app():
    return starlette.applications.Starlette(
        routes=[
            starlette.routing.Route("/upload", upload, methods=["POST"]),
            starlette.routing.Route("/stream", stream),
            starlette.routing.Route("/file", file),
        ]
    )


def test_starlette_reads_a_body(bench, make_exchange, app):
    exchange = make_exchange(method="POST", raw_path=b"/upload", has_body=True, content_length=10)
    exchange.supply(b"01234")
    exchange.supply(b"56789")
    assert bench.run(app, exchange).content == b"10"


def test_starlette_streams(bench, make_exchange, app):
    exchange = bench.run(app, make_exchange(raw_path=b"/stream"))
    assert (exchange.content, exchange.complete_response) == (b"012", True)


def test_starlette_sends_a_file_by_its_path(bench, make_exchange, app):
    with open(__file__, "rb") as source:
        content = source.read()
    exchange = bench.run(app, make_exchange(raw_path=b"/file"))
    assert exchange.content == content
    assert (b"content-length", b"%d" % len(content)) in exchange.response_headers
