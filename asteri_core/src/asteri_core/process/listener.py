"""Listening sockets: made from ``--bind`` texts or taken from the service manager, kept over a reload.

A listener is opened in the arbiter before the fork and inherited by every worker. All are non-blocking, so that of two
workers woken for one peer the slower one goes back to sleep. Only the process that has made a unix socket removes its
path. Accepting, and everything about the accepted socket, is the reactor's.

What cannot be opened raises `ConfigurationError` when the text or a setting is wrong, and `BindError` when the machine
says no.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from typing import Protocol

from ..bind import FdBind, TcpBind, UnixBind, parse_bind
from ..errors import BindError, ConfigurationError
from .privileges import group_id, user_id

FIRST_PASSED_FD = 3
"""SD_LISTEN_FDS_START of sd_listen_fds(3)."""
UNSENT = 262144
"""Bytes of a connection that the system may hold before they are on their way."""


class ListenSettings(Protocol):
    """The settings that shape a listener; `core_settings.ServerSettings` has them."""

    @property
    def backlog(self) -> int: ...
    @property
    def reuse_port(self) -> bool: ...
    @property
    def unix_mode(self) -> int: ...
    @property
    def unix_user(self) -> str | None: ...
    @property
    def unix_group(self) -> str | None: ...


class Listener:
    """A listening socket, the text it came from and, for a passed one, its name."""

    __slots__ = ("_inode", "_owner", "activated", "bind", "name", "path", "socket")

    def __init__(
        self, sock: socket.socket, bind: str, *, path: str = "", activated: bool = False, name: str = ""
    ) -> None:
        self.socket = sock
        self.bind = bind
        self.path = path
        """The path in the file system that belongs to it, if any."""
        self.activated = activated
        """Whether a service manager has passed it, unasked by any setting."""
        self.name = name
        """What the service manager calls it (``LISTEN_FDNAMES``)."""
        self._owner = os.getpid()
        self._inode = _inode(path) if path else None
        sock.setblocking(False)

    def fileno(self) -> int:
        return self.socket.fileno()

    @property
    def url(self) -> str:
        """Where it listens, with the port that was really taken."""
        address = self.socket.getsockname()
        if self.socket.family == socket.AF_UNIX:
            name = os.fsdecode(address)
            return f"unix:@{name[1:]}" if name.startswith("\0") else f"unix:{name}"
        host, port = address[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def own(self) -> None:
        """This process is the owner from now on, e.g. after it has become a daemon."""
        self._owner = os.getpid()

    def close(self) -> None:
        """Stop listening. The owner removes the path as well, if it still leads to this socket."""
        self.socket.close()
        if self.path and self._owner == os.getpid() and _inode(self.path) == self._inode:
            with contextlib.suppress(OSError):  # after a change of user the directory may not be ours to write
                os.unlink(self.path)

    def __repr__(self) -> str:
        return f"<Listener {self.bind}>"


def open_listeners(binds: Sequence[str], settings: ListenSettings) -> list[Listener]:
    """Open all of them, or none. Sockets passed by a service manager take the place of ``binds``.

    Raises `ConfigurationError` or `BindError`.
    """
    passed = _passed_listeners()
    return passed if passed else _open_all(binds, settings)


def reopen_listeners(
    current: Sequence[Listener], binds: Sequence[str], settings: ListenSettings
) -> tuple[list[Listener], list[Listener]]:
    """After a reload: the listeners for ``binds``, kept or opened, and the former ones that are no longer wanted.

    Nothing is closed here: the workers that still use a former listener drain first. When one cannot be opened, all
    stays as it was and the error is raised. Sockets passed by a service manager stay, whatever the binds say.
    """
    if any(listener.activated for listener in current):
        return list(current), []
    known = {listener.bind: listener for listener in current}
    fresh = {one.bind: one for one in _open_all([bind for bind in binds if bind not in known], settings)}
    wanted = [known.get(bind) or fresh[bind] for bind in _unique(binds)]
    return wanted, [listener for listener in current if listener.bind not in binds]


def _unique(binds: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(binds))


def _open_all(binds: Sequence[str], settings: ListenSettings) -> list[Listener]:
    listeners: list[Listener] = []
    try:
        for bind in _unique(binds):
            listeners.append(open_listener(bind, settings))
    except Exception:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def open_listener(bind: str, settings: ListenSettings) -> Listener:
    """Open one. Raises `ConfigurationError` or `BindError`."""
    try:
        place = parse_bind(bind)
    except ValueError as error:
        raise ConfigurationError(f"bind: {error}") from None
    if isinstance(place, TcpBind):
        with _explained(bind):
            return Listener(_open_tcp(place, settings), bind)
    if isinstance(place, UnixBind):
        return _open_unix(place, bind, settings)
    with _explained(bind):
        return Listener(_take_fd(place, bind, settings.backlog), bind)


@contextlib.contextmanager
def _explained(bind: str) -> Iterator[None]:
    """The one place where the machine's refusals get our words."""
    try:
        yield
    except socket.gaierror as error:
        raise BindError(f"cannot listen on {bind}: the host name is not known ({error.strerror})") from error
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: "the address is in use by another process",
            errno.EACCES: "permission denied",
            errno.EPERM: "permission denied",
            errno.EADDRNOTAVAIL: "no interface of this machine has that address",
            errno.ENOENT: "the directory does not exist",
            errno.ENAMETOOLONG: "the path is too long for a unix socket",
        }
        reason = reasons.get(error.errno or 0, error.strerror or str(error))
        raise BindError(f"cannot listen on {bind}: {reason}") from error


