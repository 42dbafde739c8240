"""What the applications answer with. ``comparison/scenarios.py`` knows it too, for it checks the answers."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

SMALL = (b"asteri " * 72)[:500]
LARGE = (b"asteri " * 1756)[: 12 * 1024]
MESSAGE: dict[str, Any] = json.loads(Path(__file__).with_name("message.json").read_bytes())
"""What the frameworks send as JSON."""

FILE_VARIABLE = "BENCH_FILE"
"""The variable of the environment that has the path of the large file."""

DIGEST_TARGET = "/digest"
"""Asks for a digest besides the length of what was sent. It is for the check before the load: it takes its time."""


def received(length: int, content: bytes | None) -> bytes:
    """The answer to content of that length; with its digest when the content itself is given."""
    return b"%d" % length if content is None else b"%d %08x" % (length, zlib.crc32(content))
