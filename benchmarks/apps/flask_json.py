"""JSON through Flask."""

from __future__ import annotations

from typing import Any

from contents import MESSAGE
from flask import Flask

app = Flask(__name__)


@app.get("/")
def index() -> dict[str, Any]:
    return MESSAGE
