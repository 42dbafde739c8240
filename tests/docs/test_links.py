"""A link in a document leads somewhere, and every page of docs/ can be reached from its index."""

from __future__ import annotations

import re
from pathlib import Path

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """The anchors that headings get: lower case, punctuation dropped, spaces as hyphens."""
    headings = re.findall(r"^#+\s+(.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(document: Path) -> list[str]:
    broken = []
    for target in LINK.findall(FENCE.sub("", document.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name) if name else document
        if not path.exists() or (anchor and anchor not in anchors(path.read_text("utf-8"))):
            broken.append(f"{document.name}: {target}")
    return broken


def test_every_relative_link_resolves(documents: list[Path]) -> None:
    assert [link for document in documents for link in broken_links(document)] == []


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A heading\n[gone](gone.md) [good](page.md#a-heading) [bad](#no-such) [out](https://example.org)\n"
    )
    assert broken_links(page) == ["page.md: gone.md", "page.md: #no-such"]


def test_the_index_lists_every_page(root: Path) -> None:
    docs = root / "docs"
    listed = set(LINK.findall((docs / "index.md").read_text("utf-8")))
    assert {str(page.relative_to(docs)) for page in docs.rglob("*.md")} - {"index.md"} <= listed
