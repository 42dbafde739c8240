"""Runs the public h2spec against real servers: each worker model, native and in Python, with TLS and without.

    python tests/conformance/h2spec.py [--program PROGRAM] [--model MODEL ...] [--impl native python] [CASES ...]

h2spec is a program in Go: https://github.com/summerwind/h2spec has it built, and its source. Without TLS the server
speaks nothing but HTTP/2, since one of the cases begins with no preface, which is HTTP/1.1 to a server of both. The end
is 0 when every case has passed.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import trustme
from asteri_core.testing import running_server

HERE = Path(__file__).parent
MODELS = {"sync": "answer:wsgi", "gthread": "answer:wsgi", "asgi": "answer:asgi"}
"""And the application that each of them calls without a bridge."""
SECONDS = 10
"""What h2spec waits for an answer: its 2 are too few where the machine has something else to do."""
SUMMARY = re.compile(r"^(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed$", re.MULTILINE)


def run(program: str, port: int, tls: bool, cases: Sequence[str]) -> tuple[bool, str]:
    """Whether all cases have passed, and what h2spec has printed."""
    command = [program, "--strict", "--host", "127.0.0.1", "--port", str(port), "--timeout", str(SECONDS)]
    done = subprocess.run([*command, *(("-t", "-k") if tls else ()), *cases], stdout=subprocess.PIPE, text=True)
    found = SUMMARY.search(done.stdout)
    passed = found is not None and 0 < int(found[1]) == int(found[2])
    return passed and done.returncode == 0, done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--program", default="h2spec", help="where h2spec is, unless it is on the PATH")
    parser.add_argument("--model", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--impl", nargs="+", default=["native", "python"], choices=["native", "python"])
    parser.add_argument("cases", nargs="*", help="such as generic/1 or http2/6.5; all by default")
    arguments = parser.parse_args()
    program = shutil.which(arguments.program)
    if program is None:
        parser.error(f"there is no {arguments.program}: https://github.com/summerwind/h2spec has it")
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        certificate = Path(name) / "server.pem"
        trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
        ways = {"tls": ("--certfile", str(certificate)), "prior knowledge": ("--http", "2")}
        for model, impl, way in product(arguments.model, arguments.impl, ways):
            environ = {"ASTERI_IMPL": impl}
            with running_server(MODELS[model], "-k", model, *ways[way], cwd=HERE, environ=environ) as server:
                passed, printed = run(program, server.port, way == "tls", arguments.cases)
            wrong += not passed
            found = SUMMARY.search(printed)
            print(f"{model}, {impl}, {way}: {found[0] if passed and found else printed}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
