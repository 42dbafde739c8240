"""Compares asteri with other servers: requests a second, processor time per request, latency and memory.

    python benchmarks/run.py [--scenario PATTERN ...] [--server PATTERN ...] [--rounds 5] [--seconds 3]
                             [--json FILE] [--markdown FILE] [--plot FILE]
    python benchmarks/run.py --list
    python benchmarks/run.py --read FILE ... [--json FILE] [--markdown FILE] [--plot FILE]

Each round starts every server afresh on one core, checks its answers, loads it with wrk from another core, and stops
it; the order turns from round to round. Ratios are taken within a round. On a machine that others use as well, the
processor time per request says more than the requests a second, for waiting is not in it.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from comparison import h2load, idle, measure, plot, report, servers, wrk
from comparison.contenders import CONTENDERS, Files, choose, version_of
from comparison.figures import Table
from comparison.measure import Plan
from comparison.scenarios import SCENARIOS, Scenario

FILES = 2048
"""Open files that a load of 1000 connections takes."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    cores = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    pattern = "pattern of the shell for"
    parser.add_argument("--scenario", nargs="+", default=["*"], metavar="PATTERN", help=f"{pattern} whole names")
    parser.add_argument("--server", nargs="+", default=[], metavar="PATTERN", help=f"{pattern} parts of names")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load in each round, for each server")
    parser.add_argument("--list", action="store_true", help="print scenarios and who takes part in them, and end")
    parser.add_argument("--read", nargs="+", type=Path, metavar="FILE", help="measure nothing: show what --json wrote")
    parser.add_argument("--json", type=Path, metavar="FILE", help="written after each scenario")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="an SVG of the processor time per request")
    parser.add_argument("--load-core", type=int, default=cores[-1])
    parser.add_argument("--server-core", type=int, default=cores[0])
    return parser.parse_args(arguments)


def scenarios_named(patterns: Sequence[str]) -> list[Scenario]:
    found = [one for one in SCENARIOS if any(fnmatch.fnmatch(one.name, pattern) for pattern in patterns)]
    if not found:
        raise SystemExit(f"no such scenario; there are {', '.join(one.name for one in SCENARIOS)}")
    return found


def show_list(scenarios: Sequence[Scenario]) -> None:
    for scenario in scenarios:
        print(f"{scenario.name}: {scenario.title}")
        for one in choose(scenario, []):
            print(f"    {one.name}{' (not installed)' if one.missing else ''}")


def facts(arguments: argparse.Namespace, server_cores: Sequence[int]) -> dict[str, str]:
    """What has to be known to read the figures."""
    names = sorted({name for one in CONTENDERS for name in one.distributions})
    versions = [f"{name} {version}" for name in names if (version := version_of(name)) is not None]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}, {platform.machine()}",
        "machine": f"{os.cpu_count()} cores of {processor()}",
        "cores": f"servers with one worker on core {server_cores[0]}, with two on {', '.join(map(str, server_cores))}; "
        f"wrk on core {arguments.load_core}",
        "measured": f"{arguments.rounds} rounds of {arguments.seconds} s",
        "versions": ", ".join(versions),
    }


def processor() -> str:
    """The processor's name, where Linux tells it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "an unnamed processor")


def server_cores(first: int, load_core: int, usable: set[int]) -> tuple[int, ...]:
    """The cores of servers with two workers. Where there are only two in all, one of them is wrk's too."""
    others = sorted(usable - {first, load_core})
    return (first, others[0] if others else load_core)


def save(arguments: argparse.Namespace, known: dict[str, str], tables: list[Table]) -> None:
    if arguments.json is not None:
        arguments.json.write_text(report.as_json(known, tables), "utf-8")
    if arguments.plot is not None:
        arguments.plot.write_text(plot.svg(tables), "utf-8")
    if arguments.markdown is not None:
        picture = None
        if arguments.plot is not None:
            picture = os.path.relpath(arguments.plot, arguments.markdown.parent)
        arguments.markdown.write_text(report.markdown(known, tables, picture), "utf-8")


def show_again(arguments: argparse.Namespace) -> None:
    """The facts are those of the first file."""
    contents = [report.from_json(path.read_text("utf-8")) for path in arguments.read]
    tables = [table for _, tables in contents for table in tables]
    print("\n".join(report.text(table) for table in tables))
    save(arguments, contents[0][0], tables)


def compare(arguments: argparse.Namespace, scenarios: Sequence[Scenario]) -> None:
    cores = server_cores(arguments.server_core, arguments.load_core, os.sched_getaffinity(0))
    known = facts(arguments, cores)
    tables: list[Table] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        limit, client = servers.build("epoll.c", folder), servers.build("client.c", folder)
        if limit is None or client is None:
            raise SystemExit("a C compiler is needed: apt install gcc (Debian, Ubuntu)")
        certificate, key = servers.make_certificate(folder)
        files = Files(servers.FOLDER / "launch.py", limit, client, folder / "access.log", certificate, key)
        plan = Plan(arguments.rounds, arguments.seconds, cores, arguments.load_core, files, folder / "file")
        measure.write_large_file(plan.large_file)
        for scenario in scenarios:
            if not idle.allow_files(scenario.idle + FILES):
                print(f"left out: {scenario.name}: the limit of open files is too low for it", file=sys.stderr)
                continue
            tables.append(measure.run(scenario, choose(scenario, arguments.server), plan))
            print(report.text(tables[-1]), flush=True)
            save(arguments, known, tables)


def main() -> None:
    arguments = parse()
    scenarios = scenarios_named(arguments.scenario)
    if arguments.list:
        show_list(scenarios)
    elif arguments.read:
        show_again(arguments)
    elif not wrk.available():
        raise SystemExit(wrk.MISSING)
    elif any(one.transport == "h2" for one in scenarios) and not h2load.available():
        raise SystemExit(h2load.MISSING)
    elif arguments.server_core == arguments.load_core:
        raise SystemExit("two cores are needed: one for the server, one for the load generator")
    else:
        compare(arguments, scenarios)


if __name__ == "__main__":
    main()
