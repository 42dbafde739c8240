"""What holds for every test of the repository: a test that is skipped, or expected to fail, has failed.

A skip hides that something was not tried; on a machine where it cannot be tried, the suite should say so loudly.
Turning the report itself, rather than the exit status, makes the closing line of pytest show it.

And what tests of C code share, whatever package it is in: memory that ends at a forbidden page, a compiler, and how
fuzz targets are run.
"""

from __future__ import annotations

import ctypes
import mmap
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent
HEADERS = [ROOT / "ext" / "include", ROOT / "plugins" / "asteri-http" / "include"]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped or hasattr(report, "wasxfail"):
        reason = getattr(report, "wasxfail", report.longrepr)
        report.__dict__.pop("wasxfail", None)
        report.outcome = "failed"
        report.longrepr = f"a skipped or expected failure counts as a failure: {reason}"
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"a skipped module counts as a failure: {report.longrepr}"
    return report


class GuardedPage:
    """One page of memory between two that must not be touched: who reads a byte too far dies of it."""

    def __init__(self) -> None:
        size = mmap.PAGESIZE
        self._memory = mmap.mmap(-1, 3 * size)
        self._first = ctypes.c_char.from_buffer(self._memory)
        self._protect(0)
        self._page = memoryview(self._memory)[size : 2 * size]

    def _protect(self, access: int) -> None:
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        for page in (0, 2):
            address = ctypes.c_void_p(ctypes.addressof(self._first) + page * mmap.PAGESIZE)
            if protect(address, ctypes.c_size_t(mmap.PAGESIZE), access) != 0:
                raise OSError(ctypes.get_errno(), "mprotect")

    def at_end(self, data: bytes) -> memoryview:
        """The data, the last bytes of the page."""
        start = len(self._page) - len(data)
        self._page[start:] = data
        return self._page[start:]

    def at_start(self, data: bytes) -> memoryview:
        """The data, the first bytes of the page."""
        self._page[: len(data)] = data
        return self._page[: len(data)]

    def close(self) -> None:
        self._protect(mmap.PROT_READ | mmap.PROT_WRITE)
        self._page.release()
        del self._first
        self._memory.close()


@pytest.fixture
def guarded() -> Generator[GuardedPage, None, None]:
    page = GuardedPage()
    yield page
    page.close()


def build_extension(folder: Path, name: str, sources: Sequence[Path], *flags: str) -> ModuleType:
    """Compile an extension module into the folder, and import it."""
    from setuptools import Distribution, Extension  # it takes a third of a second

    extension = Extension(
        name,
        [str(path) for path in sources],
        include_dirs=[str(path) for path in HEADERS],
        extra_compile_args=["-std=c11", "-Wall", "-Wextra", "-Werror", *flags],
    )
    command = Distribution({"ext_modules": [extension]}).get_command_obj("build_ext")
    command.build_lib = command.build_temp = str(folder)
    command.ensure_finalized()
    command.run()
    path = folder / command.get_ext_filename(name)
    spec = spec_from_file_location(name, path, loader=ExtensionFileLoader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ModuleType]:
    """Compiles an extension module that only tests need: its name, its sources, flags for the compiler."""

    def build(name: str, sources: list[Path], *flags: str) -> ModuleType:
        return build_extension(tmp_path_factory.mktemp(name), name, sources, *flags)

    return build


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a fuzz target of the package, in a process of its own, behind a prelude that may break what it watches."""
    folder = request.path.parents[1] / "fuzz"

    def run(target: str, prelude: str = "", seconds: str = "1") -> subprocess.CompletedProcess[str]:
        code = f"{prelude}\nimport runpy, sys\nsys.argv = [{target!r}, '--seconds', {seconds!r}, '--seed', '1']\n"
        code += f"runpy.run_path({str(folder / target)!r}, run_name='__main__')"
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)

    return run
