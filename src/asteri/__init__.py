"""asteri from Python: `run` is what the command line does, `Server` serves inside a process of yours.

    asteri.run("package:app", bind="127.0.0.1:8000", workers=4)
    with asteri.Server(app, bind="127.0.0.1:0") as server: ...
    await asteri.Server(app).serve()

There is no code here: the kernel is the distribution asteri-core, everything else a plugin.
"""

from asteri_core.hooks import hookimpl
from asteri_core.launch import run
from asteri_core.version import __version__

__all__ = ["Server", "__version__", "hookimpl", "run"]


def __getattr__(name: str) -> object:
    """The embedded server is imported when it is asked for: the command line has no use for it."""
    if name == "Server":
        from asteri_core.process.embedded import Server

        return Server
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
