"""The C twin of this distribution. Where it cannot be built, asteri serves with the Python one.

Headers and sources that several distributions share have one home in the checkout; an sdist carries copies of them.
"""

import atexit
import os
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

HERE = Path(__file__).parent
FLAGS = ["-std=c11", "-O3", "-Wall", "-Wextra", "-fvisibility=hidden"]
COMPILER = os.environ.get("CC") or sysconfig.get_config_var("CC") or ""
LINKED = ["-O3", "-flto=auto"] if "gcc" in COMPILER and "fsanitize" not in os.environ.get("CFLAGS", "") else []
COPIES = HERE / "vendor"
HOMES = {"asteri": HERE / "../../ext", "asteri-http": HERE / "../asteri-http"}
FOLDERS = (("asteri", "include"), ("asteri-http", "include"), ("asteri-http", "csrc"))

if "sdist" in sys.argv and HOMES["asteri"].is_dir():
    for owner, folder in FOLDERS:
        shutil.copytree(HOMES[owner] / folder, COPIES / owner / folder, dirs_exist_ok=True)
    atexit.register(shutil.rmtree, COPIES)


def shared(owner: str) -> str:
    """Where the shared files of a distribution are, relative to this one."""
    return str((COPIES / owner if COPIES.is_dir() else HOMES[owner]).relative_to(HERE))


def found(pattern: str) -> list[str]:
    return sorted(str(path.relative_to(HERE)) for path in HERE.glob(pattern))


KERNEL, HTTP = shared("asteri"), shared("asteri-http")

setup(
    ext_modules=[
        Extension(
            "asteri_uwsgi._native",
            found("csrc/*.c") + found(f"{HTTP}/csrc/*.c"),
            include_dirs=["csrc", f"{KERNEL}/include", f"{HTTP}/include"],
            depends=found("csrc/*.h") + found(f"{KERNEL}/include/**/*.h") + found(f"{HTTP}/include/**/*.h"),
            define_macros=[("_GNU_SOURCE", "1")],
            extra_compile_args=FLAGS + LINKED,
            extra_link_args=LINKED,
            optional=True,
        )
    ]
)
