"""The distributions that pages of docs/ write down: each file is a code block below a line with its path in bold."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

FILE = re.compile(r"^\*\*`([^`\n]+)`\*\*\n\n```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def files(page: Path) -> dict[str, str]:
    """The files of a page by their path."""
    return dict(FILE.findall(page.read_text("utf-8")))


class Package:
    """The distribution of one page: its sources in a folder, and what pip has made of them."""

    def __init__(self, page: Path, folder: Path) -> None:
        self.source, self.target = folder / "source", folder / "installed"
        for name, text in files(page).items():
            path = self.source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation")
        self.run(*pip, "--target", str(self.target), str(self.source))

    @property
    def environ(self) -> dict[str, str]:
        """What makes the installed package seen by another process."""
        return {"PYTHONPATH": os.pathsep.join([str(self.target), *filter(None, [os.environ.get("PYTHONPATH")])])}

    def run(self, *command: str) -> str:
        """The output of a command in the folder of the sources, which has to succeed."""
        environ = {**os.environ, **self.environ, "PIP_ROOT_USER_ACTION": "ignore"}
        done = subprocess.run(
            command,
            cwd=self.source,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=50,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout
