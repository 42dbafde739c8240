"""Every developer action, a session each: ``python3 -m nox -l`` lists them, ``python3 -m nox -s tests`` runs one.

Sessions run on the interpreter that runs nox. They install the packages the way a user does, from the checkout and not
editable, so that what is tested is what is shipped. What each needs besides is a dependency group of pyproject.toml.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "arch", "docs", "tests"]

ROOT = Path(__file__).parent
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
PACKAGES = [ROOT / "asteri_core", ROOT / "ext", *PLUGINS, ROOT]
"""Every distribution of the repository, the facade last."""
SANITIZED = ("asteri_core/tests", "ext", "plugins", "tests/attacks", "tests/integration", "tests/lifecycle")
"""The tests that run C code; the others look at sources, or install packages anew."""

THREADED = ("asteri_core/tests", "ext", "plugins", "tests/native/test_many_threads.py")
FREE_THREADED = (
    *("pytest>=8.3", "pytest-timeout>=2.3", "hypothesis>=6.100,<6.120", "h11>=0.14", "httpx>=0.27", "sniffio"),
    *("uvloop>=0.19", "setuptools>=77", "flask>=3.0", "django>=5.1", "starlette>=0.41", "quart>=0.20"),
)
"""What the tests without the GIL need. A later hypothesis needs Rust, as fastapi's validator does."""
NEEDS_MORE = (
    "asteri_core/tests/test_tls_stage.py",
    "plugins/asteri-wsgi/tests/test_recognise.py",
    "plugins/asteri-asgi/tests/test_frameworks.py",
    "plugins/asteri-asgi/tests/test_recognition.py",
)
"""Tests that import what cannot be had there: fastapi, litestar, trustme."""


def install_group(session: nox.Session, *groups: str) -> None:
    """Install the requirements of dependency groups."""
    pyproject = nox.project.load_toml(ROOT / "pyproject.toml")
    session.install(*nox.project.dependency_groups(pyproject, *groups))


def install_packages(session: nox.Session, *groups: str, **environ: str) -> None:
    """Install every package of the checkout, and the groups, in one go.

    setuptools builds in the tree and would ship what an earlier ``build/`` still holds of deleted modules: hence the
    sweep.
    """
    for package in PACKAGES:
        shutil.rmtree(package / "build", ignore_errors=True)
    pyproject = nox.project.load_toml(ROOT / "pyproject.toml")
    requirements = nox.project.dependency_groups(pyproject, *groups) if groups else ()
    session.install(*map(str, PACKAGES), *requirements, env=environ)
    for package in PACKAGES:
        shutil.rmtree(package / "build", ignore_errors=True)


@nox.session
def serve(session: nox.Session) -> None:
    """Serve the landing page of examples/ on 127.0.0.1:8000 until Ctrl-C. Further arguments go to asteri."""
    install_packages(session)
    session.chdir(ROOT / "examples" / "landing")
    session.log("serving http://127.0.0.1:8000/ until Ctrl-C")
    session.run(
        *("asteri", "--bind", "127.0.0.1:8000", *session.posargs, "app:app"),
        interrupt_timeout=5.0,
        terminate_timeout=35.0,
    )


