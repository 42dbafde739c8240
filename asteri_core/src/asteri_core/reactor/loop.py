"""The reactor: the one thing in a worker that moves bytes. It accepts, reads, writes, keeps deadlines and closes.

It serves every event loop through three doors:

1. `Reactor.poll` in a loop of the caller's (the blocking worker models);
2. `asteri_core.reactor.door.ReactorSelector`, an object with the interface of `selectors.BaseSelector`, under which a
   stock asyncio loop polls inside the reactor;
3. `Reactor.fileno` and `Reactor.poll(0)`: a foreign loop watches the descriptor, and is told by ``on_dirty`` and
   `timeout` what else it must call for.

Threads: `poll` dispatches while it holds `Reactor.lock`. Another thread may touch an exchange only while it holds
that lock, and calls `flush` before it lets go. `post` and `wake` may be called by anybody. The reactor never sees a
header, never runs an application and knows no protocol.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from ..sansio.connection import Address, Connection, ConnectionFactory, Exchange, Peer
from .stream import Stream
from .timers import NEVER, Deadlines, Timer, Timers

log = logging.getLogger("asteri.error")

ACCEPT_PAUSE = 1.0
"""Seconds without accepting after it has failed, as when the process has run out of descriptors or memory."""
PEERS_OWN = frozenset(
    {
        *(errno.EAGAIN, errno.EINTR, errno.ECONNABORTED, errno.EPROTO, errno.ETIMEDOUT),
        *(errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENOPROTOOPT),
    }
)
"""What accept says when there is no peer (any more): accept(2) passes on what has happened to the waiting one."""


def _ignore(*_: Any) -> None:
    """What happens to an event nobody asked for."""


class Reactor:
    """Moves the bytes of one worker.

    ``started``, ``finished`` and ``failed`` are called with the lock held for the events of all connections.
    ``write_timeout`` is the number of seconds a peer may leave all our bytes untaken; ``max_connections`` the number of
    open peers from which accepting pauses.
    """

    def __init__(
        self,
        *,
        started: Callable[[Exchange], None] = _ignore,
        finished: Callable[[Exchange], None] = _ignore,
        failed: Callable[[Exception, Peer], None] = _ignore,
        write_timeout: float = 30.0,
        max_connections: int = 1000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.started = started
        self.finished = finished
        self.failed = failed
        self.write_timeout = write_timeout
        self.clock = clock
        self.now = clock()
        self.lock = threading.RLock()
        self.accepted = 0
        """Peers accepted so far."""
        self.accept_batch = 8
        """Peers accepted in one turn; what is more is left to the next turn and to other workers."""
        self.on_dirty: Callable[[], None] | None = None
        """Set by a foreign loop (door 3): called when `poll` is needed although no descriptor will say so."""
        self.pumps: list[Stream] = []
        """The streams that are being pumped, the last one within the others."""
        self._max_connections = max_connections
        self._poller = selectors.DefaultSelector()
        self._streams: set[Stream] = set()
        self._listeners: dict[socket.socket, ConnectionFactory] = {}
        self._accepting = False
        self._pause: Timer | None = None
        self._dirty: list[Stream] = []
        self._posted: deque[Callable[[], None]] = deque()
        self._deadlines: Deadlines[Stream] = Deadlines()
        self._timers = Timers()
        self._sleeping_until = NEVER
        self._sleeping = True
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._poller.register(self._wake_in, selectors.EVENT_READ, self._woken)

    # -- turning -----------------------------------------------------------------------------------------------------

    def poll(self, timeout: float | None = None) -> None:
        """One turn: wait at most ``timeout`` seconds (None: until something happens), then handle what has happened."""
        self.turn(timeout)

    def turn(self, timeout: float | None) -> bool:
        """`poll`; whether anything has happened."""
        dispatched = False
        with self.lock:
            self._sleeping = False
            for stream in self.pumps:
                stream.pump_within(self.now)
            if self._dirty:
                # What leaves now may be what somebody waits for, so they get their turn before we sleep.
                self.flush()
                timeout = 0
                dispatched = True
            limit = self.timeout()
            if timeout is None or (limit is not None and limit < timeout):
                timeout = limit
            self._sleeping_until = NEVER if timeout is None else self.clock() + timeout
            # From here on whoever posts, or sets an earlier deadline, wakes us.
            self._sleeping = True
        if self._posted:
            timeout = 0
        ready = self._poller.select(timeout)
        with self.lock:
            self._sleeping = False
            self.now = now = self.clock()
            if self._deadlines.next() <= now:
                # A wait that a signal has ended, such as SIGCONT, had no look at the end, and after a look we may have
                # been stopped: what was said in time is heard before anybody is told that he is late.
                latest = {key.fd: (key, mask) for key, mask in (*ready, *self._poller.select(0))}
                ready = list(latest.values())
            for key, mask in ready:
                key.data(mask)
            dispatched = dispatched or bool(ready or self._posted)
            while self._posted:
                self._posted.popleft()()
            if self._timers.next() <= now:
                dispatched = True
                self._timers.run(now)
            if self._deadlines.next() <= now:
                dispatched = True
                self._expire(now)
            if self._dirty:
                self.flush()
            # Between two turns a foreign loop may sleep for us.
            self._sleeping_until = NEVER
            self._sleeping = True
        return dispatched

    def _expire(self, now: float) -> None:
        due = iter(self._deadlines.due(now))
        try:
            for stream in due:
                stream.expire(now)
        except BaseException:
            for stream in due:
                self._deadlines.set(stream, now)
            raise

    def timeout(self) -> float | None:
        """Seconds until the next deadline or timer; 0 when work is waiting, None when there is none."""
        if self._dirty or self._posted:
            return 0.0
        when = min(self._deadlines.next(), self._timers.next())
        return None if when == NEVER else max(0.0, when - self.clock())

    def fileno(self) -> int:
        """A descriptor that is readable when `poll` has something to do (door 3)."""
        fileno: int = self._poller.fileno()
        return fileno

    def flush(self) -> None:
        """Send and pass on what exchanges have left since the last turn. The caller holds the lock."""
        if not self._dirty:
            return
        self.now = now = self.clock()
        while self._dirty:
            dirty, self._dirty = iter(self._dirty), []
            try:
                for stream in dirty:
                    stream.pump(now)
            except BaseException:
                # An interrupt, by one of them: those behind it keep their turn.
                self._dirty[:0] = dirty
                raise

    def post(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called in the reactor's thread, with the lock held. May be called by any thread."""
        self._posted.append(callback)
        self.wake()

    def wake(self) -> None:
        """End a wait in `poll`. May be called by any thread and from a signal handler."""
        if self._sleeping:
            with contextlib.suppress(BlockingIOError, OSError):
                self._wake_out.send(b"\0")

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Have ``callback`` called at ``when`` by the reactor's clock. The caller is its thread or holds the lock."""
        timer = self._timers.add(when, callback)
        if self._sleeping and when < self._sleeping_until:
            self.wake()
        return timer

    def _woken(self, mask: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wake_in.recv(4096):
                pass

    # -- listeners and peers -----------------------------------------------------------------------------------------

    @property
    def connections(self) -> int:
        """Open peers."""
        return len(self._streams)

    def listen(self, sock: socket.socket, factory: ConnectionFactory) -> None:
        """Accept peers from a bound, listening, non-blocking socket, which stays the caller's."""
        self._listeners[sock] = factory
        if self._accepting:
            self._poller.register(sock, selectors.EVENT_READ, partial(self._accept, sock, factory))
        self._resume()

    def accept_waiting(self) -> None:
        """Accept the peers that the listening queues hold now. The caller holds the lock."""
        for sock, factory in self._listeners.items():
            while len(self._streams) < self._max_connections and self._accept_one(sock, factory):
                continue

    def unlisten(self) -> None:
        """Accept no more. The sockets stay open: they are the caller's."""
        self._stop_accepting()
        self._listeners.clear()

    def attach(self, sock: socket.socket, peer: Peer, factory: ConnectionFactory) -> None:
        """Drive a connected socket from now on and close it in the end."""
        sock.setblocking(False)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection: Connection = factory(peer, self.now)
        stream = Stream(self, sock, peer, connection, self.now)
        self._streams.add(stream)
        stream.pump(self.now)

    def drain(self, until: float) -> None:
        """Accept no more and let every peer finish; idle ones may stay until ``until``. The caller holds the lock."""
        self.unlisten()
        self.now = now = self.clock()
        for stream in list(self._streams):
            stream.drain(until, now)

    def abandon(self) -> None:
        """Give every peer up at once. The caller holds the lock."""
        self.unlisten()
        self.now = now = self.clock()
        for stream in list(self._streams):
            stream.abandon(now)

    def close(self) -> None:
        """Give every peer up and free the reactor's own descriptors."""
        with self.lock:
            self.abandon()
        self._poller.close()
        self._wake_in.close()
        self._wake_out.close()

    def _accept(self, listener: socket.socket, factory: ConnectionFactory, mask: int) -> None:
        if not self._accepting:
            return  # since this turn began: the last place was taken, or the listener is no longer ours
        for _ in range(self.accept_batch):
            if not self._accept_one(listener, factory):
                return
            if len(self._streams) >= self._max_connections:
                self._stop_accepting()
                return

    def _accept_one(self, listener: socket.socket, factory: ConnectionFactory) -> bool:
        """Accept one peer; False when there is none, or no room for one."""
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno in PEERS_OWN:
                return False
            # Whatever it is, it is not worth the running requests.
            log.error("accepting pauses for %.0f s: %s", ACCEPT_PAUSE, error)
            self._stop_accepting()
            self._pause = self.call_at(self.now + ACCEPT_PAUSE, self._resume_after_pause)
            return False
        self.accepted += 1
        try:
            self.attach(sock, Peer(_plain(address), _plain(sock.getsockname())), factory)
        except OSError:
            # The peer has left between the two calls; some systems then refuse the socket options.
            sock.close()
        except Exception:
            # The factory has raised: that is one peer's loss as well.
            log.exception("a connection has failed, its peer is given up")
            sock.close()
        return True

    def _stop_accepting(self) -> None:
        if self._accepting:
            self._accepting = False
            for sock in self._listeners:
                self._poller.unregister(sock)

    def _resume_after_pause(self) -> None:
        self._pause = None
        self._resume()

    def _resume(self) -> None:
        if self._accepting or self._pause is not None or len(self._streams) >= self._max_connections:
            return
        self._accepting = True
        for sock, factory in self._listeners.items():
            self._poller.register(sock, selectors.EVENT_READ, partial(self._accept, sock, factory))

    # -- what a stream asks for --------------------------------------------------------------------------------------

    def mark(self, stream: Stream) -> None:
        """The stream has something to pump."""
        self._dirty.append(stream)
        if self.on_dirty is not None:
            self.on_dirty()

    def watch(self, stream: Stream, sock: socket.socket, before: int, interest: int) -> None:
        """Change what the stream's socket is watched for."""
        if not before:
            self._poller.register(sock, interest, stream.ready)
        elif not interest:
            self._poller.unregister(sock)
        else:
            self._poller.modify(sock, interest, stream.ready)

    def set_deadline(self, stream: Stream, when: float) -> None:
        """Have the stream's `expire` called about ``when``."""
        if self._deadlines.set(stream, when) and self._sleeping and when < self._sleeping_until:
            self.wake()

    def forget(self, stream: Stream, sock: socket.socket, interest: int) -> None:
        """The stream is about to close its socket."""
        if interest:
            self._poller.unregister(sock)
        self._deadlines.discard(stream)
        self._streams.discard(stream)
        if not self._accepting and self._listeners:
            self._resume()

    # -- other descriptors in the same wait --------------------------------------------------------------------------

    def add(self, fileobj: Any, events: int, ready: Callable[[int], None]) -> None:
        """Watch a foreign descriptor in the same wait; ``ready`` is called with the mask."""
        self._poller.register(fileobj, events, _Foreign(ready))

    def change(self, fileobj: Any, events: int, ready: Callable[[int], None]) -> None:
        """Change what a foreign descriptor is watched for."""
        foreign: _Foreign = self._poller.get_key(fileobj).data
        self._poller.modify(fileobj, events, foreign)
        foreign.ready = ready

    def remove(self, fileobj: Any) -> None:
        """Watch a foreign descriptor no more."""
        self._poller.unregister(fileobj).data.ready = _ignore


class _Foreign:
    """What is called for a foreign descriptor. One that is taken out is not called any more, also in this turn."""

    __slots__ = ("ready",)

    def __init__(self, ready: Callable[[int], None]) -> None:
        self.ready = ready

    def __call__(self, mask: int) -> None:
        self.ready(mask)


def _plain(address: Any) -> Address:
    """A socket's address as ``(host, port)``, or the path of a unix socket (an abstract one begins with ``@``)."""
    if isinstance(address, tuple):
        return (address[0], address[1])
    if isinstance(address, bytes):
        return "@" + address[1:].decode("utf-8", "surrogateescape")
    return str(address or "")
