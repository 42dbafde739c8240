"""Status codes: reason phrases, and which responses never have content (RFC 9110 sections 6.4.1 and 15)."""

from __future__ import annotations

from http import HTTPStatus

PHRASES: dict[int, bytes] = {status.value: status.phrase.encode() for status in HTTPStatus} | {
    413: b"Content Too Large",
    414: b"URI Too Long",
    416: b"Range Not Satisfiable",
    422: b"Unprocessable Content",
}
"""Reason phrases with the names of RFC 9110, whatever the Python version calls them."""

WITHOUT_CONTENT = frozenset({204, 205, 304})
"""Final responses that end with their head. What an application sends for them is dropped, as for HEAD."""


def phrase(status: int) -> bytes:
    """The reason phrase, empty for a status that has none registered."""
    return PHRASES.get(status, b"")
