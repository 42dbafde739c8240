"""JSON through Starlette."""

from __future__ import annotations

from contents import MESSAGE
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def index(request: Request) -> JSONResponse:
    return JSONResponse(MESSAGE)


app = Starlette(routes=[Route("/", index)])
