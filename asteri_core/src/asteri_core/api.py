"""The door for plugins: everything a protocol, an interface or an exporter may import from the kernel, and nothing impure.

What is re-exported here is the contract of version `API_VERSION`. Worker models use the second door, `asteri_core.worker_api`.
"""

from .errors import (
    ApplicationLoadError,
    AsteriError,
    ConfigurationError,
    Disconnected,
    LocalProtocolError,
    PluginError,
    RemoteProtocolError,
    WorkerBootError,
)
from .hooks import hookimpl
from .sansio.connection import (
    Address,
    Colour,
    Connection,
    ConnectionFactory,
    Event,
    Exchange,
    Failed,
    FileSlice,
    Finished,
    Header,
    Peer,
    Sendable,
    Sniff,
    Started,
    Switched,
    Want,
)
from .settings import setting
from .specs import (
    API_VERSION,
    ApplicationContext,
    AsyncHandler,
    BlockingHandler,
    Config,
    InterfaceSpec,
    ProtocolSpec,
    WorkerSpec,
)

__all__ = [
    "API_VERSION",
    "Address",
    "ApplicationContext",
    "ApplicationLoadError",
    "AsteriError",
    "AsyncHandler",
    "BlockingHandler",
    "Colour",
    "Config",
    "ConfigurationError",
    "Connection",
    "ConnectionFactory",
    "Disconnected",
    "Event",
    "Exchange",
    "Failed",
    "FileSlice",
    "Finished",
    "Header",
    "InterfaceSpec",
    "LocalProtocolError",
    "Peer",
    "PluginError",
    "ProtocolSpec",
    "RemoteProtocolError",
    "Sendable",
    "Sniff",
    "Started",
    "Switched",
    "Want",
    "WorkerBootError",
    "WorkerSpec",
    "hookimpl",
    "setting",
]
