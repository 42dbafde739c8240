"""Setting the logs up, following a rotation, and putting everything back: what the arbiter and its workers call.

`setup` is called in the arbiter, after it has detached from the terminal and before the first fork, and again when its
settings are reloaded; workers inherit the result. The loggers are ``asteri.error`` (its parent ``asteri`` carries the
level and the handler) and, only for ``--log-config``, ``asteri.access``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import logging.config
import os
import sys
import tomllib
from collections.abc import Iterator

from ..core_settings import LogSettings
from ..errors import ConfigurationError
from .access import AccessLog, LoggerSink
from .error import ErrorHandler, LineFormatter
from .file import LogFile

PARENT, ERROR, ACCESS = "asteri", "asteri.error", "asteri.access"


class Logs:
    """The logs of this process."""

    def __init__(self, error_file: LogFile, access_file: LogFile | None, access: AccessLog | None) -> None:
        self.error = logging.getLogger(ERROR)
        self.access = access
        """None when no access log is asked for."""
        self._error_file = error_file
        self._access_file = access_file
        self._handler: logging.Handler | None = None
        self._captured: list[tuple[int, int]] = []

    def error_fd(self) -> int:
        """The descriptor behind the error log, for `faulthandler`; `reopen` keeps its number."""
        return self._error_file.fd

    def reopen(self) -> None:
        """Open every log file again by its path (USR1).

        One that cannot be opened stays as it was, and the error log says so.
        """
        for file in self._files():
            try:
                file.reopen()
            except OSError as error:
                self.error.error("cannot reopen the log %r: %s; the old file stays in use", file.path, error.strerror)
        for handler in _configured_files():
            _reopen_handler(handler, self.error)
        if self._captured:
            self._redirect()

    def restore(self) -> None:
        """Undo what the application's own logging configuration has done to our loggers; call it after loading it.

        `logging.config` disables, unless told otherwise, every logger that it finds and that is not configured.
        """
        for name in (PARENT, ERROR, ACCESS):
            logging.getLogger(name).disabled = False
        if self._handler is not None and self._handler not in logging.getLogger(PARENT).handlers:
            logging.getLogger(PARENT).addHandler(self._handler)

    def chown(self, uid: int, gid: int) -> None:
        """Give the log files to whom the workers will run as, so that they can reopen them."""
        for file in self._files():
            file.chown(uid, gid)

    def close(self) -> None:
        """Write what is buffered, put the standard streams back, close the files. Nothing is logged after it."""
        if self.access is not None:
            self.access.close()
        _flush_standard_streams()
        for stream, original in self._captured:
            os.dup2(original, stream)
            os.close(original)
        self._captured.clear()
        if self._handler is not None:
            logging.getLogger(PARENT).removeHandler(self._handler)
            logging.getLogger(PARENT).propagate = True
        for file in self._files():
            file.close()

    def original(self, stream: int) -> int:
        """The descriptor of a standard stream as it was before it was captured."""
        return dict(self._captured).get(stream, stream)

    def _files(self) -> Iterator[LogFile]:
        yield self._error_file
        if self._access_file is not None:
            yield self._access_file

    def install(self, colour: bool) -> None:
        """Let the loggers write to the error log."""
        self._handler = ErrorHandler(self._error_file)
        self._handler.setFormatter(LineFormatter(colour=colour))
        logging.getLogger(PARENT).addHandler(self._handler)

    def capture(self) -> None:
        """Let what the application prints, and what C code writes to stderr, end in the error log."""
        _flush_standard_streams()
        for stream in (1, 2):
            with contextlib.suppress(OSError):  # a stream that is closed has nothing to be put back
                self._captured.append((stream, fcntl.fcntl(stream, fcntl.F_DUPFD_CLOEXEC, 3)))
        self._redirect()
        for text_stream in (sys.stdout, sys.stderr):
            # A file would be block buffered, and what was printed before a crash lost.
            if hasattr(text_stream, "reconfigure"):
                text_stream.reconfigure(line_buffering=True)

    def _redirect(self) -> None:
        self._error_file.block()
        for stream in (1, 2):
            os.dup2(self._error_file.fd, stream)


def setup(settings: LogSettings, previous: Logs | None = None) -> Logs:
    """Open the logs and install the handlers; ``previous`` is closed, once nothing can fail any more.

    Raises `ConfigurationError` when a file cannot be opened or a format or configuration is not valid.
    """
    standard = previous.original if previous is not None else int
    with contextlib.ExitStack() as opened:
        error_file = LogFile(settings.error_logfile, standard(2))
        opened.callback(error_file.close)
        access_file = None
        access = None
        if settings.access_logfile:
            access_file = LogFile(settings.access_logfile, standard(1))
            opened.callback(access_file.close)
            access = AccessLog(settings.access_logformat, access_file, logging.getLogger(ERROR))
        parent = logging.getLogger(PARENT)
        parent.setLevel(settings.log_level.upper())
        if settings.log_config:
            _apply(settings.log_config)
            if access is None and logging.getLogger(ACCESS).handlers:
                sink = LoggerSink(logging.getLogger(ACCESS))
                access = AccessLog(settings.access_logformat, sink, logging.getLogger(ERROR))
        opened.pop_all()
    if previous is not None:
        previous.close()
    logs = Logs(error_file, access_file, access)
    # A configuration that handles our records, be it at the root, is all there is; else they would come twice.
    if not (settings.log_config and logs.error.hasHandlers()):
        logs.install(_coloured(settings.log_color, error_file.fd))
        parent.propagate = False
    if settings.capture_output:
        logs.capture()
    return logs


def _coloured(choice: str, fd: int) -> bool:
    """Whether to colour: as told, else on a terminal that can, unless NO_COLOR is set (https://no-color.org)."""
    if choice != "auto":
        return choice == "on"
    return os.isatty(fd) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _apply(path: str) -> None:
    """Apply a logging configuration: dictConfig's dictionary in ``.json`` and ``.toml``, else fileConfig's ini."""
    logging.getLogger(PARENT).propagate = True  # the root's handlers are asked as well, unless the file says no
    try:
        with open(path, "rb") as file:
            if not path.endswith((".json", ".toml")):
                logging.config.fileConfig(path, disable_existing_loggers=False)
                return
            content = json.load(file) if path.endswith(".json") else tomllib.load(file)
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, **content})
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the logging configuration {path!r}: {error.strerror or error}"
        ) from error
    except Exception as error:
        # The configuration imports and calls what it names, so anything may come out of it.
        reason = f"{error} ({error.__cause__})" if error.__cause__ else f"{error}"
        raise ConfigurationError(f"logging configuration {path!r} is not valid: {reason}") from error


def _configured_files() -> list[logging.FileHandler]:
    """The file handlers of a logging configuration, each once."""
    known = logging.root.manager.loggerDict.values()
    loggers = [logging.root, *[logger for logger in known if isinstance(logger, logging.Logger)]]
    handlers = {id(handler): handler for logger in loggers for handler in logger.handlers}
    return [handler for handler in handlers.values() if isinstance(handler, logging.FileHandler)]


def _reopen_handler(handler: logging.FileHandler, error_log: logging.Logger) -> None:
    handler.acquire()
    try:
        opened = handler._open()
    except OSError as error:
        reason: OSError | None = error
    else:
        old, handler.stream, reason = handler.stream, opened, None
        if old is not None:
            old.close()
    finally:
        handler.release()
    if reason is not None:  # not while the handler is locked: it may be the one that logs this
        error_log.error(
            "cannot reopen the log %r: %s; the old file stays in use", handler.baseFilename, reason.strerror
        )


def _flush_standard_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        # None when the server was started with the stream closed; an OSError when nobody reads it any more.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
