"""One server under one load in one round, and one scenario over all rounds."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import client, h2load, idle, quick, servers, usage, websocket, wrk
from .client import BadAnswer, Checked
from .contenders import Contender, Files
from .figures import Figure, Table, table
from .loads import Load
from .scenarios import MB, Scenario, filled

WARM_UP = 1
"""Seconds of load before anything is measured, in which interpreters specialise their code and caches fill. Every
answer of it is compared with the right one."""
LARGEST_COMPARED = 1 * MB
"""wrk is not asked to compare larger answers: it would not get far. Those are compared before the load, and counted."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How everything is measured."""

    rounds: int
    seconds: int
    server_cores: tuple[int, ...]
    """One worker runs on the first of them."""
    load_core: int
    files: Files
    large_file: Path

    def cores(self, workers: int) -> set[int]:
        return set(self.server_cores[:1] if workers == 1 else self.server_cores)


def run(scenario: Scenario, contenders: Sequence[Contender], plan: Plan) -> Table:
    """All rounds of a scenario: in each, every server once, and in each another is the first.

    A server that does not start, or gives a bad answer, is out of the comparison, and the table says why.
    """
    left_out = {one.name: f"not installed: {', '.join(one.missing)}" for one in contenders if one.missing}
    taking_part = [one for one in contenders if not one.missing]
    figures: dict[str, list[Figure]] = {one.name: [] for one in taking_part}
    dated: dict[str, bool] = {}
    for number in range(plan.rounds):
        for contender in turned(taking_part, number):
            _say(f"{scenario.name}, round {number + 1} of {plan.rounds}: {contender.name}")
            try:
                figure, checked = one_round(contender, scenario, plan)
            except BadAnswer as error:
                _say(f"left out: {contender.name}: {error}\n")
                left_out[contender.name] = str(error)
                taking_part = [one for one in taking_part if one is not contender]
                del figures[contender.name]
            else:
                figures[contender.name].append(figure)
                dated[contender.name] = checked.dated
    _say("")
    baseline = next((one.name for one in taking_part if one.baseline), None)
    return table(scenario.name, scenario.title, figures, baseline, dated, left_out)


def turned(contenders: Sequence[Contender], number: int) -> list[Contender]:
    """The order of a round."""
    turn = number % len(contenders) if contenders else 0
    return [*contenders[turn:], *contenders[:turn]]


def _say(text: str) -> None:
    """Where it stands: on a terminal in one line that is written over."""
    if sys.stderr.isatty():
        print(f"\r{text:120}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text.rstrip(), file=sys.stderr, flush=True)


def one_round(contender: Contender, scenario: Scenario, plan: Plan) -> tuple[Figure, Checked]:
    """A fresh server: checked, warmed up, and measured. Raises `BadAnswer`."""
    port = servers.free_port()
    arguments = contender.arguments(scenario, port, plan.files)
    environment = {**dict(contender.environment), "BENCH_FILE": str(plan.large_file)}
    with servers.running(arguments, port, plan.cores(scenario.workers), scenario.workers, environment) as root:
        checked = check(port, scenario, "keep-alive" not in contender.lacks)
        warm_up(port, scenario, checked, plan)
        if not scenario.idle:
            return loaded(root, port, scenario, checked, plan), checked
        alone = loaded(root, port, scenario, checked, plan)
        with idle.holding(port, scenario.idle, client.request(scenario, port)) as connections:
            per_connection = (usage.memory(root) - alone["memory"]) / scenario.idle
            figure = dict(loaded(root, port, scenario, checked, plan))
            idle.check_open(connections)
        return {**figure, "p99_alone": alone["p99"], "idle_memory": per_connection}, checked


def check(port: int, scenario: Scenario, keeps: bool) -> Checked:
    """Raises `BadAnswer` unless the server answers rightly what it is going to be loaded with."""
    if scenario.transport == "h2":
        return h2load.check(port, scenario)
    if scenario.transport == "websocket":
        return websocket.check(port, scenario)
    return client.check(port, scenario, keeps)


def generate(port: int, scenario: Scenario, checked: Checked, seconds: int, plan: Plan) -> Load:
    """The load, whose answers are right. Raises `BadAnswer`."""
    core = plan.load_core
    if scenario.quick:
        return quick.load(plan.files.client, port, scenario, checked, seconds, core)
    if scenario.transport == "h2":
        return h2load.load(port, scenario, seconds, core)
    if scenario.transport == "websocket":
        return websocket.load(port, scenario, seconds, core)
    load = wrk.load(port, scenario, seconds, core)
    wrk.check_bytes(load, scenario, checked.size)
    return load


def warm_up(port: int, scenario: Scenario, checked: Checked, plan: Plan) -> None:
    if scenario.transport in ("h2", "websocket"):
        generate(port, scenario, checked, WARM_UP, plan)
        return
    with tempfile.NamedTemporaryFile() as expected:
        expected.write(checked.content)
        expected.flush()
        expect = Path(expected.name) if len(checked.content) <= LARGEST_COMPARED else None
        wrk.load(port, scenario, WARM_UP, plan.load_core, expect)


def loaded(root: int, port: int, scenario: Scenario, checked: Checked, plan: Plan) -> dict[str, float]:
    """The figures of one load."""
    before = usage.cpu(root)
    load = generate(port, scenario, checked, plan.seconds, plan)
    try:
        used = usage.cpu(root).since(before)
    except ValueError as error:
        raise BadAnswer(str(error)) from error
    # Of large answers a good part is under way when the time is up: it counts as the part that it is.
    answers = load.bytes / checked.size
    cpu = used.total / answers
    figure = {
        "rate": answers / load.seconds,
        "cpu": cpu,
        "user": cpu * used.user_share,
        "system": cpu * (1 - used.user_share),
        "memory": float(usage.memory(root)),
    }
    if scenario.pipeline == 1 and load.p50:
        # wrk corrects its latencies by the time that one request takes: that is wrong for those sent together.
        figure |= {"p50": load.p50 / 1e6, "p99": load.p99 / 1e6}
    return figure


def write_large_file(path: Path) -> None:
    path.write_bytes(filled(100 * MB))
