"""The error log and the access log.

    escape ─▶ file ─▶ error (records)    ─▶ configure: `setup`, `Logs`
                 └──▶ formats ─▶ access ─┘

`setup` opens what the settings name; the `Logs` it returns are reopened on USR1, given to another user when
privileges are dropped, and closed at the end. Nothing here starts a thread; the access log reads no clock.
"""

from .access import AccessLog
from .configure import Logs, setup
from .error import LineFormatter
from .file import LogFile

__all__ = ["AccessLog", "LineFormatter", "LogFile", "Logs", "setup"]
