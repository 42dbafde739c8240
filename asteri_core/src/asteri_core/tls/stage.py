"""TLS as a connection around another one: records in and out, over memory, with no socket.

    HANDSHAKE ──done──▶ OPEN ──close_notify or the end of what is inside──▶ CLOSED
        └────────────── error, EOF, deadline ──────────────────────────────────▲

Whatever is inside is driven as the reactor drives a stream: by a `Session`. Its bytes are encrypted when they are taken
out, a bounded piece at a time, so that a large answer does not stand in memory twice. Reading stops where the inner
connection wants no more, and goes on from `events`, which a driver calls after every change.

A stage knows no protocol: `choose` makes the inner connection from the peer as TLS has shown it, ALPN included. It
reads no clock, and it logs nothing: a handshake that fails is `Failed` with a `TlsError`.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import sys
from collections import deque
from collections.abc import Callable, Sequence

from ..errors import TlsError
from ..sansio.connection import CLOSE, RESET, ConnectionFactory, Event, Failed, FileSlice, Peer, Sendable, TlsFacts
from ..sansio.router import FIRST_WORDS
from ..sansio.session import Session

READ_SIZE = 65536
PIECE = 1 << 18
"""Bytes encrypted in one turn: what is encrypted stands in memory until it has left."""
UNSENT = 16384
"""Bytes that TLS itself has to say, at which the peer is no longer read from: a handshake needs less. A client that has
not been heard may ask again and again for another one, or for other keys, and each time it is told something."""
SMALL = 16384
"""The largest TLS record: smaller pieces are joined up to it, so that each does not get one of its own."""

Facts = Callable[[ssl.SSLObject], TlsFacts]


class TlsStage:
    """See `asteri_core.api.Connection` for the contract.

    ``wrap`` makes the TLS object of the peer from the two buffers, ``facts`` tells what has been agreed on when the
    handshake is over, and ``choose`` makes what is inside.
    """

    __slots__ = (
        "_buffered",
        "_choose",
        "_closed",
        "_deadline",
        "_drain",
        "_ended",
        "_eof",
        "_events",
        "_facts",
        "_incoming",
        "_inner",
        "_now",
        "_outgoing",
        "_peer",
        "_tls",
        "_unsent",
        "wake",
    )

    def __init__(
        self,
        wrap: Callable[[ssl.MemoryBIO, ssl.MemoryBIO], ssl.SSLObject],
        facts: Facts,
        choose: ConnectionFactory,
        peer: Peer,
        now: float,
        deadline: float,
    ) -> None:
        self.wake: Callable[[], None] = _nothing
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = wrap(self._incoming, self._outgoing)
        self._facts = facts
        self._choose = choose
        self._peer = peer
        self._now = now
        self._deadline: float | None = deadline
        """Of the handshake."""
        self._inner: Session | None = None
        self._unsent: deque[Sendable] = deque()
        """What the inner connection has handed out, not yet encrypted."""
        self._events: list[Event] = []
        self._buffered = False
        """Whether there may be bytes that have come and have not been passed on."""
        self._eof = False
        self._ended: Sendable | None = None
        """The last item, once everything before it has been encrypted."""
        self._closed = False
        self._drain: float | None = None

    # -- the peer ----------------------------------------------------------------------------------------------------

    @property
    def wants_data(self) -> bool:
        if self._closed or self._ended is not None or self._eof or self._outgoing.pending > UNSENT:
            return False
        return self._inner is None or self._inner.wants_data

    def receive_data(self, data: bytes, now: float) -> None:
        self._now = now
        if self._closed or self._ended is not None:
            return
        self._incoming.write(data)
        self._buffered = True
        if self._inner is None:
            self._shake()
        if self._inner is not None:
            self._read()

    def receive_eof(self, now: float) -> None:
        # Without close_notify it may be an attacker's doing: what is inside has a framing of its own to tell.
        self._now = now
        self._incoming.write_eof()
        self._buffered = True
        if self._inner is None:
            if not self._closed and self._ended is None:
                self._refuse("the peer has closed in the middle of the handshake")
        else:
            self._read()

    def lost(self, now: float) -> None:
        self._now = now
        self._closed = True
        self._deadline = None
        self._unsent.clear()
        if self._inner is not None:
            self._inner.lost(now)

    def _shake(self) -> None:
        try:
            _shake_hands(self._tls)
        except ssl.SSLWantReadError:
            return
        except (ssl.SSLError, ValueError, OSError) as error:
            self._refuse(_reason(error))
            return
        self._deadline = None
        facts = self._facts(self._tls)
        inner = self._choose(self._peer._replace(scheme="https", tls=facts), self._now)
        self._inner = Session(inner, self._now, self._woken)
        if self._drain is not None:
            # Its first request is on its way: who has just shaken hands has not come to be silent.
            self._inner.drain(max(self._drain, self._now + FIRST_WORDS), self._now)

    def _woken(self) -> None:
        self.wake()

    def _read(self) -> None:
        """Pass on what has come, as long as it is wanted."""
        inner = self._inner
        assert inner is not None
        while self._buffered and not self._eof and inner.wants_data:
            try:
                data = self._tls.read(READ_SIZE)
            except ssl.SSLWantReadError:
                self._buffered = False
                return
            except ssl.SSLError as error:
                if isinstance(error, (ssl.SSLZeroReturnError, ssl.SSLEOFError)):
                    data = b""
                else:
                    self._break(error)
                    return
            if data:
                # Asked, since to be told by an exception that there is no more takes ten times as long.
                self._buffered = bool(self._incoming.pending or self._tls.pending())
                inner.receive_data(data, self._now)
            else:
                self._eof = True
                inner.receive_eof(self._now)

    def _break(self, error: Exception) -> None:
        """A record that cannot be trusted: nothing that follows can. What runs inside is over."""
        self._events.append(Failed(TlsError(_reason(error))))
        self._cut()

    def _cut(self) -> None:
        self._unsent.clear()
        self._ended = RESET
        assert self._inner is not None
        self._inner.lost(self._now)

    def _refuse(self, reason: str) -> None:
        self._events.append(Failed(TlsError(reason)))
        self._deadline = None
        self._ended = b""

    # -- the driver --------------------------------------------------------------------------------------------------

    def events(self) -> Sequence[Event]:
        inner = self._inner
        if inner is None:
            events: Sequence[Event] = ()
        else:
            events = inner.events()
            if self._buffered and inner.wants_data and self._ended is None:
                self._read()
                events = [*events, *inner.events()]
        if self._events:
            mine, self._events = self._events, []
            events = [*events, *mine]
        return events

    def data_to_send(self, now: float) -> Sequence[Sendable]:
        self._now = now
        if self._closed:
            return ()
        unsent = self._unsent
        if self._inner is not None and self._ended is None:
            if not unsent:
                unsent.extend(self._inner.data_to_send(now))
            if unsent:
                self._encrypt()
        out: list[Sendable] = []
        if self._outgoing.pending:
            out.append(self._outgoing.read())
        if self._ended is not None:
            out.append(self._ended)
            self._closed = True
        return out

    def _encrypt(self) -> None:
        """Encrypt some of what is to be sent. A piece that is not finished stays at the front."""
        unsent = self._unsent
        room = PIECE
        while unsent and room > 0:
            piece = unsent.popleft()
            if isinstance(piece, FileSlice):
                size = min(piece.length, room)
                data: bytes | bytearray | memoryview = _read_file(piece, size)
                if len(data) < size:
                    self._cut()
                    return
                if size < piece.length:
                    unsent.appendleft(FileSlice(piece.file, piece.offset + size, piece.length - size))
            elif not len(piece):
                self._end(piece)
                return
            else:
                data = self._gathered(piece)
                if len(data) > room:
                    unsent.appendleft(memoryview(data)[room:])
                    data = memoryview(data)[:room]
            try:
                if data:
                    self._tls.write(data)
            except ssl.SSLError as error:
                self._break(error)
                return
            room -= len(data)

    def _gathered(self, piece: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
        """The piece, and small ones behind it."""
        unsent = self._unsent
        if not unsent or len(piece) >= SMALL:
            return piece
        pieces = [piece]
        size = len(piece)
        while unsent:
            other = unsent[0]
            if isinstance(other, FileSlice) or not len(other) or size + len(other) > SMALL:
                break
            pieces.append(other)
            size += len(other)
            unsent.popleft()
        return piece if len(pieces) == 1 else b"".join(pieces)

    def _end(self, end: Sendable) -> None:
        self._unsent.clear()
        if end is not RESET:
            # close_notify, so that nobody can cut the answer unseen (RFC 8446 section 6.1). The peer may answer it with
            # its own, for which the reactor lingers: hence a half-close also where the inner one wants a close.
            with contextlib.suppress(ssl.SSLError, ValueError):
                self._tls.unwrap()
            if end is CLOSE:
                end = b""
        self._ended = end

    # -- time --------------------------------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        return self._deadline if self._inner is None else self._inner.deadline()

    def expire(self, now: float) -> None:
        self._now = now
        if self._inner is not None:
            self._inner.expire(now)
        elif self._deadline is not None and now >= self._deadline:
            self._refuse("no TLS handshake within its time-out")

    def drain(self, until: float, now: float) -> None:
        self._now = now
        self._drain = until
        if self._inner is not None:
            self._inner.drain(until, now)
        elif self._deadline is not None:
            self._deadline = min(self._deadline, max(until, now + FIRST_WORDS))


def _read_file(piece: FileSlice, size: int) -> bytes:
    """Shorter than ``size`` where the file is, or cannot be read."""
    try:
        return os.pread(piece.file.fileno(), size, piece.offset)
    except OSError:
        return b""


def _shake_hands(tls: ssl.SSLObject) -> None:
    """Without what Python writes to standard error where the name that is asked for is not ASCII: five lines for
    whoever asks. The handshake fails all the same, and that is told once a burst."""
    former = sys.unraisablehook

    def hook(told: sys.UnraisableHookArgs) -> None:
        if told.exc_type is not UnicodeDecodeError or not isinstance(told.object, bytes):
            former(told)

    sys.unraisablehook = hook
    try:
        tls.do_handshake()
    finally:
        sys.unraisablehook = former


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the client's certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return str(error.reason).lower().replace("_", " ")
    return str(error) or type(error).__name__


def _nothing() -> None:
    """The wake-up of a connection that nobody drives yet."""
