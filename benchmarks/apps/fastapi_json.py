"""JSON through FastAPI."""

from __future__ import annotations

from typing import Any

from contents import MESSAGE
from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def index() -> dict[str, Any]:
    return MESSAGE
