"""The C modules of this distribution. Where they cannot be built, asteri serves with their Python twins."""

import os
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

HERE = Path(__file__).parent
FLAGS = ["-std=c11", "-O3", "-Wall", "-Wextra", "-fvisibility=hidden"]
COMPILER = os.environ.get("CC") or sysconfig.get_config_var("CC") or ""
# A twentieth less to do for each request. Other compilers need a linker for it that may not be there.
LINKED = ["-O3", "-flto=auto"] if "gcc" in COMPILER and "fsanitize" not in os.environ.get("CFLAGS", "") else []
HEADERS = [str(path.relative_to(HERE)) for path in HERE.glob("include/**/*.h")]


def module(name: str) -> Extension:
    """`asteri_native._NAME`, of the sources in its folder."""
    folder = HERE / "csrc" / name
    return Extension(
        f"asteri_native._{name}",
        sorted(str(path.relative_to(HERE)) for path in folder.glob("*.c")),
        include_dirs=["include", f"csrc/{name}"],
        depends=[*HEADERS, *(str(path.relative_to(HERE)) for path in folder.glob("*.h"))],
        define_macros=[("_GNU_SOURCE", "1")],
        extra_compile_args=FLAGS + LINKED,
        extra_link_args=LINKED,
        optional=True,
    )


NAMES = ("reactor", "executors", "ledger", "tasks")
setup(ext_modules=[module(name) for name in NAMES if any((HERE / "csrc" / name).glob("*.c"))])
