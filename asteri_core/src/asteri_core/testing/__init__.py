"""What a plugin's own tests are made of: the contracts as checks that can be run, a clock, and a real server.

    check_connection(factory, ...)      a protocol keeps the contract of `Connection`
    check_executor(spec, ...)           a worker model keeps the contracts of `WorkerModel` and `Executor`
    check_interface(spec, ...)          an interface keeps the contract of its handler
    FakeClock                           time for a test
    MemoryExchange                      an exchange without a protocol
    running_server(app, ...)            a real server process

asteri's own plugins are tested with the same.
"""

from .clock import FakeClock
from .connections import check_connection
from .exchange import MemoryExchange
from .executors import check_executor
from .interfaces import check_interface
from .server import RunningServer, running_server

__all__ = [
    "FakeClock",
    "MemoryExchange",
    "RunningServer",
    "check_connection",
    "check_executor",
    "check_interface",
    "running_server",
]