@nox.session
def tests(session: nox.Session) -> None:
    """Run the whole test suite against the installed packages. A skipped test is a failure."""
    install_packages(session, "test")
    session.run("python", "-m", "pytest", "-n", "2", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Reload a loaded server 50 times and kill 20 of its workers, on each worker model, and show what was lost.

    Then 200 clients of all protocols with 1000 requests each, through 10 reloads.
    """
    install_packages(session, "test")
    rounds = {"SOAK_HUPS": "50", "SOAK_KILLS": "20"}
    session.run("python", "-m", "pytest", "tests/lifecycle", *session.posargs, env=rounds)
    crowd = {"SOAK_CLIENTS": "200", "SOAK_REQUESTS": "1000", "SOAK_RELOADS": "10"}
    session.run("python", "-m", "pytest", "tests/integration/test_one_port.py", "--timeout", "1800", env=crowd)


@nox.session
def leaks(session: nox.Session) -> None:
    """Send a million requests of every kind, and bodies of a gigabyte, to each worker model: its memory stays flat."""
    install_packages(session, "test")
    count = {"LEAK_REQUESTS": "1000000", "LARGE_BYTES": "1000000000"}
    tests = ("tests/integration/test_memory.py", "tests/integration/test_large.py")
    session.run("python", "-m", "pytest", *tests, *session.posargs, env=count)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Run every fuzz target, a minute each. Arguments go to all of them, such as ``-- --seconds 600 --seed 1``."""
    install_packages(session, "test")
    for target in sorted([*ROOT.glob("ext/fuzz/fuzz_*.py"), *ROOT.glob("plugins/*/fuzz/fuzz_*.py")]):
        session.run("python", str(target.relative_to(ROOT)), *(session.posargs or ("--seconds", "60")))


@nox.session
def conformance(session: nox.Session) -> None:
    """Run the Autobahn suite of WebSocket, which needs root, debootstrap and ten minutes. Arguments go to it."""
    install_packages(session, "test")
    session.run("python", "tests/conformance/autobahn.py", *session.posargs)


@nox.session
def h2spec(session: nox.Session) -> None:
    """Run h2spec, a program that has to be there, against each worker model. Arguments go to the script."""
    install_packages(session, "test")
    session.run("python", "tests/conformance/h2spec.py", *session.posargs)


@nox.session(python="3.13")
def py313(session: nox.Session) -> None:
    """Run the whole suite on CPython 3.13, whose tasks start eagerly. Where to get one: docs/developing.md."""
    install_packages(session, "test")
    session.run("python", "-m", "pytest", "-n", "2", *session.posargs)


@nox.session(python="3.13t")
def freethreaded(session: nox.Session) -> None:
    """Run what has C code on a CPython 3.13 without the GIL. Where to get one: docs/developing.md."""
    install_packages(session)
    session.install(*FREE_THREADED)
    ignored = [f"--ignore={path}" for path in NEEDS_MORE]
    session.run("python", "-m", "pytest", *THREADED, *ignored, *session.posargs)


@nox.session
def sanitize(session: nox.Session) -> None:
    """Run the suite with the C modules under the address and undefined-behaviour sanitizers, then look for leaks."""
    flags = "-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
    install_packages(session, "test", CFLAGS=flags)
    libraries = [
        subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environ = {
        "LD_PRELOAD": " ".join(libraries),
        "PYTHONMALLOC": "malloc",  # each object is a block of its own, whose bounds are seen
        "ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=8:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    # Freed memory is kept for a while, which a measure of memory takes for growth.
    unfit = ["--ignore", "tests/integration/test_memory.py"]
    suite = [*SANITIZED, *unfit, "-n", "2", "--timeout", "600", "-k", "not py-", *session.posargs]
    session.run("python", "-m", "pytest", *suite, env=environ)
    environ["ASAN_OPTIONS"] = "detect_leaks=1:fast_unwind_on_malloc=0:exitcode=0"
    session.run("python", "tests/native/leaks.py", env=environ)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format with ruff. ``-- --fix`` mends what ruff can mend."""
    install_group(session, "lint")
    session.run("ruff", "check", *session.posargs, ".")
    session.run("ruff", "format", *([] if "--fix" in session.posargs else ["--check"]), ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of every package's sources with mypy in strict mode."""
    install_group(session, "types")
    sources = [str((package / "src").relative_to(ROOT)) for package in PACKAGES]
    session.run("mypy", "--strict", *sources)


@nox.session
def arch(session: nox.Session) -> None:
    """Check who imports whom, what each module may touch, and how large it is."""
    install_packages(session, "arch")
    session.run("lint-imports")
    session.run("python", "-m", "pytest", "tests/architecture", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Check the documents against the code and each other. ``-- --write`` writes the generated pages anew."""
    install_packages(session, "docs")
    if "--write" in session.posargs:
        session.run("python", "-m", "asteri_core.settings_page", "--write", "docs/settings.md")
    session.run("python", "-m", "pytest", "tests/docs")


@nox.session
def bench(session: nox.Session) -> None:
    """Compare asteri with other servers, one core each. Needs ``wrk``; arguments go to benchmarks/run.py.

    The servers are installed one by one: where one cannot be built, it is left out, and the report says so.
    """
    install_packages(session)
    for requirement in nox.project.dependency_groups(nox.project.load_toml(ROOT / "pyproject.toml"), "bench"):
        session.install(requirement, success_codes=range(256))
    session.run("python", "benchmarks/run.py", *session.posargs)


@nox.session
def sdists(session: nox.Session) -> None:
    """Build the sdist and the wheel of every package, install the wheels in a fresh environment, run asteri."""
    session.install("build", "setuptools>=77")
    dist = Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    for package in PACKAGES:
        session.run("python", "-m", "build", "--quiet", "--outdir", str(dist), str(package))
    fresh = Path(session.create_tmp()) / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    session.run("python", "-m", "venv", str(fresh))
    python = str(fresh / "bin" / "python")
    wheels = sorted(map(str, dist.glob("*.whl")))
    if len(wheels) != len(PACKAGES) or len(list(dist.glob("*.tar.gz"))) != len(PACKAGES):
        session.error(f"expected {len(PACKAGES)} wheels and sdists, found {sorted(dist.iterdir())}")
    session.run(python, "-m", "pip", "install", "--quiet", *wheels, external=True)
    session.run(str(fresh / "bin" / "asteri"), "--version", external=True)
    # The sdists have to bring everything that the C modules are made of: without them the Python twins would serve.
    modules = (
        "asteri_native.kernel",
        "asteri_native.tasks",
        *(f"asteri_{name}._native" for name in ("http1", "uwsgi", "websocket", "wsgi", "asgi")),
    )
    session.run(python, "-c", f"import {', '.join(modules)}", external=True)
