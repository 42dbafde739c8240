"""The page of all settings is made from their declarations, so that it lacks none and says what `--help` says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from asteri_core.assembly import assemble
from asteri_core.config import all_settings
from asteri_core.settings_page import main, page


def test_every_setting_has_its_row_in_its_group() -> None:
    registry = assemble([])
    text = page(registry)
    rows = [line.split("|")[1].strip(" `") for line in text.splitlines() if line.startswith("| `")]
    assert rows == list(all_settings(registry))
    assert (
        "| `workers` | `-w`, `--workers` | `ASTERI_WORKERS`, `WEB_CONCURRENCY` | integer | `1` | yes | worker"
    ) in text
    assert "| `backlog` | `--backlog` | `ASTERI_BACKLOG` | integer | `2048` | no |" in text
    assert "## Listening and connections\n" in text


def test_check_tells_a_page_that_is_out_of_date(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from asteri_core import settings_page

    monkeypatch.setattr(settings_page.Registry, "load", lambda: assemble([]))
    file = tmp_path / "settings.md"
    assert main(["--check", str(file)]) == 1
    assert main(["--write", str(file)]) == 0
    assert main(["--check", str(file)]) == 0
    assert main([]) == 0
    assert capsys.readouterr().out == file.read_text()
    file.write_text(file.read_text().replace("2048", "4096"))
    assert main(["--check", str(file)]) == 1
    assert "is not what the settings say; write it with: python -m asteri_core" in capsys.readouterr().err
    assert main(["--nonsense"]) == 2


def test_a_page_that_would_lack_settings_is_not_written(
    plugins: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugins.add("broken", "1 / 0")
    assert main(["--write", str(tmp_path / "settings.md")]) == 1
    assert "the page would lack settings; unavailable plugins: " in capsys.readouterr().err
    assert not (tmp_path / "settings.md").exists()
