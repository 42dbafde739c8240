"""Runs the public Autobahn test suite of WebSocket against a real server: over HTTP/1.1, over TLS and over HTTP/2.

    python tests/conformance/autobahn.py [--folder FOLDER] [--cases 1.* 2.* ...] [--way http1 tls http2 ...]

The suite (autobahntestsuite on PyPI) needs Python 2.7, which Debian bullseye has: the first run puts a bullseye into
``--folder`` (debootstrap, so as root, on Debian or the like) and the suite into that. Over HTTP/2 it talks through
`bridge`. The end is 0 when every case passed strictly, or is in `ARGUED`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import bridge
import trustme
from asteri_core.testing import RunningServer, running_server

HERE = Path(__file__).parent
WAYS = ("http1", "tls", "http2")
PIP = "pip==20.3.4"
"""The last one for Python 2.7."""
SUITE = ("autobahntestsuite==0.8.2", "wsaccel==0.6.2", "Twisted<21", "incremental<22", "attrs<22", "typing")
"""With the last versions of what it requires that can be built there."""
PACKAGES = "python2.7,python2.7-dev,python-setuptools,gcc,libc6-dev,libffi-dev,libssl-dev,ca-certificates"
ARGUED: dict[str, str] = {}
"""Cases that need not pass strictly, and why: as docs/supported/websocket.md says. There is none."""
STRICT = ("OK", "INFORMATIONAL", "UNIMPLEMENTED")
"""What counts as passed: cases of the second kind only measure, and the third were never written."""


def set_up(folder: Path) -> None:
    """Put Debian bullseye and the suite into a folder, unless they are there."""
    if not (folder / "usr/bin/python2.7").exists():
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bullseye", folder], check=True)
    if (folder / "usr/local/bin/wstest").exists():
        return
    # It reaches the same package index as we do, by the same certificates.
    bundle = "etc/ssl/certs/ca-certificates.crt"
    for name in ("etc/resolv.conf", bundle):
        shutil.copy(Path("/") / name, folder / name)
    with tempfile.TemporaryDirectory(dir=folder / "tmp") as download:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", download, PIP]
        subprocess.run(command, check=True)
        [wheel] = Path(download).iterdir()
        inside = Path("/tmp") / Path(download).name / wheel.name
        _inside(folder, "python2.7", str(inside / "pip"), "install", "--quiet", "--no-index", str(inside))
    _inside(folder, "python2.7", "-m", "pip", "install", "--quiet", *SUITE)


def _inside(folder: Path, *command: str, quiet: bool = False) -> None:
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name.endswith("_proxy")}
    environ = {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        **kept,
        "PIP_CERT": "/etc/ssl/certs/ca-certificates.crt",
    }
    environ.pop("PIP_FIND_LINKS", None)
    output = subprocess.DEVNULL if quiet else None
    subprocess.run(["chroot", folder, *command], check=True, env=environ, stdout=output, stderr=output)


@contextlib.contextmanager
def target(way: str, server: RunningServer) -> Iterator[str]:
    """The address that the suite is to talk to."""
    if way == "http1":
        yield f"ws://127.0.0.1:{server.port}"
    elif way == "tls":
        yield f"wss://127.0.0.1:{server.port}"
    else:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=bridge.serve, args=(listener, server.port), daemon=True).start()
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}"


def run(folder: Path, way: str, server: RunningServer, cases: Sequence[str]) -> dict[str, dict[str, str]]:
    """What the suite says of each case."""
    reports = folder / "tmp" / "reports" / way
    shutil.rmtree(reports, ignore_errors=True)
    with target(way, server) as url:
        specification = {
            "outdir": f"/tmp/reports/{way}", "servers": [{"agent": way, "url": url}], "cases": list(cases),
            "exclude-cases": [], "exclude-agent-cases": {},
        }  # fmt: skip
        (folder / "tmp" / f"{way}.json").write_text(json.dumps(specification))
        _inside(folder, "wstest", "-m", "fuzzingclient", "-s", f"/tmp/{way}.json", quiet=True)
    found: dict[str, dict[str, str]] = json.loads((reports / "index.json").read_text())[way]
    return found


def bad(found: dict[str, dict[str, str]]) -> list[str]:
    """The cases that did not pass strictly."""
    return [
        f"{case}: {result['behavior']}, {result['behaviorClose']} in its close"
        for case, result in found.items()
        if not (result["behavior"] in STRICT and result["behaviorClose"] in STRICT) and case not in ARGUED
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("/srv/asteri-bullseye"))
    parser.add_argument("--cases", nargs="+", default=["*"])
    parser.add_argument("--way", nargs="+", default=WAYS, choices=WAYS)
    arguments = parser.parse_args()
    set_up(arguments.folder)
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        certificate = Path(name) / "server.pem"
        trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
        options = ("-k", "asgi", "--ws-max-size", str(32 << 20), "--certfile", str(certificate))
        with running_server("echo:app", *options, cwd=HERE) as server:
            for way in arguments.way:
                found = run(arguments.folder, way, server, arguments.cases)
                kinds = Counter(result["behavior"] for result in found.values())
                print(f"{way}: {len(found)} cases: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}")
                lines = bad(found)
                wrong += len(lines)
                print("\n".join(lines))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
