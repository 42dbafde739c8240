"""The sentence that ends every error about an unknown name: the nearest valid one, or all of them."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, valid: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The valid name that looks most like this one, or None if none comes near."""
    import difflib  # not needed by a start that goes well

    found = difflib.get_close_matches(name, list(valid), 1, cutoff)
    return found[0] if found else None


LISTED = 30
"""Valid names that are listed at most; a longer list helps nobody."""


def suggestion(name: str, valid: Iterable[str]) -> str:
    """``did you mean 'x'`` when one is near, else ``valid are: x, y``."""
    names = sorted(valid)
    near = nearest(name, names)
    if near is not None:
        return f"did you mean {near!r}"
    if not names:
        return "there is none"
    return "valid are: " + ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
