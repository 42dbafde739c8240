"""One connected socket of the reactor: reads what its session wants, writes what its session has, and closes well.

    OPEN ──half-close sent──▶ LINGERING ──EOF, cap or deadline──▶ ENDING ──its last events are told──▶ CLOSED
      └──────── closed by the session, lost, or write time-out ──────┘

In ENDING nobody calls the session any more but for its events: who hears of them may turn the reactor.

Lingering: after our half-close the peer's remaining bytes are read and thrown away for a while, because closing a
socket with unread bytes makes the operating system send a reset that can destroy the answer on its way (RFC 9112
section 9.6). Where the session knows that none can come, it asks for the close itself. The last bytes leave together
with the end, in one segment. A stream never looks at a byte, and only the reactor's lock holder calls it.

Connections never raise. One that does all the same, by a defect in a protocol, loses its own peer (`_give_up`), and the
others stay: whatever a peer sends, it cannot end a worker.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import logging
import os
import socket
import struct
import termios
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE
from typing import TYPE_CHECKING

from ..sansio.connection import CLOSE, RESET, Connection, Failed, FileSlice, Finished, Peer, Sendable, Started
from ..sansio.session import Session

if TYPE_CHECKING:
    from .loop import Reactor

log = logging.getLogger("asteri.error")

READ_SIZE = 65536
LINGER_SECONDS = 2.0
"""How long after the peer's system has our last bytes a reset could still destroy them, before they are read."""
LINGER_BYTES = 1 << 20
"""What a peer may still send after our half-close before it gets a reset: enough for what was in flight."""
FILE_PIECE = 1 << 20
"""Bytes of a file sent in one turn, so that one download does not hold up the other peers."""


class State(enum.Enum):
    OPEN = "open"
    LINGERING = "lingering"
    ENDING = "its last events are being told"
    CLOSED = "closed"


_OPEN, _LINGERING, _ENDING, _CLOSED = State.OPEN, State.LINGERING, State.ENDING, State.CLOSED


