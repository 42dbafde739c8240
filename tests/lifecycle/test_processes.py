"""An arbiter as the one that orphans are left to, which is what process 1 of a container is."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Serve = Callable[..., Any]

SUBREAPER = """
import ctypes
import os
import sys

PR_SET_CHILD_SUBREAPER = 36
if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1):
    sys.exit("the kernel knows no subreapers")
os.execv(sys.executable, [sys.executable, "-m", "asteri", *sys.argv[1:]])
"""
"""It outlives the exec: the arbiter inherits orphans as process 1 would, and no privilege is needed to try it."""

ORPHAN = """
import os
import sys

def app(environ, start_response):
    if os.fork() == 0:
        grandchild = os.fork()
        if grandchild == 0:
            os.execvp("sleep", ["sleep", "0.3"])
        print("orphan", grandchild, file=sys.stderr, flush=True)
        os._exit(0)
    os.wait()
    start_response("200 OK", [])
    return [b"ok"]
"""


def test_what_others_have_left_is_reaped(serve: Serve, folder: Path, ask: Any) -> None:
    (folder / "orphan.py").write_text(ORPHAN)
    with serve("orphan:app", command=(sys.executable, "-c", SUBREAPER)) as server:
        [worker] = server.workers()
        for _ in range(3):
            assert ask(server).endswith(b"ok")
        orphans = [int(line.split()[1]) for line in server.wait_for_log("orphan", 3)]
        # They end by themselves. Unless they are reaped, they stay as zombies.
        while any(Path(f"/proc/{pid}").exists() for pid in orphans):
            assert server.process.poll() is None
        assert server.workers() == [worker]
        server.signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