def _open_tcp(place: TcpBind, settings: ListenSettings) -> socket.socket:
    found = socket.getaddrinfo(place.host or "0.0.0.0", place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # A name such as localhost may stand for both families: clients try both, so the widespread one will do.
    family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    sock = socket.socket(family, kind, protocol)
    try:
        # Without it a restarted server would wait for the TIME_WAIT of its former connections.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if settings.reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
        _keep_little(sock)
        sock.listen(settings.backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def _keep_little(sock: socket.socket) -> None:
    """Let the system hold no more than `UNSENT` for a peer, besides what is on its way (tcp(7), TCP_NOTSENT_LOWAT).

    It would take megabytes at once. A protocol could neither tell a slow way from a peer that takes nothing, nor put
    what is urgent before what it has given already. Accepted sockets inherit it.
    """
    if sock.family in (socket.AF_INET, socket.AF_INET6) and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)


def _open_unix(place: UnixBind, bind: str, settings: ListenSettings) -> Listener:
    path = place.path
    if path.startswith("\0"):
        with _explained(bind):
            return Listener(_listen_unix(path, settings.backlog, 0o777), bind)
    user = user_id(settings.unix_user, "unix_user")
    group = group_id(settings.unix_group, "unix_group")
    with _explained(bind):
        _remove_stale(path, bind)
        listener = Listener(_listen_unix(path, settings.backlog, settings.unix_mode), bind, path=path)
        try:
            if user is not None or group is not None:
                os.chown(path, -1 if user is None else user, -1 if group is None else group)
            os.chmod(path, settings.unix_mode)  # chown may have cleared bits
        except BaseException:
            listener.close()
            raise
    return listener


def _listen_unix(path: str, backlog: int, mode: int) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The mask makes the mode right from the first moment: a chmod afterwards would leave a gap for others to connect.
    mask = os.umask(0o777 & ~mode)
    try:
        sock.bind(path)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    finally:
        os.umask(mask)
    return sock


def _remove_stale(path: str, bind: str) -> None:
    """Make room when the path is a socket that nobody listens on any more."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise BindError(f"cannot listen on {bind}: the path exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        answer = probe.connect_ex(path)
    if answer == errno.ECONNREFUSED:
        os.unlink(path)
    elif answer in (0, errno.EAGAIN, errno.EINPROGRESS):  # EAGAIN: there is a listener, and its queue is full
        raise BindError(f"cannot listen on {bind}: the address is in use by another process")
    elif answer != errno.ENOENT:
        raise OSError(answer, os.strerror(answer))


def _take_fd(place: FdBind, bind: str, backlog: int) -> socket.socket:
    try:
        sock = socket.socket(fileno=place.fd)
    except OSError as error:
        raise BindError(f"cannot listen on {bind}: descriptor {place.fd} is not an open socket") from error
    if sock.type != socket.SOCK_STREAM:
        sock.detach()
        raise BindError(f"cannot listen on {bind}: descriptor {place.fd} is not a stream socket")
    sock.set_inheritable(False)
    _keep_little(sock)
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        sock.listen(backlog)
    return sock


def _passed_listeners() -> list[Listener]:
    """The sockets of sd_listen_fds(3). The variables are taken away, so that no child takes them for its own."""
    pid, count = os.environ.get("LISTEN_PID"), os.environ.get("LISTEN_FDS")
    if pid != str(os.getpid()) or not count or not count.isdecimal():
        return []
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    for variable in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(variable, None)
    listeners = []
    for index in range(int(count)):
        place = FdBind(FIRST_PASSED_FD + index)
        bind = f"fd://{place.fd}"
        name = names[index] if index < len(names) else ""
        with _explained(bind):
            sock = _take_fd(place, bind, socket.SOMAXCONN)
        listeners.append(Listener(sock, bind, activated=True, name=name))
    return listeners


def _inode(path: str) -> tuple[int, int] | None:
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_dev, facts.st_ino
