"""The page of all settings says what the code says."""

from __future__ import annotations

from pathlib import Path

from asteri_core import settings_page


def test_the_page_is_what_the_installed_plugins_declare(root: Path) -> None:
    assert settings_page.main(["--check", str(root / "docs" / "settings.md")]) == 0


def test_a_changed_page_is_seen(root: Path, tmp_path: Path) -> None:
    changed = tmp_path / "settings.md"
    changed.write_text((root / "docs" / "settings.md").read_text() + "\n")
    assert settings_page.main(["--check", str(changed)]) == 1
