"""The hot parts of the kernel in C: twins of Python ones in `asteri_core`, which define what they mean.

`asteri_native.kernel` has them by the names that the kernel uses; the modules with an underscore are the C ones.
"""

from pathlib import Path


def include() -> str:
    """The folder of the headers (``asteri/connection.h`` ...) for native plugins, to give to a C compiler."""
    installed = Path(__file__).parent / "include"
    # An editable installation has them where their sources are.
    return str(installed if installed.is_dir() else Path(__file__).parents[2] / "include")
