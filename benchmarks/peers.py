"""Compares asteri with other servers: requests a second, processor time per request and latency, one core each.

    python benchmarks/peers.py [--rounds 7] [--seconds 3] [--only WORD ...] [--all] [--json FILE] [--markdown FILE]

Each round starts every server afresh on one core, checks its answer, loads it with wrk from another core, and stops it;
the order turns from round to round. Ratios are taken within a round. On a machine that others use as well, the
processor time per request says more than the requests a second, for waiting is not in it.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import report
import wrk
from applications import BODY
from contenders import BASELINES, CONTENDERS, Contender, chosen, version_of
from figures import Figure, Row, row
from processes import cpu_seconds, fetch, free_port, running

WARM_UP = 1
"""Seconds of load before anything is measured, in which interpreters specialise their code and caches fill."""

Figures = dict[tuple[str, int], list[Figure]]


def check(contender: Contender, port: int) -> None:
    """Raises `ValueError` unless the server does what the others do."""
    status, content, kept = fetch(port)
    if status != 200 or content != BODY:
        raise ValueError(f"{contender.name}: expected 200 and the application's 500 bytes, found {status}, {content!r}")
    if kept != contender.keep_alive:
        raise ValueError(f"{contender.name}: the connection was {'kept' if kept else 'closed'}")


def measure(contender: Contender, arguments: argparse.Namespace, figures: Figures) -> None:
    """One server in one round."""
    port = free_port()
    with running(contender.arguments(port), port, arguments.server_core) as pid:
        check(contender, port)
        for connections in arguments.connections:
            wrk.load(port, connections, WARM_UP, arguments.load_core)
            before = cpu_seconds(pid)
            load = wrk.load(port, connections, arguments.seconds, arguments.load_core)
            cpu = (cpu_seconds(pid) - before) / load.requests * 1e6
            figures[contender.name, connections].append(Figure(load.requests / load.seconds, cpu, load.p50, load.p99))


def compare(contenders: list[Contender], arguments: argparse.Namespace) -> list[Row]:
    """A server that gives a bad answer is out of the comparison, and why is printed; a baseline's ends it."""
    figures: Figures = defaultdict(list)
    contenders = contenders.copy()
    for number in range(arguments.rounds):
        turn = number % len(contenders)
        for contender in contenders[turn:] + contenders[:turn]:
            print(f"\rround {number + 1} of {arguments.rounds}: {contender.name:40}", end="", file=sys.stderr)
            try:
                measure(contender, arguments, figures)
            except ValueError as error:
                if contender.name in BASELINES.values():
                    raise
                print(f"\nleft out: {contender.name}: {error}", file=sys.stderr)
                contenders.remove(contender)
    print(file=sys.stderr)
    return [
        row(
            one.name,
            one.interface,
            connections,
            figures[one.name, connections],
            figures[BASELINES[one.interface], connections],
        )
        for connections in arguments.connections
        for one in contenders
    ]


def facts(contenders: list[Contender], arguments: argparse.Namespace) -> dict[str, str]:
    """What has to be known to read the figures."""
    names = sorted({name for one in contenders for name in one.distributions})
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}, {platform.machine()}",
        "cores": str(os.cpu_count()),
        "measured": f"{arguments.rounds} rounds of {arguments.seconds} s",
        "versions": ", ".join(f"{name} {version_of(name)}" for name in names),
    }


def parse() -> argparse.Namespace:
    cores = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3, help="of load in each round, for each server and load")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 40], help="numbers of keep-alive connections")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="servers whose names contain a word")
    parser.add_argument("--all", action="store_true", help="also the servers that are there for the record")
    parser.add_argument("--list", action="store_true", help="print the names of the servers, and end")
    parser.add_argument("--server-core", type=int, default=cores[0])
    parser.add_argument("--load-core", type=int, default=cores[-1])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    if arguments.list:
        for one in CONTENDERS:
            print(f"{one.name}{'' if one.installed else ' (not installed)'}")
        return
    if not wrk.available():
        raise SystemExit(wrk.MISSING)
    if arguments.server_core == arguments.load_core:
        raise SystemExit("two cores are needed: one for the server, one for the load generator")
    contenders = chosen(arguments.only, arguments.all)
    if not contenders:
        raise SystemExit(f"no server of that name is installed; there are {', '.join(one.name for one in CONTENDERS)}")
    known = facts(contenders, arguments)
    rows = compare(contenders, arguments)
    print("\n".join(f"{name}: {value}" for name, value in known.items()))
    print(report.text(rows))
    if arguments.json is not None:
        arguments.json.write_text(report.as_json(known, rows))
    if arguments.markdown is not None:
        head = "".join(f"- {name}: {value}\n" for name, value in known.items())
        arguments.markdown.write_text(f"{head}\n{report.markdown(rows)}")


if __name__ == "__main__":
    main()
