"""A program for `test_arbiter`: an arbiter with real processes whose workers do only what a test needs.

The settings are read, again on each HUP, from the JSON file named on the command line. ``app`` is what the workers do.
A worker answers every peer with what it knows of itself.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from pathlib import Path

from asteri_core.config import Config
from asteri_core.core_settings import ProcessSettings
from asteri_core.errors import AsteriError
from asteri_core.process import arbiter
from asteri_core.process.signals import RELIEVE
from asteri_core.registry import Registry
from asteri_core.sansio.lifecycle import State


def load():
    registry = Registry.load()
    settings = json.loads(Path(sys.argv[1]).read_text())
    hooks = settings.pop("hooks", None)
    config = Config.load(registry, settings, {}, os.getcwd(), no_file=True)
    return registry.with_hooks(lifecycle(hooks)) if hooks else registry, config


def lifecycle(path):
    """Hooks that write down that they were called."""

    def write(text):
        with open(path, "a") as file:
            file.write(text + "\n")

    return {
        "on_starting": lambda server: write("on_starting"),
        "on_reload": lambda server: write("on_reload"),
        "when_ready": lambda server: write(f"when_ready {len(server.workers)}"),
        "pre_fork": lambda server, worker: write(f"pre_fork {worker.number}"),
        "child_exit": lambda server, worker: write(f"child_exit {worker.number} {worker.status}"),
        "nworkers_changed": lambda server, new_value, old_value: write(f"nworkers_changed {new_value} {old_value}"),
        "on_exit": lambda server: write("on_exit"),
    }


def worker(context):
    behaviour = context.config[ProcessSettings].app
    if behaviour == "cannot boot":
        return 3
    if behaviour == "cannot load":
        return 4
    if behaviour == "raises":
        raise RuntimeError("the worker has a defect")
    told = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, RELIEVE):
        signal.signal(number, lambda number, frame: told.append(signal.Signals(number).name))
    signal.signal(signal.SIGUSR1, lambda number, frame: context.logs.reopen())
    if behaviour == "deaf":
        for number in (signal.SIGTERM, RELIEVE):
            signal.signal(number, signal.SIG_IGN)
    context.slot.set_state(State.READY)
    os.write(context.ready_fd, b"R")
    os.close(context.ready_fd)
    if behaviour == "hangs":
        signal.signal(signal.SIGABRT, signal.SIG_IGN)
        hang()
    facts = f"{context.number} {context.generation} {os.getuid()} {os.getgid()} {os.getgroups()} {context.application}"
    while not told:
        context.slot.beat(time.monotonic())
        ready, _, _ = select.select([*context.listeners, context.lifeline_fd], [], [], 0.05)
        if context.lifeline_fd in ready:
            told.append("orphaned")
        for listener in ready:
            if listener != context.lifeline_fd:
                serve(listener, f"{os.getpid()} {facts}", context)
    context.logs.error.info("told by %s", told[0])
    return 0


def serve(listener, text, context):
    try:
        peer, _ = listener.socket.accept()
    except BlockingIOError:
        return
    with peer:
        if peer.recv(100) == b"recycle":
            context.slot.ask_recycle()
        peer.sendall(text.encode())


def hang():
    while True:
        select.select([], [], [])


if __name__ == "__main__":
    try:
        status = arbiter.run(*load(), load, worker_main=worker)
    except AsteriError as error:
        print(f"error: {error}", file=sys.stderr)
        status = error.exit_status
    sys.exit(status)
