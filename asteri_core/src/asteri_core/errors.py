"""Every error that crosses a contract of asteri.

    AsteriError
    ├── ConfigurationError      a command line, file or environment value is wrong      (exit status 2)
    ├── PluginError             a plugin is broken, missing or clashes with another     (exit status 2)
    ├── ApplicationLoadError    the application cannot be imported or recognised        (exit status 4)
    ├── WorkerBootError         the worker could not get ready, e.g. lifespan failed    (exit status 3)
    ├── BindError               an address is in use, forbidden or unknown              (exit status 1)
    ├── LocalProtocolError      our side asked for something the protocol forbids
    ├── RemoteProtocolError     the peer sent something the protocol forbids; carries the status to answer with
    └── TlsError                TLS with a peer has failed, mostly the handshake
    Disconnected(ConnectionError)   the peer has left; what was to be read or sent is void

What is raised elsewhere is a defect. Texts are lower case without a full stop: what was found, what was expected.
"""

from __future__ import annotations


class AsteriError(Exception):
    """Base of all errors that asteri raises on purpose."""

    exit_status = 1


class ConfigurationError(AsteriError):
    """A setting has no such name, or its value is not valid. The text names the valid choices."""

    exit_status = 2


class PluginError(AsteriError):
    """A plugin is broken, unavailable, or clashes with another one."""

    exit_status = 2


class ApplicationLoadError(AsteriError):
    """The application named on the command line cannot be imported, found or recognised."""

    exit_status = 4


class WorkerBootError(AsteriError):
    """A worker could not get ready to serve."""

    exit_status = 3


class BindError(AsteriError):
    """An address cannot be listened on: it is in use, not allowed or not known to this machine."""


class LocalProtocolError(AsteriError):
    """The application or a plugin asked for something the protocol forbids; nothing of it was sent."""


class RemoteProtocolError(AsteriError):
    """The peer broke the protocol.

    ``status`` is the HTTP status that answers it (RFC 9110 section 15), or the wire code of a protocol that has its
    own.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Disconnected(ConnectionError):
    """The peer has left, or the exchange was aborted: it cannot be read from or sent to any more."""


class TlsError(AsteriError):
    """TLS with a peer has failed. The text is the reason that OpenSSL gives."""
