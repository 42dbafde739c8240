"""`check_connection`: the contract of a protocol, as a check."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence

from ..sansio.connection import (
    Connection,
    ConnectionFactory,
    Exchange,
    Failed,
    FileSlice,
    Finished,
    Peer,
    Sendable,
    Started,
    Switched,
)

PEER = Peer(("192.0.2.1", 40000), ("192.0.2.2", 80))
Answer = Callable[[Exchange], None]


class Conversation:
    """What one connection made of the bytes it got."""

    def __init__(self, factory: ConnectionFactory, answer: Answer, now: float = 1000.0) -> None:
        self.now = now
        self.answer = answer
        self.woken = 0
        self.started: list[Exchange] = []
        self.finished: list[Exchange] = []
        self.failed: list[Exception] = []
        self.switched: Switched | None = None
        self.sent = b""
        self.half_closed = False
        self.connection: Connection = factory(PEER, now)
        self.connection.wake = self._wake
        self.pump()

    def _wake(self) -> None:
        self.woken += 1

    def feed(self, data: bytes) -> None:
        self.connection.receive_data(data, self.now)
        self.pump()

    def eof(self) -> None:
        self.connection.receive_eof(self.now)
        self.pump()

    def lose(self) -> None:
        self.connection.lost(self.now)
        self.pump()

    def drain(self) -> None:
        self.connection.drain(self.now, self.now)
        self.pump()
        self.expire()

    def expire(self) -> None:
        """Let time pass until the connection wants nothing more of it."""
        for _ in range(100):
            deadline = self.connection.deadline()
            if deadline is None or self.half_closed:
                return
            self.now = max(self.now, deadline)
            self.connection.expire(self.now)
            self.pump()
        raise AssertionError("the deadline of the connection never ends")

    def pump(self) -> None:
        """What the reactor does after every call."""
        for _ in range(10000):
            events = self.connection.events()
            for event in events:
                self._event(event)
            data = self.connection.data_to_send(self.now)
            for piece in data:
                self._send(piece)
            if not events and not data:
                return
            assert not (self.switched and events[-1:] and type(events[-1]) is not Switched), "an event after Switched"
        raise AssertionError("the connection never comes to rest")

    def _event(self, event: object) -> None:
        if isinstance(event, Started):
            assert event.exchange not in self.started, "an exchange was started twice"
            self.started.append(event.exchange)
            self.answer(event.exchange)
        elif isinstance(event, Finished):
            assert event.exchange in self.started, "an exchange was finished that was never started"
            assert event.exchange not in self.finished, "an exchange was finished twice"
            self.finished.append(event.exchange)
        elif isinstance(event, Failed):
            assert isinstance(event.error, Exception), f"Failed carries {event.error!r}, which is no exception"
            self.failed.append(event.error)
        elif isinstance(event, Switched):
            self.switched = event
        else:
            raise AssertionError(f"{event!r} is not an event")

    def _send(self, piece: Sendable) -> None:
        assert not self.half_closed, "bytes after the half-close"
        if isinstance(piece, FileSlice):
            self.sent += os.pread(piece.file.fileno(), piece.length, piece.offset)
        elif not piece:
            self.half_closed = True
        else:
            self.sent += bytes(piece)


def check_connection(
    factory: ConnectionFactory, samples: Iterable[bytes], answer: Answer, foreign: Sequence[bytes] = ()
) -> None:
    """Raise AssertionError where the connections of ``factory`` break the contract of `Connection`.

    ``samples`` are things a peer may say, each from a fresh connection on; ``answer`` answers an exchange at once.
    ``foreign`` are things no peer of this protocol says.
    """
    for sample in samples:
        whole = Conversation(factory, answer)
        whole.feed(sample)
        _check_pieces(factory, sample, answer, whole)
        _check_ends(factory, sample, answer)
    for sample in foreign:
        conversation = Conversation(factory, answer)
        conversation.feed(sample)
        conversation.eof()
        conversation.expire()
        assert conversation.half_closed, f"{sample!r} has not ended the connection"


def _check_pieces(factory: ConnectionFactory, sample: bytes, answer: Answer, whole: Conversation) -> None:
    cuts = [[sample[i : i + 1] for i in range(len(sample))]]
    cuts += [[sample[:i], sample[i:]] for i in range(1, len(sample))]
    for pieces in cuts:
        conversation = Conversation(factory, answer)
        for piece in pieces:
            conversation.feed(piece)
        assert conversation.sent == whole.sent, f"{sample!r} in pieces {pieces!r} is answered otherwise than whole"
        assert len(conversation.started) == len(whole.started), f"{sample!r} in pieces starts other exchanges"


def _check_ends(factory: ConnectionFactory, sample: bytes, answer: Answer) -> None:
    for cut in range(len(sample) + 1):
        for end in (Conversation.eof, Conversation.lose, Conversation.drain, Conversation.expire):
            conversation = Conversation(factory, answer)
            if cut:
                conversation.feed(sample[:cut])
            if conversation.switched:
                continue
            end(conversation)
            if end is Conversation.eof:
                conversation.expire()
            where = f"{end.__name__} after {sample[:cut]!r}"
            assert conversation.half_closed or end is Conversation.lose, f"{where} has not ended the connection"
            assert conversation.finished == conversation.started, f"{where} has left an exchange unfinished"
    early = Conversation(factory, answer)
    before = early.connection.deadline()
    early.connection.expire(early.now)
    early.pump()
    assert before is None or before <= early.now or not early.half_closed, "expire acts before its deadline"
