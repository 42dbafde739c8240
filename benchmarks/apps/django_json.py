"""JSON through Django, with the one middleware that says how long an answer is."""

from __future__ import annotations

from contents import MESSAGE
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    LOGGING_CONFIG=None,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for a benchmark",
)


def index(request: HttpRequest) -> JsonResponse:
    return JsonResponse(MESSAGE)


urlpatterns = [path("", index)]
app = get_wsgi_application()
