"""The door for plugins: what a protocol, an interface or an exporter may import from the kernel, and nothing impure.

What is re-exported here is the contract of version `API_VERSION`. Worker models use the second door,
`asteri_core.worker_api`.
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
    RESET,
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
    KernelSpec,
    ProtocolSpec,
    WorkerSpec,
)
from .twins import native_twin

__all__ = [
    "API_VERSION",
    "RESET",
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
    "KernelSpec",
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
    "native_twin",
    "setting",
]
