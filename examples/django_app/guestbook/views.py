"""The views, served the same way over WSGI and ASGI."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from .models import Entry

BLOCK = memoryview(bytes(range(256)) * 256)


def pattern(size: int) -> Iterator[bytes]:
    """The bytes 0 to 255 over and over, ``size`` of them, in pieces that are new objects, as real data is."""
    for start in range(0, size, len(BLOCK)):
        yield bytes(BLOCK[: size - start])


async def pattern_async(size: int) -> AsyncIterator[bytes]:
    for piece in pattern(size):
        yield piece


def index(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Hello from Django\n", content_type="text/plain")


@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    count, digest = 0, hashlib.sha256()
    while piece := request.read(65536):
        count += len(piece)
        digest.update(piece)
    return JsonResponse({"bytes": count, "sha256": digest.hexdigest()})


def download(request: HttpRequest) -> StreamingHttpResponse:
    size = int(request.GET.get("size", "1000000"))
    # Under ASGI Django collects a blocking iterator whole before it sends the first byte.
    pieces = pattern_async(size) if isinstance(request, ASGIRequest) else pattern(size)
    return StreamingHttpResponse(pieces, content_type="application/octet-stream")


def redirected(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/")


def cookies(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("two cookies\n", content_type="text/plain")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


def error(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("this route raises on purpose")


async def sleep(request: HttpRequest) -> HttpResponse:
    milliseconds = int(request.GET.get("ms", "100"))
    await asyncio.sleep(milliseconds / 1000)
    return JsonResponse({"slept": milliseconds})


def headers(request: HttpRequest) -> HttpResponse:
    return JsonResponse(
        {
            "host": request.headers.get("Host"),
            "user_agent": request.headers.get("User-Agent"),
            "x_example": request.headers.get("X-Example"),
            "client": request.META.get("REMOTE_ADDR"),
        }
    )


@require_http_methods(["GET", "POST"])
def entries(request: HttpRequest) -> HttpResponse:
    """GET lists the guest book; POST adds the form's ``text``. The session counts what this visitor has written."""
    if request.method == "POST":
        Entry.objects.create(text=request.POST["text"])
        request.session["written"] = request.session.get("written", 0) + 1
    texts = list(Entry.objects.values_list("text", flat=True))
    return JsonResponse({"entries": texts, "written_by_you": request.session.get("written", 0)})