class Stream:
    """One peer's socket, its session and what is not yet sent."""

    __slots__ = (
        "_again",
        "_cut",
        "_dirty",
        "_due",
        "_eof",
        "_interest",
        "_left",
        "_lingered",
        "_losing",
        "_peer",
        "_progress",
        "_pumping",
        "_reactor",
        "_session",
        "_socket",
        "_state",
        "_telling",
        "_unsent",
        "_until",
        "tick",
    )

    def __init__(self, reactor: Reactor, sock: socket.socket, peer: Peer, connection: Connection, now: float) -> None:
        self._reactor = reactor
        self._socket = sock
        self._peer = peer
        self._state = _OPEN
        self._interest = 0
        self._unsent: deque[Sendable] = deque()
        self._progress = now
        """When bytes last left; of one that lingers, when some of them were last seen to have been taken."""
        self._lingered = self._left = 0
        """How many bytes it has thrown away, and how many of ours were on their way when it last looked."""
        self._until = 0.0
        """When it looks the next time."""
        self._eof = False
        self._dirty = False
        self._pumping = False
        self._again = False
        self._losing = False
        """Whether what ends now is cut by that."""
        self._cut = False
        self._telling = False
        self.tick = 0
        self._due = 0.0
        """The deadline the reactor knows, as long as `tick` is not 0."""
        self._session = Session(connection, now, self.wake)

    # -- what the session says ---------------------------------------------------------------------------------------

    def wake(self) -> None:
        """The session has something new; look at it in this turn or the next."""
        if self._pumping:
            self._again = True
        elif not self._dirty:
            self._dirty = True
            self._reactor.mark(self)

    # -- what the reactor says ---------------------------------------------------------------------------------------

    def ready(self, mask: int) -> None:
        """The socket is readable or writable."""
        now = self._reactor.now
        if self._telling:
            return
        try:
            if mask & EVENT_WRITE and self._unsent:
                self._write_unsent(now)
            if mask & EVENT_READ and self._interest & EVENT_READ:
                self._read(now)
        except Exception:
            self._give_up(now)
        except BaseException:
            self.wake()  # an interrupt: as in `pump`
            raise
        self.pump(now)

    def pump(self, now: float) -> None:
        """Pass on the session's events and bytes until it has no more, then arrange to be called again."""
        if self._state is not _OPEN:
            self._dirty = False
            if self._state is _ENDING and not self._telling:
                self._resume_end(now)  # an interrupt had come between
            self._settle()
            return
        if self._pumping:
            # Further up the stack, and it goes on there.
            self._again = True
            return
        pumps = self._reactor.pumps
        pumps.append(self)
        self._pumping = True
        try:
            try:
                self._pass_on(now)
            finally:
                self._pumping = self._dirty = False
                pumps.pop()
            self._settle()
        except Exception:
            self._give_up(now)
        except BaseException:
            # An interrupt is none of this peer's affair: it goes on in another turn.
            self.wake()
            raise

    def pump_within(self, now: float) -> None:
        """`pump` for one that is being pumped further up the stack, because somebody there is going to wait."""
        if self._state is _OPEN:
            try:
                self._pass_on(now)
                self._settle()
            except Exception:
                self._give_up(now)
        self._again = True

    def _pass_on(self, now: float) -> None:
        session = self._session
        while True:
            self._again = False
            for event in session.events():
                kind = type(event)
                if kind is Started:
                    self._reactor.started(event.exchange)  # type: ignore[union-attr]
                elif kind is Finished:
                    self._reactor.finished(event.exchange)  # type: ignore[union-attr]
                elif kind is Failed:
                    self._reactor.failed(event.error, self._peer)  # type: ignore[union-attr]
            if not self._unsent and self._state is _OPEN:
                data = session.data_to_send(now)
                if data:
                    if data[0]:
                        self._progress = now
                    self._write(data, now)
                    self._again = True
            if not self._again or self._unsent:
                break

    def expire(self, now: float) -> None:
        """A deadline may have passed."""
        try:
            if self._state is _LINGERING:
                if now >= self._until:
                    self._linger(now)
            elif self._unsent and now >= self._progress + self._reactor.write_timeout:
                self.lose(now)
            elif self._state is _OPEN:
                self._session.expire(now)
        except Exception:
            self._give_up(now)
        except BaseException:
            self.wake()
            raise
        self.pump(now)

    def drain(self, until: float, now: float) -> None:
        if self._state is _OPEN:
            try:
                self._session.drain(until, now)
            except Exception:
                self._give_up(now)
            self.pump(now)

    def abandon(self, now: float) -> None:
        """`lose`, whatever the connection says to that."""
        try:
            self.lose(now)
        except Exception:
            self._give_up(now)

    def lose(self, now: float) -> None:
        """Give the peer up: everything that runs for it is over.

        If that cuts an answer, the peer gets a reset: content that ends with the connection would look whole.
        """
        if self._state is _ENDING or self._state is _CLOSED:
            return
        self._cut = bool(self._unsent)
        self._unsent.clear()
        if self._state is _OPEN:
            self._state = _ENDING
            self._losing = True
            self._session.lost(now)
        self._close()

    def _give_up(self, now: float) -> None:
        """The connection has raised."""
        log.exception("a connection has failed, its peer is given up")
        # What has ended is told even where `lost` has failed.
        ends: tuple[Callable[[], None], ...] = (partial(self.lose, now), self._close)
        for end in ends:
            try:
                end()
            except Exception:
                log.exception("the failed connection cannot even end")
            if self._state is _CLOSED:
                return
        self._drop()

    # -- the life of the socket --------------------------------------------------------------------------------------

    def _read(self, now: float) -> None:
        try:
            data = self._socket.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.lose(now)
            return
        if self._state is _LINGERING:
            self._lingered += len(data)
            if not data or self._lingered > LINGER_BYTES:
                self._close()
        elif data:
            self._session.receive_data(data, now)
        elif not self._eof:
            # A turn within a pump of this stream may come by again before that one settles: once is enough.
            self._eof = True
            self._session.receive_eof(now)

    def _write(self, data: Sequence[Sendable], now: float) -> None:
        if len(data) == 1 and type(data[0]) is bytes and data[0]:
            # The usual case: one answer, one system call.
            piece = data[0]
            try:
                sent = self._socket.send(piece)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self.lose(now)
                return
            if sent != len(piece):
                self._unsent.append(memoryview(piece)[sent:])
            return
        self._unsent.extend(data)
        self._write_unsent(now)

    def _write_unsent(self, now: float) -> None:
        unsent = self._unsent
        try:
            while unsent:
                piece = unsent[0]
                if type(piece) is FileSlice:
                    if not self._send_file(piece):
                        return
                elif not piece:
                    unsent.clear()
                    if piece is RESET:
                        self._reset()
                    elif piece is CLOSE:
                        self._close()
                    else:
                        self._half_close(now)
                    return
                elif not self._send_pieces():
                    return
                self._progress = now
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.lose(now)

    def _send_pieces(self) -> bool:
        """Send the bytes at the front of the queue in one call; False if not all of them left."""
        unsent = self._unsent
        pieces: list[bytes | bytearray | memoryview] = []
        flags = 0
        for piece in unsent:
            if isinstance(piece, FileSlice) or not piece or len(pieces) == 64:
                if not (piece is RESET or (isinstance(piece, FileSlice) and not piece.length)):
                    flags = socket.MSG_MORE
                break
            pieces.append(piece)
        sent = self._socket.sendmsg(pieces, (), flags)
        for piece in pieces:
            if sent < len(piece):
                if sent:
                    self._progress = self._reactor.now
                    unsent[0] = memoryview(piece)[sent:]
                return False
            sent -= len(piece)
            unsent.popleft()
        return True

    def _send_file(self, piece: FileSlice) -> bool:
        """Send some of a file; False if more of it is left, for another turn."""
        size = min(piece.length, FILE_PIECE)
        descriptor = piece.file.fileno()
        if not self._unsent or self._unsent[0] is not piece:
            return False  # that has turned the reactor, which has sent some of it
        sent = os.sendfile(self._socket.fileno(), descriptor, piece.offset, size)
        if sent == 0 and piece.length:
            raise ConnectionAbortedError("the file ended before the announced length")
        if sent < piece.length:
            self._progress = self._reactor.now
            self._unsent[0] = FileSlice(piece.file, piece.offset + sent, piece.length - sent)
            return False
        self._unsent.popleft()
        return True

    def _half_close(self, now: float) -> None:
        late = now >= self._progress + LINGER_SECONDS
        if self._eof or (late and not on_its_way(self._socket)):
            # Nothing of ours can still be on its way: the peer of an idle connection holds nothing up.
            self._close()
            return
        self._state = _LINGERING
        self._until = (now if late else self._progress) + LINGER_SECONDS
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._close()

    def _linger(self, now: float) -> None:
        """The system may have taken an answer of megabytes at once. Its peer says meanwhile how much it has read, and
        what comes to a closed socket makes the system send a reset."""
        left, before = on_its_way(self._socket), self._left
        stalled = before and left >= before and now >= self._progress + self._reactor.write_timeout
        if stalled or not (left or before):
            self._close()
            return
        if left < before or not before:
            self._progress = now
        self._left = left
        self._until = now + LINGER_SECONDS

    def _reset(self) -> None:
        self._cut = True
        self._close()

    def _close(self) -> None:
        """Tell what has ended, then close the socket: with a reset if that has cut anything."""
        self._state = _ENDING
        self._telling = True
        try:
            self._pass_last_events()
        finally:
            self._telling = False
        if self._state is _CLOSED:
            return  # who was told has given it up
        if self._cut:
            # SO_LINGER with a time of zero: close sends a reset (POSIX.1-2017, setsockopt, and tcp(7)).
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._drop()

    def _resume_end(self, now: float) -> None:
        try:
            self._close()
        except Exception:
            self._give_up(now)
        except BaseException:
            self.wake()
            raise

    def _drop(self) -> None:
        self._state = _CLOSED
        self._unsent.clear()
        self._reactor.forget(self, self._socket, self._interest)
        self._interest = 0
        self._socket.close()

    def _pass_last_events(self) -> None:
        """What has ended is told; what has only begun now is not, neither that it began nor that it ended."""
        unheard: list[object] = []
        for event in self._session.events():
            if type(event) is Started:
                unheard.append(event.exchange)
            elif type(event) is Finished and event.exchange not in unheard:
                self._cut = self._cut or self._losing
                self._reactor.finished(event.exchange)

    def _settle(self) -> None:
        """After every change: what to watch the socket for, and until when."""
        state = self._state
        if state is _ENDING or state is _CLOSED:
            return
        if state is _LINGERING:
            interest = EVENT_READ
            deadline: float | None = self._until
        else:
            session = self._session
            interest = EVENT_READ if not self._eof and session.connection.wants_data else 0
            deadline = session.deadline()
            if self._unsent:
                interest |= EVENT_WRITE
                stalled = self._progress + self._reactor.write_timeout
                if deadline is None or stalled < deadline:
                    deadline = stalled
        if interest != self._interest:
            self._reactor.watch(self, self._socket, self._interest, interest)
            self._interest = interest
        if deadline is not None and not (self.tick and deadline >= self._due):
            self._due = deadline
            self._reactor.set_deadline(self, deadline)


def on_its_way(sock: socket.socket) -> int:
    """Bytes of ours that the peer's system has not acknowledged (tcp(7), SIOCOUTQ), a half-close not counted."""
    if sock.family == socket.AF_UNIX:
        return 0  # what was sent is there
    try:
        (count,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))
    except OSError:
        return 0
    return max(0, int(count) - 1)
